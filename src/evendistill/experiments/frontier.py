"""The Pareto frontier of average against worst-class accuracy: who is on it, who surely is not, and its area."""

import math
import statistics
from collections.abc import Sequence

from evendistill.maths.quantiles import student_t_quantile

Point = tuple[float, float]
Repeats = Sequence[Point]


def pareto_front(points: Sequence[Point]) -> list[int]:
    """Positions of the points that no other beats: none is at least as good in both and better in one.

    Equal points are all kept; points with NaN never.

    Example:
        >>> pareto_front([(1.0, 0.0), (0.0, 1.0), (0.5, 0.5), (0.4, 0.4), (1.0, 0.0)])
        [0, 1, 2, 4]
    """
    known = [point for point in points if not _is_nan(point)]
    best: dict[Point, bool] = {}
    highest = -math.inf
    for point in sorted(set(known), reverse=True):  # by falling first coordinate, then by falling second
        best[point] = point[1] > highest
        highest = max(highest, point[1])
    return [position for position, point in enumerate(points) if not _is_nan(point) and best[point]]


def hypervolume(points: Sequence[Point], reference: Point = (0.0, 0.0)) -> float:
    """Area between a reference and the frontier: how much of both accuracies a set of points offers.

    Points that do not exceed the reference in both coordinates add nothing, nor do points with NaN.

    Args:
        points: fractions in [0, 1].
        reference: the corner to measure from.

    Example:
        >>> hypervolume([(1.0, 0.25), (0.5, 0.5)])
        0.375
    """
    above = [point for point in points if point[0] > reference[0] and point[1] > reference[1]]
    area, floor = 0.0, reference[1]
    for x, y in sorted({above[position] for position in pareto_front(above)}, reverse=True):
        area += (x - reference[0]) * (y - floor)
        floor = y
    return area


def beaten_beyond_noise(repeats: Sequence[Repeats], *, level: float = 0.95) -> list[int | None]:
    """For each point the position of one that beats it by more than chance explains; None where there is none.

    A point is beaten beyond noise by another that is no worse in both means, and in at least one of them better by more
    than the one-sided t interval of the difference, paired by repeat. No correction is made for the number of
    comparisons: it answers whether one rival is better, not whether any of a hundred is.

    Args:
        repeats: for each point, its two accuracies in each repeat, in the same order of seeds.
        level: of the interval.

    Returns:
        One entry a point; all None if there is a single repeat, which has no error.

    Raises:
        ValueError: if points have different numbers of repeats.
    """
    counts = {len(each) for each in repeats}
    if len(counts) > 1:
        raise ValueError(f"every point needs the same repeats, got {sorted(counts)}")
    if not counts or counts == {1}:
        return [None] * len(repeats)
    quantile = student_t_quantile(level, counts.pop() - 1)

    def beats(one: Repeats, other: Repeats) -> bool:
        differences = [[a[axis] - b[axis] for a, b in zip(one, other, strict=True)] for axis in (0, 1)]
        means = [statistics.fmean(each) for each in differences]
        if not min(means) >= 0:
            return False
        errors = [statistics.stdev(each) / math.sqrt(len(each)) for each in differences]
        return any(mean > quantile * error for mean, error in zip(means, errors, strict=True))

    return [next((rival for rival, one in enumerate(repeats) if beats(one, each)), None) for each in repeats]


def _is_nan(point: Point) -> bool:
    return math.isnan(point[0]) or math.isnan(point[1])
