"""The terms of Theorem 2 from data: how noisy a class risk is under a teacher, and the bound as a whole."""

from dataclasses import dataclass
from statistics import NormalDist

import torch
from torch import Tensor

from evendistill.maths.bounds import loss_variance, robust_gap_bound

CLASSES_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Terms:
    r"""What a sample of a given size adds to the robust risk of a scorer f under a teacher's labels.

    Attributes:
        variance: ``(C,)`` :math:`V_{n,y}` of appendix B, under the teacher's labels.
        one_hot_variance: ``(C,)`` the same under true labels; soft labels help where the first is smaller.
        estimation: ``(C,)`` what :math:`|\phi_y - \hat\phi_y|` stays below at the level asked for.
        loss_bound: B, the largest loss of f on these examples under any label.
        train_size: n, the number of examples that the estimation error is for.
        level: how sure.
    """

    variance: Tensor
    one_hot_variance: Tensor
    estimation: Tensor
    loss_bound: float
    train_size: int
    level: float

    def bound(self, calibration: Tensor) -> float:
        """Theorem 2 put together, for the calibration error of each class; from a lower bound of it, a lower bound."""
        return robust_gap_bound(calibration, self.estimation.to(calibration), self.loss_bound).item()


ASSUMED = (
    "the examples stand for the distribution that the student is trained on",
    "the largest loss seen here bounds the loss everywhere",
    "the scorer does not depend on the sample: no union over scorers is taken",
    "the estimation error is normal, each class on its own",
)


def terms(
    probabilities: Tensor, labels: Tensor, scores: Tensor, *, train_size: int | None = None, level: float = 0.95
) -> Terms:
    r"""Variance and estimation error of each class's risk, for one scorer.

    The risk of a class is a ratio, :math:`\hat\phi_y = \sum_i p_y(x_i)\, \ell_y(x_i) / \sum_i p_y(x_i)`; its standard
    error follows by the delta method from the examples at hand, scaled to n examples.

    Source: Wang et al. 2023, Theorem 2 and appendix B (V); the normal approximation in the place of the constants,
    which the paper does not give as numbers, is ours.

    Args:
        probabilities: ``(N, C)`` of the teacher.
        labels: ``(N,)`` true labels.
        scores: ``(N, C)`` of the scorer f, whose cross-entropy is the loss.
        train_size: n; N if None.
        level: of the estimation error, in (0, 1).

    Raises:
        ValueError: if shapes differ, there are fewer than two examples, or an argument is out of range.
    """
    if scores.shape != probabilities.shape:
        raise ValueError(f"scores of the scorer must be {tuple(probabilities.shape)}, got {tuple(scores.shape)}")
    size = len(labels) if train_size is None else train_size
    if size < 1 or not 0 < level < 1:
        raise ValueError(f"train_size must be positive and level in (0, 1), got {size} and {level}")
    normaliser = scores.double().logsumexp(dim=1)
    quantile = NormalDist().inv_cdf((1 + level) / 2)
    parts, largest = [], 0.0
    for start in range(0, scores.shape[1], CLASSES_AT_ONCE):  # a thousand classes at once would take gigabytes
        some = slice(start, start + CLASSES_AT_ONCE)
        losses = normaliser.unsqueeze(1) - scores[:, some].double()
        soft = probabilities[:, some].double()
        hard = (labels.unsqueeze(1) == torch.arange(start, start + losses.shape[1])).double()
        largest = max(largest, losses.max().item())
        variances = loss_variance(soft, losses), loss_variance(hard, losses)
        parts.append((*variances, quantile * _standard_error(soft, losses) * (len(labels) / size) ** 0.5))
    variance, one_hot, estimation = (torch.cat(each) for each in zip(*parts, strict=True))
    return Terms(variance, one_hot, estimation, largest, size, level)


def _standard_error(weights: Tensor, losses: Tensor) -> Tensor:
    """Of the weighted mean of each column, by the delta method."""
    mass = weights.mean(dim=0)
    risks = (weights * losses).mean(dim=0) / mass
    return (weights * (losses - risks)).std(dim=0) / mass / len(weights) ** 0.5
