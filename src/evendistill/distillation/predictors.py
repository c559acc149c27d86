"""What says of a teacher, before any student is trained, how robust its student will be."""

import math
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from evendistill.distillation.diagnose import diagnose
from evendistill.distillation.fitting import minimise
from evendistill.distillation.folds import stratified_folds
from evendistill.distillation.labels import check_temperature
from evendistill.maths.calibration import calibration_error
from evendistill.maths.losses import check_scores
from evendistill.maths.metrics import check_labels, class_recalls

SHARPNESS = (1.0, 4.0, 16.0, 64.0)
STEPS = 50


@dataclass(frozen=True)
class Predictors:
    """Ways to rank a teacher at a temperature; of each, larger is said to be better.

    Attributes:
        shifted_risk: minus the robust risk after the best shift; see :func:`shifted_risks`.
        shape_risk: minus the robust risk of the teacher's shape, its probabilities over their own means.
        calibration: minus the largest calibration term of Theorem 2, against a reference that teachers share.
        own_calibration: the same against the own score; zero, the best there is, for a teacher that says nothing.
        worst_class_accuracy: of the teacher itself.
        average_accuracy: of the teacher itself.
    """

    shifted_risk: float
    shape_risk: float
    calibration: float
    own_calibration: float
    worst_class_accuracy: float
    average_accuracy: float


NAMES = tuple(field.name for field in fields(Predictors))


def predictors(scores: Tensor, labels: Tensor, *, temperature: float, reference: Tensor) -> Predictors:
    """All of them for one teacher.

    Args:
        scores: ``(N, C)`` raw scores on held-out examples.
        labels: ``(N,)`` true labels, each class among them.
        temperature: that students learn at.
        reference: ``(N, C)`` an estimate of the true conditional that all compared teachers share, such as
            :func:`evendistill.distillation.reference.cross_fitted` of all their scores.

    Raises:
        ValueError: as :func:`evendistill.distillation.diagnose.diagnose`.
    """
    own = diagnose(scores, labels, temperature=temperature, replicates=2)
    soft = F.softmax(scores.double() / temperature, dim=1)
    shape = (scores.double() / temperature).log_softmax(dim=1) - soft.mean(dim=0).log()
    recalls = class_recalls(scores, labels)
    return Predictors(
        shifted_risk=-largest(shifted_risks(scores, labels, temperature=temperature)),
        shape_risk=-class_risks(shape, labels).max().item(),
        calibration=-calibration_error(soft, reference).max().item(),
        own_calibration=-own.worst,
        worst_class_accuracy=recalls.min().item(),
        average_accuracy=recalls.mean().item(),
    )


def largest(risks: Tensor) -> float:
    """The largest of those that are known; NaN if none is."""
    known = risks[~risks.isnan()]
    return known.max().item() if len(known) else math.nan


def class_risks(scores: Tensor, labels: Tensor) -> Tensor:
    """``(C,)`` mean cross-entropy of the examples of each class; NaN for absent ones."""
    losses, count = F.cross_entropy(scores, labels, reduction="none"), labels.bincount(minlength=scores.shape[1])
    return losses.new_zeros(scores.shape[1]).index_add(0, labels, losses) / count


def shifted_risks(
    scores: Tensor, labels: Tensor, *, temperature: float = 1.0, penalty: float = 1e-3, seed: int = 0
) -> Tensor:
    r"""Cross-entropy risks of each class after the shift that is best for the worst class.

    .. math:: \min_b \max_y \; \mathbb{E}\left[-\log \mathrm{softmax}_y(f(x)/T + b) \mid y\right]

    By Theorem 1 the best robust scorer of all is the truth with one factor for each class, and by Proposition 3 a
    student of the game ends at its teacher with one factor for each class. So the least robust risk of the teacher
    under such factors is what a perfect student of it would have. A calibrated teacher has the least that there is; one
    whose scores say nothing has log m, which is the most that a calibrated one can have.

    The shift is fitted on one half of each class and judged on the other, and the other way round.

    Source: **ours**, from Wang et al. 2023, Theorem 1 and Proposition 3.

    Args:
        scores: ``(N, C)`` raw scores f.
        labels: ``(N,)`` true labels.
        temperature: T.
        penalty: of the squared shift.
        seed: draws the halves.

    Returns:
        ``(C,)`` in float64; NaN for a class with fewer than two examples.

    Raises:
        ValueError: if shapes do not fit, a label is out of range or a score is NaN.
    """
    check_temperature(temperature)
    check_scores(scores)
    check_labels(labels, len(scores), scores.shape[1])
    if bool(scores.isnan().any()):
        raise ValueError(f"scores contain NaN, first in row {int(scores.isnan().any(dim=1).nonzero()[0])}")
    rows = scores.double() / temperature
    fold = stratified_folds(labels, 2, seed)
    moved = torch.empty_like(rows)
    for number in range(2):
        asked = fold == number
        moved[asked] = rows[asked] + _best_shift(rows[~asked], labels[~asked], penalty)
    scarce = labels.bincount(minlength=rows.shape[1]) < 2
    return class_risks(moved, labels).masked_fill(scarce, torch.nan)


def _best_shift(rows: Tensor, labels: Tensor, penalty: float) -> Tensor:
    """The shift b that lowers the largest class risk of rows + b, by a soft maximum that hardens step by step."""
    shift = torch.zeros(rows.shape[1], dtype=rows.dtype, requires_grad=True)
    present = labels.bincount(minlength=rows.shape[1]) > 0
    for sharpness in SHARPNESS:

        def loss(sharpness: float = sharpness) -> Tensor:
            risks = class_risks(rows + shift, labels)[present]
            return (sharpness * risks).logsumexp(dim=0) / sharpness + penalty * shift.square().sum()

        minimise([shift], loss, steps=STEPS)
    return shift.detach()
