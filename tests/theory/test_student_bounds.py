"""Theorem 4 and its counterpart in appendix C on finite distributions, by exact sums: Algorithm 1 in a dozen lines.

The function class is log p + b for all vectors b, so the descent step is exact on any training sample. The error of
the game is measured, not bounded: what the multipliers fell short of the best fixed ones in hindsight.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor
from torch.nn.functional import one_hot

from evendistill.maths.bounds import (
    estimation_error,
    multiplier_game,
    scaled_calibration_error,
    student_gap_bound,
)
from evendistill.maths.losses import label_losses
from evendistill.maths.risks import class_risks
from evendistill.maths.simplex import exponentiated_gradient

TINY = 1e-9
MOST = 8.0
"""A bound on the losses of the scorers that are played below: no teacher says less than 0.02."""


class Setting(NamedTuple):
    """Truth and teacher at N equally likely points, and numbers of the points drawn for training and held out.

    The labels ``(M,)`` are those drawn with the held-out points, each class among them. Each row of others is the
    vector b of one more scorer.
    """

    truth: Tensor
    teacher: Tensor
    training: Tensor
    held_out: Tensor
    labels: Tensor
    others: Tensor

    def targets(self, of: str) -> Tensor:
        """Held-out targets ``(M, C)``: what the teacher says, or the true labels."""
        return self.teacher[self.held_out] if of == "teacher" else one_hot(self.labels, self.truth.shape[1]).double()

    def held_out_error(self, of: str, losses: Tensor) -> Tensor:
        """Of the class risks on the held-out sample; under true labels a drawn pair is one of N * C."""
        if of == "teacher":
            return estimation_error(self.teacher, losses, self.held_out)
        points, classes = self.truth.shape
        rows = torch.eye(classes).double().repeat(points, 1)
        drawn = self.held_out * classes + self.labels
        return estimation_error(rows, losses.repeat_interleave(classes, dim=0), drawn, self.truth.flatten())


class Game(NamedTuple):
    """Losses ``(N, C)`` of the K scorers and of their average, and the game's own error."""

    played: list[Tensor]
    averaged: Tensor
    regret: float


@st.composite
def settings_of_a_game(draw):
    points, classes = draw(st.integers(2, 5)), draw(st.integers(2, 3))
    positive = arrays(np.float64, (points, classes), elements=st.floats(0.05, 1))
    truth, teacher = (torch.from_numpy(draw(positive)) for _ in "ab")
    teacher = draw(st.sampled_from([teacher, truth]))
    drawn = st.lists(st.integers(0, points - 1), min_size=1, max_size=6) | st.just(list(range(points)))
    others = torch.from_numpy(draw(arrays(np.float64, (4, classes), elements=st.floats(-2, 2))))
    truth, teacher = (masses / masses.sum(dim=1, keepdim=True) for masses in (truth, teacher))
    training = torch.tensor(draw(drawn))
    held_out = torch.tensor(draw(drawn) + draw(st.lists(st.integers(0, points - 1), min_size=2, max_size=4)))
    labels = torch.tensor([*range(classes), *draw(st.permutations(range(10)))])[: len(held_out)] % classes
    return Setting(truth, teacher, training, held_out, labels, others)


def play(setting: Setting, labels: str, *, moves: int, step: float) -> Game:
    """Algorithm 1 with exact descent steps, its multipliers moved by labels of the teacher or by true ones."""
    targets = setting.targets(labels)
    drawn = setting.teacher[setting.training]
    log_priors = drawn.mean(dim=0).log()
    log_weights = torch.full_like(log_priors, -math.log(len(log_priors)))
    scores, played, weighted = setting.teacher.log(), [], []
    for _ in range(moves):
        log_weights = exponentiated_gradient(
            log_weights, class_risks(label_losses(scores)[setting.held_out], targets), step
        )
        scores = setting.teacher.log() + log_weights - log_priors
        played.append(scores)
        weighted.append(log_weights.exp() @ class_risks(label_losses(scores)[setting.held_out], targets))
    losses = [label_losses(scores) for scores in played]
    best = torch.stack([class_risks(each[setting.held_out], targets) for each in losses]).mean(dim=0).max()
    regret = (best - torch.stack(weighted).mean()).item()
    return Game(losses, label_losses(torch.stack(played).mean(dim=0)), regret)


def robust_risk(setting: Setting, losses: Tensor) -> float:
    return class_risks(losses, setting.truth).max().item()


def bounds(setting: Setting, game: Game, labels: str, scale: float) -> dict[str, float]:
    """The bound as proved, as printed in appendix C, and with half the calibration term."""
    others = [label_losses(setting.teacher.log() + b) for b in setting.others]
    everyone = [*game.played, *others]
    most = max(losses.max().item() for losses in everyone)
    calibration = scaled_calibration_error(setting.teacher, setting.truth, scale)
    errors = [estimation_error(setting.teacher, losses, setting.training) for losses in everyone]
    training = torch.stack(errors).amax(dim=0)
    held_out = torch.stack([setting.held_out_error(labels, losses) for losses in everyone]).amax(dim=0)
    proved = student_gap_bound(calibration, training, held_out, loss_bound=most, scale=scale).item()
    half = proved - most * calibration.max().item()
    printed = 2 * (most * calibration.max() + scale * held_out.max() + training.max()).item()
    gap = robust_risk(setting, game.averaged) - min(robust_risk(setting, losses) for losses in everyone)
    return {"gap": gap - game.regret, "proved": proved, "half": half, "printed": printed}


@settings(max_examples=60)
@given(settings_of_a_game(), st.sampled_from(["teacher", "true"]), st.sampled_from([0.3, 0.8, 1.0, 1.4]))
def test_the_averaged_student_ends_within_the_bound(setting, labels, scale):
    """Theorem 4 is teacher labels at scale 1, appendix C true labels at any scale.

    The form printed there, with tau before the held-out error, holds too: no counter-example exists, see
    docs/theory.md. So does half the calibration term.
    """
    scale = 1.0 if labels == "teacher" else scale
    game = play(setting, labels, moves=12, step=0.5)
    found = bounds(setting, game, labels, scale)
    for name in ("proved", "half", "printed"):
        assert found["gap"] <= found[name] + TINY, name


@settings(max_examples=40)
@given(settings_of_a_game(), st.sampled_from([1, 9, 40]))
def test_the_error_of_the_game_is_within_its_bound(setting, moves):
    """With the step of the theorem, whichever priors Z is read from; and with a longer step a sharper bound (ours)."""
    classes = setting.truth.shape[1]
    sharp = math.sqrt(8 * math.log(classes) / moves) / MOST
    games = [(sharp, MOST * math.sqrt(math.log(classes) / (2 * moves)) + MOST / moves)]
    for priors in (setting.teacher.mean(dim=0), setting.truth.mean(dim=0)):
        games.append(multiplier_game(classes, moves, loss_bound=MOST, least_prior=priors.min().item()))
    for step, bound in games:
        game = play(setting, "teacher", moves=moves, step=step)
        assert max(losses.max() for losses in game.played) <= MOST
        assert game.regret <= bound + TINY
