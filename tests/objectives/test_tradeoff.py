"""The trade-off and its ends: costs against the formulas, Algorithm 2 by hand, and what a checkpoint restores."""

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax

from evendistill.maths.losses import margin_loss
from evendistill.objectives.objective import BoundObjective, Description
from evendistill.objectives.tradeoff import (
    Balanced,
    CostObjective,
    Robust,
    Standard,
    TradeOff,
    trade_off_log_costs,
)

PRIORS = torch.tensor([0.6, 0.3, 0.1])
ERRORS = torch.tensor([0.1, 0.4, 0.9])
BASES = ["balanced", "standard"]


@st.composite
def simplex_pairs(draw):
    """Two float64 points of one simplex, as multipliers and priors: (C,) and (C,)."""
    classes = draw(st.integers(2, 6))
    raw = draw(arrays(np.float64, (2, classes), elements=st.floats(0.01, 1)))
    return raw / raw.sum(1, keepdims=True)


def costs_by_hand(weights, priors, alpha, base):
    """c_y = ((1 - alpha) b_y + alpha lambda_y) / pi_y, in plain numbers, scaled to a geometric mean of one."""
    costs = []
    for weight, prior in zip(weights, priors, strict=True):
        start = 1 / len(priors) if base == "balanced" else prior
        costs.append(((1 - alpha) * start + alpha * weight) / prior)
    return np.array(costs) / math.prod(costs) ** (1 / len(costs))


def batch():
    """Scores and soft targets of a small training batch, and errors of five updates."""
    return torch.randn(7, 3), torch.randn(7, 3).softmax(dim=1), torch.rand(5, 3)


@given(simplex_pairs(), st.floats(0, 1), st.sampled_from(BASES))
def test_log_costs_follow_the_formula_and_are_centred(pair, alpha, base):
    weights, priors = pair
    log_costs = trade_off_log_costs(*torch.from_numpy(np.log(pair)), alpha=alpha, base=base)
    np.testing.assert_allclose(log_costs.exp().numpy(), costs_by_hand(weights, priors, alpha, base), rtol=1e-9)
    assert log_costs.mean().item() == pytest.approx(0, abs=1e-12)


def test_the_base_of_log_costs_is_balanced_unless_told_otherwise():
    log_weights = torch.tensor([0.5, 0.25, 0.25]).log()
    plain = trade_off_log_costs(log_weights, PRIORS.log(), alpha=0.5)
    assert torch.equal(plain, trade_off_log_costs(log_weights, PRIORS.log(), alpha=0.5, base="balanced"))
    assert not torch.equal(plain, trade_off_log_costs(log_weights, PRIORS.log(), alpha=0.5, base="standard"))


@given(simplex_pairs(), st.floats(0, 1), st.sampled_from(BASES))
def test_costs_are_linear_in_alpha_between_the_ends(pair, alpha, base):
    """Before the logarithm: beta = c pi, scaled to sum to one, lies on the line from alpha 0 to alpha 1."""
    log_weights, log_priors = torch.from_numpy(np.log(pair))

    def beta(alpha):
        return (trade_off_log_costs(log_weights, log_priors, alpha=alpha, base=base) + log_priors).softmax(dim=0)

    torch.testing.assert_close(beta(alpha), (1 - alpha) * beta(0.0) + alpha * beta(1.0), rtol=1e-9, atol=1e-12)


@given(simplex_pairs(), st.sampled_from([0.0, 0.25, 1.0]), st.sampled_from(BASES))
def test_a_scorer_blind_to_its_input_learns_beta(pair, alpha, base):
    """With targets of mean pi the gradient vanishes at log(c pi): priors, uniform, multipliers or their mixture."""
    weights, priors = pair
    objective = CostObjective(torch.from_numpy(priors).log(), alpha=alpha, base=base).double()
    objective.log_priors.copy_(torch.from_numpy(priors).log())
    objective.multipliers.log_weights.copy_(torch.from_numpy(weights).log())
    objective.log_costs.copy_(objective._log_costs())
    start = priors if base == "standard" else np.full(len(priors), 1 / len(priors))
    scores = torch.from_numpy(np.log((1 - alpha) * start + alpha * weights)).expand(4, -1).clone().requires_grad_()
    (gradient,) = torch.autograd.grad(objective(scores, torch.from_numpy(priors).expand(4, -1)), scores)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-12)


