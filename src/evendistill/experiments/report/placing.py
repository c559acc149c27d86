"""Where the words that point at a point stand: off the other points, off their error bars, within the axes."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""
NEAREST, STEP, RINGS = 24.0, 12.0, 10
LINE_COSTS = 3.0  # as much as that many pixels of words that are covered, for each pixel of a line over a mark
NOTHING = 1e-6  # what rounding leaves of an area
CAP = 4.0  # half the end of an error bar


@dataclass(frozen=True)
class View:
    """A drawing of one size: what words must keep off, where they may be, and how large they are."""

    at: tuple[float, float]
    taken: Sequence[Box]
    inside: Box
    words: tuple[float, float]


def place(views: Sequence[View]) -> tuple[float, float]:
    """How far the middle of the words stands from their point, to the right and up.

    The same place must do for drawings of several sizes, as pages have on a desk and on a phone. The nearest place that
    is free in all of them is taken; if there is none, the one where least is covered.
    """
    best, least = (0.0, NEAREST), math.inf
    for ring in range(RINGS):
        for offset in _ring(NEAREST + STEP * ring, views[0].words[0]):
            cost = sum(_cost(view, offset) for view in views)
            if cost < NOTHING:
                return offset
            if cost < least:
                best, least = offset, cost
    return best


def mark_boxes(at: tuple[float, float], errors: tuple[float, float], *, half: float) -> list[Box]:
    """A mark and its error bars."""
    (x, y), (wide, high) = at, errors
    bars = [(x - wide, y - CAP, x + wide, y + CAP), (x - CAP, y - high, x + CAP, y + high)]
    return [(x - half, y - half, x + half, y + half), *bars]


def line_boxes(corners: Sequence[tuple[float, float]]) -> list[Box]:
    """A line from corner to corner, as boxes small enough to follow it."""
    found: list[Box] = []
    for (x, y), (across, up) in pairwise(corners):
        pieces = 1 + int(math.hypot(across - x, up - y) / (2 * CAP))
        steps = [(x + (across - x) * part / pieces, y + (up - y) * part / pieces) for part in range(pieces + 1)]
        found += [(at[0] - 1, at[1] - 1, at[0] + 1, at[1] + 1) for at in steps]
    return found


def _ring(height: float, width: float) -> Iterable[tuple[float, float]]:
    """Over and under the point at one height, the middle first; far enough aside, at the height of the point too."""
    for share, sign in product((0, 0.25, -0.25, 0.5, -0.5), (1, -1)):
        yield (share * width, sign * height)
    for sign in (1, -1):
        yield (sign * (width / 2 + height), 0.0)


def _cost(view: View, offset: tuple[float, float]) -> float:
    x, y = view.at[0] + offset[0], view.at[1] + offset[1]
    wide, high = view.words[0] / 2, view.words[1] / 2
    box = (x - wide, y - high, x + wide, y + high)
    whole = view.words[0] * view.words[1]
    cost = 2 * (whole - _common(box, view.inside))  # what is cut is worse than what is covered
    for taken in view.taken:
        cost += _common(box, taken)
        cost += LINE_COSTS * _crossed(view.at, (x, y), taken)
    return cost


def _common(one: Box, other: Box) -> float:
    """The area that two boxes share."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def _crossed(start: tuple[float, float], end: tuple[float, float], box: Box) -> float:
    """How much of a line lies in a box that does not hold its start; such boxes belong to the point itself."""
    if box[0] <= start[0] <= box[2] and box[1] <= start[1] <= box[3]:
        return 0.0
    low, high = 0.0, 1.0
    for axis in (0, 1):
        way = end[axis] - start[axis]
        if way == 0:
            if not box[axis] <= start[axis] <= box[axis + 2]:
                return 0.0
            continue
        ends = sorted(((box[axis] - start[axis]) / way, (box[axis + 2] - start[axis]) / way))
        low, high = max(low, ends[0]), min(high, ends[1])
    return max(0.0, high - low) * math.dist(start, end)
