"""Proposition 3 and Theorem 4 against the real loop: a student with one free score for each point and class."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor, nn

import evendistill as ed
from evendistill.maths.bounds import multiplier_game, student_gap_bound
from evendistill.maths.calibration import calibration_error
from evendistill.maths.losses import label_losses
from evendistill.maths.risks import class_risks
from evendistill.models.average import AverageOfScores

pytestmark = pytest.mark.filterwarnings("ignore:the validation examples are the training examples")

POINTS = torch.eye(5, dtype=torch.float64)
TRUTH = torch.tensor(
    [[0.9, 0.07, 0.03], [0.8, 0.12, 0.08], [0.7, 0.25, 0.05], [0.5, 0.3, 0.2], [0.6, 0.1, 0.3]], dtype=torch.float64
)
ASKEW = (TRUTH.log() * 0.5 + torch.tensor([[0.0, 1.0, 0.0]]) * POINTS[:, :1]).softmax(dim=1)
LABELS = torch.tensor([0, 1, 2, 0, 0])
MOST = 5.0
"""A bound on all losses of the scorers below."""


class ExactStep(torch.optim.Optimizer):
    """The descent step of Algorithm 1 as it is printed, an arg min: the loss's gradient tells the costs."""

    def __init__(self, parameters, teacher: Tensor) -> None:
        super().__init__(parameters, {"lr": 1.0})
        self.teacher = teacher.T

    @torch.no_grad()
    def step(self, closure=None) -> Any:
        (weight,) = self.param_groups[0]["params"]
        reached = self.teacher + len(POINTS) * weight.grad  # softmax of the scores less the log costs
        weight += self.teacher.log() - reached.log()


def distilled(teacher: Tensor, **told) -> ed.Result:
    """A robust student under the theory's gain; the training set and the held-out one are the whole distribution."""
    student = nn.Linear(5, 3, bias=False).double()
    nn.init.zeros_(student.weight)
    scores = ed.TeacherScores(train=teacher.log(), validation=teacher.log())
    settings = {"batch_size": 100, "schedule": "constant", "gain": "cross_entropy", "iterate": "averaged"}
    return ed.distill(
        scores,
        student,
        (POINTS, LABELS),
        (POINTS, LABELS),
        objective=ed.Robust(),
        temperature=1.0,
        recipe=ed.Recipe(**settings, **told),
        progress=False,
    )


def played(teacher: Tensor, *, moves: int, step: float) -> ed.Result:
    """Algorithm 1 with exact steps: each epoch is one move of the multipliers and one arg min."""
    return distilled(
        teacher,
        epochs=moves,
        update_every=1,
        multiplier_step=step,
        optimizer=lambda parameters: ExactStep(parameters, teacher),
    )


def robust_risk(scores: Tensor) -> float:
    return class_risks(label_losses(scores), TRUTH).max().item()


def dual(log_multipliers: np.ndarray) -> float:
    """The least weighted risk of any scorer, by Theorem 1; its maximum is the least robust risk."""
    costs = torch.tensor(log_multipliers).softmax(dim=0) / TRUTH.mean(dim=0)
    return (costs @ (TRUTH * label_losses((TRUTH * costs).log())).mean(dim=0)).item()


@pytest.fixture(scope="module")
def least() -> float:
    found = minimize(lambda x: -dual(x), np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-13})
    return -found.fun


def gap(result: ed.Result, least: float) -> float:
    """What the averaged scorer loses against the best, once the bound of the loss is seen to hold."""
    assert isinstance(result.model, AverageOfScores)
    for network in result.model.networks:
        assert label_losses(network(POINTS).detach()).max() <= MOST
    return robust_risk(result.scores((POINTS, LABELS))) - least


def proportional(masses: Tensor) -> Tensor:
    return masses / masses.sum(dim=1, keepdim=True)


def multipliers_of(result: ed.Result, period: int) -> Tensor:
    """Lambda at the end of each period, ``(K, C)``: an epoch is one step here."""
    return torch.tensor([record["multipliers"] for record in result.history[period - 1 :: period]])


@pytest.mark.parametrize("steps", ["exact", "a few of SGD"])
def test_proposition_3(steps):
    """The averaged scorer is the teacher with its classes reweighed by a geometric mean, bar and all."""
    if steps == "exact":
        result, period, tolerance = played(ASKEW, moves=5, step=4.0), 1, 1e-6
    else:
        told = {"learning_rate": 2.0, "weight_decay": 0.0, "multiplier_step": 4.0}
        result, period, tolerance = distilled(ASKEW, epochs=5 * 150, update_every=150, **told), 150, 1e-4
    multipliers = multipliers_of(result, period).double()
    assert multipliers.shape == (5, 3)
    priors = ASKEW.mean(dim=0)
    mean = (multipliers.log().mean(dim=0) - priors.log()).exp()
    found = result.scores((POINTS, LABELS)).softmax(dim=1)
    torch.testing.assert_close(found, proportional(mean * ASKEW), rtol=0, atol=tolerance)
    for other in (multipliers[-1], multipliers[-1] / priors, multipliers.mean(dim=0) / priors):  # the first as printed
        assert (found - proportional(other * ASKEW)).abs().max() > 0.02


def test_theorem_4_with_a_calibrated_teacher(least):
    """The gap is that of the game alone. At the theorem's step it shrinks slowly, and so does its bound."""
    gaps = []
    for moves in (8, 32, 128):
        step, bound = multiplier_game(3, moves, loss_bound=MOST, least_prior=TRUTH.mean(dim=0).min().item())
        gaps.append(gap(played(TRUTH, moves=moves, step=step), least))
        assert 0 < gaps[-1] <= bound
    assert gaps[0] > gaps[1] > gaps[2]


def test_a_longer_step_closes_the_gap_within_a_sharper_bound(least):
    """Ours: gains are weighted means of losses, so they are at most B, and Z has no part in the game."""
    gaps = []
    for moves in (8, 32, 128):
        step = math.sqrt(8 * math.log(3) / moves) / MOST
        gaps.append(gap(played(TRUTH, moves=moves, step=step), least))
        assert 0 < gaps[-1] <= MOST * math.sqrt(math.log(3) / (2 * moves)) + MOST / moves
    assert gaps[0] > 1.5 * gaps[1] > 2.25 * gaps[2]
    printed, _ = multiplier_game(3, 128, loss_bound=MOST, least_prior=TRUTH.mean(dim=0).min().item())
    assert gaps[2] < 0.2 * gap(played(TRUTH, moves=128, step=printed), least)


def test_theorem_4_with_a_teacher_out_of_calibration(least):
    """The gap stops shrinking, above zero and within the calibration term."""
    errors, none = calibration_error(ASKEW, TRUTH), torch.zeros(3).double()
    gaps = []
    for moves in (32, 128):
        gaps.append(gap(played(ASKEW, moves=moves, step=math.sqrt(8 * math.log(3) / moves) / MOST), least))
        step, bound = multiplier_game(3, moves, loss_bound=MOST, least_prior=ASKEW.mean(dim=0).min().item())
        slow = gap(played(ASKEW, moves=moves, step=step), least)
        assert slow <= student_gap_bound(errors, none, none, loss_bound=MOST) + bound
    assert errors.max() > 0.1
    assert gaps[-1] == pytest.approx(gaps[0], rel=0.2)
    assert 0.02 < gaps[-1] <= student_gap_bound(errors, none, none, loss_bound=MOST)
    assert gaps[-1] > 3 * gap(played(TRUTH, moves=128, step=math.sqrt(8 * math.log(3) / 128) / MOST), least)
