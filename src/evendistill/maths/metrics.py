"""Accuracies as pure functions of integer counts, so that they sum exactly across processes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from evendistill.maths.intervals import wilson_interval
from evendistill.maths.least import WorstClassInterval, worst_class_interval
from evendistill.maths.losses import check_scores


def class_counts(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """How many examples of each class there are, and how many of them the arg max names.

    Args:
        scores: ``(N, C)`` floating, raw scores or probabilities.
        labels: ``(N,)`` integers in [0, C).

    Returns:
        ``(correct, total)``, both ``(C,)`` int64.

    Raises:
        ValueError: if shapes do not fit, a label is out of range, or a score is NaN; names the first row.
    """
    return group_counts(scores, labels, labels, scores.shape[-1])


def group_counts(scores: Tensor, labels: Tensor, groups: Tensor, num_groups: int) -> tuple[Tensor, Tensor]:
    """The same for groups: how many examples each has, and in how many the arg max names the class.

    Args:
        scores: ``(N, C)`` floating, raw scores or probabilities.
        labels: ``(N,)`` integers in [0, C).
        groups: ``(N,)`` integers in [0, G).
        num_groups: G.

    Returns:
        ``(correct, total)``, both ``(G,)`` int64.

    Raises:
        ValueError: as :func:`class_counts`.
    """
    check_scores(scores)
    check_labels(labels, len(scores), scores.shape[1])
    rows = scores.isnan().any(dim=1).nonzero()
    if len(rows):
        raise ValueError(f"scores contain NaN, first in row {rows[0].item()}")
    hits = scores.argmax(dim=1) == labels
    return groups[hits].bincount(minlength=num_groups), groups.bincount(minlength=num_groups)


def check_labels(labels: Tensor, count: int, num_classes: int, *, name: str = "label") -> None:
    """Raise ``ValueError`` unless ``labels`` are ``count`` integers in [0, ``num_classes``), naming the first row."""
    if labels.shape != (count,) or labels.is_floating_point():
        raise ValueError(f"{name}s must be {count} integers, one a row, got {labels.dtype} {tuple(labels.shape)}")
    rows = ((labels < 0) | (labels >= num_classes)).nonzero()
    if len(rows):
        row = int(rows[0])
        kinds = "classes" if name == "label" else f"{name}s"
        raise ValueError(f"{name} {int(labels[row])} in row {row} is out of range: there are {num_classes} {kinds}")


def class_recalls(scores: Tensor, labels: Tensor) -> Tensor:
    """Share of each class that is recognised, ``(N, C), (N,) -> (C,)`` float64, NaN for classes without examples.

    Raises:
        ValueError: as :func:`class_counts`.

    Example:
        >>> class_recalls(torch.tensor([[2.0, 0.0, 0.0], [2.0, 0.0, 0.0]]), torch.tensor([0, 1]))
        tensor([1., 0., nan], dtype=torch.float64)
    """
    return Metrics(*class_counts(scores, labels)).recalls


def worst_k(recalls: Tensor, k: int) -> float:
    """Mean of the k least recalls; absent classes (NaN) are never among them.

    Args:
        recalls: ``(C,)``, NaN for absent classes.
        k: how many, at least 1.

    Raises:
        ValueError: if k is below 1 or above the number of classes present.

    Example:
        >>> worst_k(torch.tensor([0.9, torch.nan, 0.25, 0.5]), 2)
        0.375
    """
    present = recalls[~recalls.isnan()].double()
    if not 1 <= k <= len(present):
        raise ValueError(f"k must lie between 1 and the {len(present)} classes present, got {k}")
    return present.sort().values[:k].mean().item()


@dataclass(frozen=True, eq=False)
class Metrics:
    """Per-class evidence of one scorer on one data set, from integer counts alone.

    Absent classes have recall NaN and take no part in any summary.

    Attributes:
        correct: ``(C,)`` int64, examples of each class that were recognised.
        total: ``(C,)`` int64, examples of each class.
    """

    correct: Tensor
    total: Tensor

    def __post_init__(self) -> None:
        if self.correct.shape != self.total.shape or not bool((self.correct <= self.total).all()):
            raise ValueError("correct and total must share one shape (C,), correct nowhere above total")
        if not bool(self.total.sum() > 0):
            raise ValueError("there are no examples to evaluate")

    @property
    def recalls(self) -> Tensor:
        """``(C,)`` float64, NaN for absent classes."""
        return self.correct.double() / self.total.double().masked_fill(self.total == 0, torch.nan)

    @property
    def accuracy(self) -> float:
        """Share of all examples that are recognised."""
        return self.correct.sum().item() / self.total.sum().item()

    @property
    def average_accuracy(self) -> float:
        """Mean recall over the classes present: the papers' "average" on their balanced test sets."""
        return self.recalls.nanmean().item()

    @property
    def harmonic_mean(self) -> float:
        """Harmonic mean of the recalls present; 0 if one of them is 0."""
        recalls = self.recalls[self.total > 0]
        return len(recalls) / recalls.reciprocal().sum().item()

    @property
    def worst_class_accuracy(self) -> float:
        """Least recall over the classes present."""
        return self.worst_k(1)

    @property
    def worst_class(self) -> int:
        """The class with the least recall, the first of them if several share it."""
        return int(self.recalls.nan_to_num(nan=torch.inf).argmin())

    def worst_k(self, k: int) -> float:
        """Mean of the k least recalls; ``ValueError`` if fewer classes are present."""
        return worst_k(self.recalls, k)

    def recall_intervals(self, level: float = 0.95) -> tuple[Tensor, Tensor]:
        """Wilson interval of each recall, two ``(C,)`` tensors, NaN for absent classes."""
        return wilson_interval(self.correct, self.total, level=level)

    def worst_class_interval(self, *, level: float = 0.95) -> WorstClassInterval:
        """Bootstrap interval of the worst-class accuracy, exactly, with its bias."""
        return worst_class_interval(self.correct.tolist(), self.total.tolist(), level=level)