def test_log_costs_stay_finite_where_the_multipliers_underflow():
    log_weights = torch.tensor([0.0, -300.0, -700.0])
    for alpha in (0.0, 0.3, 1.0):
        assert trade_off_log_costs(log_weights, PRIORS.log(), alpha=alpha).isfinite().all()
    robust = trade_off_log_costs(log_weights, torch.zeros(3), alpha=1.0)
    torch.testing.assert_close(robust, torch.tensor([1000 / 3, 100 / 3, -1100 / 3]))


@pytest.mark.parametrize(("named", "spelt"), [(Balanced(), TradeOff(0)), (Robust(), TradeOff(1))])
def test_balanced_and_robust_are_the_ends_of_the_trade_off_bit_for_bit(named, spelt):
    assert named == spelt
    assert hash(named) == hash(spelt)
    scores, targets, updates = batch()
    first, second = (description.bind(PRIORS.log(), step_size=0.5) for description in (named, spelt))
    assert torch.equal(first(scores, targets), second(scores, targets))
    for errors in updates:
        first.ascend(errors)
        second.ascend(errors)
    assert torch.equal(first(scores, targets), second(scores, targets))
    assert torch.equal(first.log_costs, second.log_costs)
    assert torch.equal(first.weights, second.weights)


def test_the_four_names_are_four_points_of_one_description():
    assert (Standard().alpha, Standard().base) == (0.0, "standard")
    assert (Balanced().alpha, Balanced().base) == (0.0, "balanced")
    assert (Robust().alpha, Robust().base) == (1.0, "balanced")
    assert len({Standard(), Balanced(), Robust(), TradeOff(0.5), TradeOff(0.5, base="standard")}) == 5


def test_the_base_has_no_say_at_alpha_one():
    assert TradeOff(1, base="standard") == Robust()
    assert TradeOff(0.999, base="standard").base == "standard"


def test_an_integer_alpha_is_stored_as_a_float():
    assert isinstance(TradeOff(1).alpha, float)
    assert repr(TradeOff(0)) == repr(Balanced())


def test_a_description_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TradeOff(0.5).alpha = 0.7  # type: ignore[misc]


def test_standard_has_no_costs_at_all_and_is_the_mean_cross_entropy():
    scores, targets, updates = batch()
    objective = Standard().bind(PRIORS.log(), step_size=0.5)
    objective.ascend(updates[0])
    assert torch.equal(objective.log_costs, torch.zeros(3))
    torch.testing.assert_close(objective(scores, targets), F.cross_entropy(scores, targets))
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0])
    torch.testing.assert_close(objective(scores, labels), F.cross_entropy(scores, labels))


def test_balanced_costs_are_the_inverse_priors_and_robust_starts_there():
    balanced, robust = (TradeOff(alpha).bind(PRIORS.log(), step_size=0.5) for alpha in (0, 1))
    expected = -PRIORS.log() + PRIORS.log().mean()
    torch.testing.assert_close(balanced.log_costs, expected)
    torch.testing.assert_close(robust.log_costs, expected)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("alpha", [0.25, 1.0])
