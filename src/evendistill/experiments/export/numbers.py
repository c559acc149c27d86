"""Numbers of one split as a card tells them: in percent, with counts and 95 % intervals where counts were kept."""

import math
from typing import Any

from evendistill.experiments.results import interval_of, robust_metric

NONE = "-"


def percent(value: float | None) -> str:
    """A fraction in percent; a dash for None."""
    return NONE if value is None else f"{100 * value:.1f}"


def recall(found: dict[str, Any], label: int) -> str:
    """Recall of one class: percent, counts, Wilson interval.

    Example:
        >>> told = {"recalls": [0.75], "correct": [3], "total": [4], "recall_lower": [0.3006], "recall_upper": [0.9544]}
        >>> recall(told, 0)
        '75.0 (3 of 4; 30.1 to 95.4)'
    """
    value = found["recalls"][label]
    if value is None or "correct" not in found:
        return percent(value)
    counts = f"{found['correct'][label]} of {found['total'][label]}"
    return f"{percent(value)} ({counts}; {_within(found['recall_lower'][label], found['recall_upper'][label])})"


def average(found: dict[str, Any]) -> str:
    r"""Average accuracy with its interval, from the Wilson intervals of the recalls.

    .. math:: \bar r \pm \frac{1}{C} \sqrt{\sum_y (r_y - l_y)^2}, \quad \text{above likewise with } u_y

    Source: Zou, Huang and Zhang 2009, A note on confidence interval estimation for a linear function of binomial
    proportions.
    """
    value = found["average_accuracy"]
    if "recall_lower" not in found:
        return percent(value)
    every = zip(found["recalls"], found["recall_lower"], found["recall_upper"], strict=True)
    present = [each for each in every if each[0] is not None]
    below = math.hypot(*(share - low for share, low, _ in present)) / len(present)
    above = math.hypot(*(high - share for share, _, high in present)) / len(present)
    return f"{percent(value)} ({_within(value - below, value + above)})"


def worst(found: dict[str, Any]) -> str:
    """Worst-class accuracy with its bootstrap interval."""
    interval = interval_of(found)
    value = percent(robust_metric(found, 1))
    return value if interval is None else f"{value} ({_within(interval.lower, interval.upper)})"


def fewest(found: dict[str, Any]) -> int | None:
    """Examples of the smallest class that is there; None where counts were not kept."""
    return min((count for count in found.get("total", ()) if count), default=None)


def _within(low: float, high: float) -> str:
    return f"{percent(low)} to {percent(high)}"
