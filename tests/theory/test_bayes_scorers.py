"""Theorem 1 on finite distributions: the four scorers are the minimisers, to a certified gap, and nothing does better.

Expectations are sums over the points. The least robust risk is found as the largest value of its concave dual, the
least weighted risk. The dual is never above the primal, so a primal value that meets it proves both.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize
from torch import Tensor

from evendistill.maths.risks import class_cross_entropies
from evendistill.objectives.tradeoff import trade_off_log_costs

CERTIFIED = 1e-6
SHARES = st.floats(0.02, 1)


@st.composite
def distributions(draw):
    """Probabilities of each point and class, ``(N, C)``, summing to one; no class is rare beyond measure."""
    shape = draw(st.integers(1, 5)), draw(st.integers(2, 4))
    masses = torch.from_numpy(draw(arrays(np.float64, shape, elements=SHARES)))
    return masses / masses.sum()


def conditional(joint: Tensor) -> Tensor:
    return joint / joint.sum(dim=1, keepdim=True)


def bayes_scorer(joint: Tensor, multipliers: Tensor, alpha: float, base) -> Tensor:
    """Theorem 1: scores whose softmax is the conditional probability times the class costs."""
    log_costs = trade_off_log_costs(multipliers.log(), joint.sum(dim=0).log(), alpha=alpha, base=base)
    return conditional(joint).log() + log_costs


def objective(joint: Tensor, scores: Tensor, alpha: float, base) -> float:
    """Equations 1 to 4: a mean of class risks, mixed with the largest of them."""
    risks = class_cross_entropies(scores, joint)
    shares = joint.sum(dim=0) if base == "standard" else torch.full_like(risks, 1 / len(risks))
    return ((1 - alpha) * (shares @ risks) + alpha * risks.max()).item()


def dual(joint: Tensor, multipliers: Tensor, alpha: float, base) -> tuple[float, np.ndarray]:
    """Least weighted risk of any scorer under these multipliers, and its gradient along them."""
    risks = class_cross_entropies(bayes_scorer(joint, multipliers, alpha, base), joint)
    shares = joint.sum(dim=0) if base == "standard" else torch.full_like(risks, 1 / len(risks))
    weights = (1 - alpha) * shares + alpha * multipliers
    return (weights @ risks).item(), alpha * risks.numpy()


def saddle_point(joint: Tensor, alpha: float, base="balanced") -> tuple[Tensor, float]:
    """Multipliers that maximise the dual, and its value there: a lower bound on the objective of every scorer."""
    classes = joint.shape[1]

    def negated(multipliers: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = dual(joint, torch.from_numpy(multipliers), alpha, base)
        return -value, -gradient

    found = minimize(
        negated,
        np.full(classes, 1 / classes),
        jac=True,
        method="SLSQP",
        bounds=[(1e-12, 1)] * classes,
        constraints={"type": "eq", "fun": lambda x: x.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-15, "maxiter": 200},
    )
    multipliers = torch.from_numpy(found.x / found.x.sum())
    return multipliers, dual(joint, multipliers, alpha, base)[0]


NAMED = {"standard": (0.0, "standard"), "balanced": (0.0, "balanced"), "robust": (1.0, "balanced")}
MIXED = {"half-way": (0.5, "balanced"), "nearly robust": (0.9, "balanced"), "from standard": (0.6, "standard")}
OBJECTIVES = NAMED | MIXED


@pytest.mark.parametrize("name", OBJECTIVES)
@given(joint=distributions())
def test_the_value_of_the_bayes_scorer_meets_the_dual(name, joint):
    """So it is a minimiser over all scorers: the dual is below them all."""
    alpha, base = OBJECTIVES[name]
    multipliers, least = saddle_point(joint, alpha, base)
    reached = objective(joint, bayes_scorer(joint, multipliers, alpha, base), alpha, base)
    assert least - 1e-12 <= reached <= least + CERTIFIED


@pytest.mark.parametrize("name", OBJECTIVES)
@given(joint=distributions(), size=st.sampled_from([1e-2, 0.3, 5.0]), data=st.data())
def test_no_perturbation_of_the_bayes_scorer_does_better(name, joint, size, data):
    alpha, base = OBJECTIVES[name]
    best = bayes_scorer(joint, saddle_point(joint, alpha, base)[0], alpha, base)
    by = torch.from_numpy(data.draw(arrays(np.float64, joint.shape, elements=st.floats(-1, 1))))
    perturbed = objective(joint, best + size * by, alpha, base)
    assert perturbed >= objective(joint, best, alpha, base) - (CERTIFIED if alpha else 1e-12)
    if size * (by - by.mean(dim=1, keepdim=True)).abs().max() > 0.1:  # not a constant added to the scores of a point
        assert perturbed > objective(joint, best, alpha, base)


@given(joint=distributions(), data=st.data())
def test_the_dual_is_below_every_scorer_at_any_multipliers(joint, data):
    """Which is what the certificate rests on."""
    scores = torch.from_numpy(data.draw(arrays(np.float64, joint.shape, elements=st.floats(-6, 6))))
    masses = torch.from_numpy(data.draw(arrays(np.float64, joint.shape[1], elements=SHARES)))
    for alpha, base in OBJECTIVES.values():
        assert dual(joint, masses / masses.sum(), alpha, base)[0] <= objective(joint, scores, alpha, base) + 1e-12


@given(joint=distributions())
def test_at_the_robust_optimum_all_classes_that_weigh_anything_are_equally_bad(joint):
    multipliers, least = saddle_point(joint, 1.0)
    risks = class_cross_entropies(bayes_scorer(joint, multipliers, 1.0, "balanced"), joint)
    assert ((risks - least).abs()[multipliers > 1e-2] < 1e-4).all()
    assert (risks < least + CERTIFIED).all()


def test_the_four_scorers_differ_and_each_is_best_at_its_own_objective():
    joint = torch.tensor([[0.6, 0.01, 0.01], [0.01, 0.2, 0.17]], dtype=torch.float64)
    four = NAMED | {"trade-off": (0.5, "balanced")}
    scorers = {name: bayes_scorer(joint, saddle_point(joint, *told)[0], *told) for name, told in four.items()}
    for name, told in four.items():
        values = {other: objective(joint, scores, *told) for other, scores in scorers.items()}
        best = values.pop(name)
        assert min(values.values()) > best + 1e-3, name


@given(joint=distributions(), share=st.floats(0.05, 1))
def test_above_a_threshold_the_trade_off_is_the_robust_scorer(joint, share):
    """Its costs can be any mixture of the uniform ones with others, so they can be the robust ones if those suffice."""
    robust, least = saddle_point(joint, 1.0)
    threshold = 1 - len(robust) * robust.min().item()
    alpha = threshold + share * (1 - threshold)
    needed = (robust - (1 - alpha) / len(robust)) / alpha
    assert objective(joint, bayes_scorer(joint, needed, alpha, "balanced"), 1.0, "balanced") < least + CERTIFIED
    value = saddle_point(joint, alpha)[1]
    assert value == pytest.approx(objective(joint, bayes_scorer(joint, robust, 1.0, "balanced"), alpha, "balanced"))


def test_the_multipliers_are_not_uniform_unless_the_classes_are_equally_hard():
    """Class 0 is told apart everywhere, classes 1 and 2 nowhere."""
    joint = torch.tensor([[0.5, 0.01, 0.01], [0.0, 0.24, 0.24]], dtype=torch.float64).clamp_min(1e-3)
    multipliers, _ = saddle_point(joint / joint.sum(), 1.0)
    assert multipliers[0] < 0.1
    even = torch.full((3, 3), 0.1, dtype=torch.float64) + torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(saddle_point(even / even.sum(), 1.0)[0], torch.full((3,), 1 / 3).double())
