"""Quantiles of the normal law and of Student's t, without tensors."""

import math
from statistics import NormalDist


def two_sided_quantile(level: float) -> float:
    """Between minus and plus this lies ``level`` of the standard normal law.

    Raises:
        ValueError: if ``level`` is not in (0, 1).

    Example:
        >>> round(two_sided_quantile(0.95), 4)
        1.96
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}")
    return NormalDist().inv_cdf((1 + level) / 2)


def student_t_quantile(level: float, freedom: int) -> float:
    r"""The value below which Student's t with ``freedom`` degrees of freedom lies with probability ``level``.

    Found by halving on the finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4, with
    :math:`\theta = \arctan(t / \sqrt{\nu})`.

    Args:
        level: in (0.5, 1).
        freedom: at least 1.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> round(student_t_quantile(0.95, 2), 4)
        2.92
    """
    if not 0.5 < level < 1 or freedom < 1:
        raise ValueError(f"level must lie in (0.5, 1) and freedom be at least 1, got {level} and {freedom}")
    low, high = 0.0, math.pi / 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if _central_probability(middle, freedom) < 2 * level - 1 else (low, middle)
    return math.sqrt(freedom) * math.tan(low)


def _central_probability(theta: float, freedom: int) -> float:
    """Probability that t lies between minus and plus ``sqrt(freedom) * tan(theta)``."""
    cosine, odd = math.cos(theta), freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for power in range(1 + odd, freedom, 2):
        total += term
        term *= cosine**2 * power / (power + 1)
    central = math.sin(theta) * total
    return 2 / math.pi * (theta + central) if odd else central