def test_three_rounds_of_algorithm_2_done_by_hand(alpha, base):
    """The step is multiplied by alpha, lambda is never mixed, and beta is mixed after the update."""
    priors, step_size = np.array([0.6, 0.3, 0.1]), 0.7
    rounds = np.array([[0.1, 0.5, 0.9], [0.2, 0.8, 0.1], [0.7, 0.3, 0.6]])
    scores, targets = np.array([[0.3, -1.0, 2.0], [1.5, 0.2, -0.4]]), np.array([[0.2, 0.3, 0.5], [0.7, 0.1, 0.2]])
    objective = CostObjective(torch.from_numpy(priors).log(), alpha=alpha, base=base, step_size=step_size).double()
    objective.log_priors.copy_(torch.from_numpy(priors).log())
    weights = np.full(3, 1 / 3)
    for errors in rounds:
        objective.ascend(torch.from_numpy(errors))
        weights = weights * np.exp(step_size * alpha * errors)
        weights = weights / weights.sum()
        costs = costs_by_hand(weights, priors, alpha, base)
        loss = -(targets * log_softmax(scores - np.log(costs), axis=1)).sum(1).mean()
        np.testing.assert_allclose(objective.weights.numpy(), weights, rtol=1e-12)
        np.testing.assert_allclose(objective.log_costs.exp().numpy(), costs, rtol=1e-12)
        ours = objective(torch.from_numpy(scores), torch.from_numpy(targets))
        assert ours.item() == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize("description", [Standard(), Balanced()])
def test_alpha_zero_makes_no_update(description):
    objective = description.bind(PRIORS.log(), step_size=0.5)
    before = {name: value.clone() for name, value in objective.state_dict().items()}
    assert description.is_adversarial is False
    assert objective.is_adversarial is False
    objective.ascend(ERRORS)
    assert all(torch.equal(value, before[name]) for name, value in objective.state_dict().items())


@pytest.mark.parametrize("alpha", [1e-9, 0.5, 1.0])
def test_any_alpha_above_zero_has_an_adversary(alpha):
    assert TradeOff(alpha).is_adversarial is True
    assert TradeOff(alpha).bind(PRIORS.log(), step_size=0.5).is_adversarial is True


def test_the_class_that_errs_most_becomes_dearer():
    objective = Robust().bind(PRIORS.log(), step_size=0.5)
    before = objective.log_costs.clone()
    objective.ascend(ERRORS)
    moved = objective.log_costs - before
    assert moved[2] > moved[1] > moved[0]
    assert moved[2] > 0


def test_an_absent_class_keeps_its_multiplier():
    objective = TradeOff(0.5).bind(PRIORS.log(), step_size=0.5)
    objective.ascend(torch.tensor([0.1, 0.9, math.nan]))
    assert objective.weights[2].item() == pytest.approx(1 / 3)
    assert objective.log_costs.isfinite().all()


@pytest.mark.parametrize("alpha", [0.25, 1.0])
@pytest.mark.parametrize("base", BASES)
def test_ten_thousand_updates_at_a_constant_gap_leave_loss_and_gradient_finite(alpha, base):
    """The weaker multiplier falls to e^-500 and further, below everything that float32 holds."""
    objective = TradeOff(alpha, base=base).bind(torch.tensor([0.9, 0.1]).log(), step_size=0.1)
    for _ in range(10_000):
        objective.ascend(torch.tensor([0.6, 0.1]))
    fallen = objective.multipliers.log_weights[1].item()
    assert fallen == pytest.approx(-500 * alpha, rel=1e-3)
    assert objective.log_costs.dtype == torch.float32
    scores = torch.zeros(2, 2, requires_grad=True)
    loss = objective(scores, torch.eye(2))
    (gradient,) = torch.autograd.grad(loss, scores)
    assert loss.isfinite()
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


def test_the_loss_is_the_mean_margin_loss_under_the_costs():
    scores, targets, _ = batch()
    objective = Robust().bind(PRIORS.log(), step_size=0.5)
    objective.ascend(ERRORS)
    expected = margin_loss(scores, targets, log_costs=objective.log_costs).mean()
    assert torch.equal(objective(scores, targets), expected)
    assert objective(scores, targets).shape == ()


