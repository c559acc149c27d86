"""How well the recall of a class, and the least of many, can be known from so many held-out examples."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from evendistill.maths.intervals import wilson_interval
from evendistill.maths.least import WorstClassInterval, worst_class_interval

LEVEL = 0.95
RECALLS = (0.5, 0.7)  # at a half an interval is widest
TYPICAL = 0.7
AIM = 0.05
TOO_WIDE = 0.10


@dataclass(frozen=True)
class Precision:
    """What a validation set can tell of the worst.

    Attributes:
        smallest: number of the group with the fewest examples, of those that are there.
        count: its examples.
        half_widths: of the 95 % interval of its recall, for each of ``RECALLS``.
        needed: examples for a half-width of ``AIM`` where intervals are widest.
        worst: what the least of all recalls would be measured as, if each were ``TYPICAL`` in truth.
    """

    smallest: int
    count: int
    half_widths: tuple[float, ...]
    needed: int
    worst: WorstClassInterval

    @property
    def is_poor(self) -> bool:
        """Whether the smallest group is too small to be called the worst by."""
        return self.half_widths[0] > TOO_WIDE


def precision(sizes: Sequence[int]) -> Precision:
    """What a validation set with so many examples of each group can tell; absent groups are left out."""
    present = [number for number, count in enumerate(sizes) if count]
    smallest = min(present, key=sizes.__getitem__)
    total = [sizes[number] for number in present]
    worst = worst_class_interval([TYPICAL * count for count in total], total, level=LEVEL)
    widths = tuple(half_width(recall, sizes[smallest]) for recall in RECALLS)
    return Precision(smallest, sizes[smallest], widths, needed(RECALLS[0], AIM), worst)


def half_width(recall: float, count: int) -> float:
    """Half the width of Wilson's 95 % interval where this share of so many examples is recognised.

    Example:
        >>> round(half_width(0.5, 93), 4)
        0.0996
    """
    total = torch.tensor([count], dtype=torch.float64)
    lower, upper = wilson_interval(recall * total, total, level=LEVEL)
    return float(upper - lower) / 2


def needed(recall: float, half: float) -> int:
    """The fewest examples whose interval is no wider than ``half`` on either side.

    Example:
        >>> needed(0.5, 0.05)
        381
    """
    few, enough = 0, 1
    while half_width(recall, enough) > half:
        few, enough = enough, 2 * enough
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if half_width(recall, middle) <= half else (middle, enough)
    return enough
