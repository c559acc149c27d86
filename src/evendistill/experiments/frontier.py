"""The Pareto frontier of average against worst-class accuracy."""

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Positions of the points that no other beats: none is at least as good in both and better in one.

    Equal points are all kept; points with NaN never.

    Example:
        >>> pareto_front([(1.0, 0.0), (0.0, 1.0), (0.5, 0.5), (0.4, 0.4), (1.0, 0.0)])
        [0, 1, 2, 4]
    """

    def beaten(a: tuple[float, float]) -> bool:
        return any(b[0] >= a[0] and b[1] >= a[1] and b != a for b in points)

    return [position for position, a in enumerate(points) if a[0] == a[0] and a[1] == a[1] and not beaten(a)]