def test_no_gradient_reaches_the_costs():
    scores, targets, updates = batch()
    scores.requires_grad_()
    log_priors = PRIORS.log().requires_grad_()
    objective = TradeOff(0.5).bind(log_priors, step_size=0.5)
    objective.ascend(updates[0].requires_grad_())
    objective(scores, targets).backward()
    assert scores.grad is not None
    assert scores.grad.abs().sum() > 0
    assert log_priors.grad is None
    assert list(objective.parameters()) == []
    assert not any(buffer.requires_grad for buffer in objective.buffers())


def test_a_checkpoint_restores_costs_and_multipliers_exactly():
    scores, targets, updates = batch()
    straight = TradeOff(0.5).bind(PRIORS.log(), step_size=0.5)
    for errors in updates[:3]:
        straight.ascend(errors)
    saved = {name: value.clone() for name, value in straight.state_dict().items()}
    assert set(saved) == {"log_priors", "log_costs", "multipliers.log_weights"}
    resumed = TradeOff(0.5).bind(torch.full((3,), 1 / 3).log(), step_size=0.5)
    resumed.load_state_dict(saved)
    assert torch.equal(resumed.weights, straight.weights)
    assert torch.equal(resumed.log_costs, straight.log_costs)
    assert torch.equal(resumed(scores, targets), straight(scores, targets))
    for errors in updates[3:]:
        straight.ascend(errors)
        resumed.ascend(errors)
    assert torch.equal(resumed.log_costs, straight.log_costs)


def test_the_priors_of_the_caller_are_not_shared():
    """Two objectives bound to one tensor, and a checkpoint loaded into one of them."""
    log_priors = PRIORS.log()
    first, second = (Robust().bind(log_priors, step_size=0.5) for _ in range(2))
    other = Robust().bind(torch.tensor([0.1, 0.1, 0.8]).log(), step_size=0.5)
    first.load_state_dict(other.state_dict())
    assert torch.equal(log_priors, PRIORS.log())
    assert torch.equal(second.log_priors, PRIORS.log())


def test_priors_in_float64_make_buffers_in_float32():
    objective = Robust().bind(PRIORS.double().log(), step_size=0.5)
    assert {buffer.dtype for buffer in objective.buffers()} == {torch.float32}


def test_binding_hands_everything_on():
    description: Description = TradeOff(0.25, base="standard")
    objective: BoundObjective = description.bind(PRIORS.log(), step_size=0.7)
    assert isinstance(objective, CostObjective)
    assert (objective.alpha, objective.base, objective.multipliers.step_size) == (0.25, "standard", 0.7)


def test_an_objective_made_by_hand_is_balanced_with_a_step_of_a_tenth():
    objective = CostObjective(PRIORS.log(), alpha=0.5)
    assert (objective.base, objective.multipliers.step_size) == ("balanced", 0.1)
    told = CostObjective(PRIORS.log(), alpha=0.5, base="balanced", step_size=0.1)
    assert torch.equal(objective.log_costs, told.log_costs)


@pytest.mark.parametrize("bad", [-math.inf, math.nan, math.inf])
def test_a_class_without_a_prior_is_refused_by_its_number(bad):
    with pytest.raises(ValueError, match=r"^class 1 has no mass in the training targets$"):
        Robust().bind(torch.tensor([-1.0, bad, -1.0]), step_size=0.5)


@pytest.mark.parametrize("alpha", [1.2, -0.1, math.nan])
def test_an_alpha_outside_zero_and_one_is_refused_with_its_value(alpha):
    with pytest.raises(ValueError, match=rf"^alpha must lie in \[0, 1\], got {alpha}$"):
        TradeOff(alpha)


def test_an_unknown_base_is_refused_with_its_value():
    with pytest.raises(ValueError, match=r"^base must be 'balanced' or 'standard', got 'robust'$"):
        TradeOff(0.5, base="robust")  # type: ignore[arg-type]


def test_a_step_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"^step_size must be positive and finite, got 0.0$"):
        Robust().bind(PRIORS.log(), step_size=0.0)
