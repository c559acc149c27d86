"""What a file of results must look like: checksums say who wrote it last, not that it was this program."""

import math
from typing import Any

OF_EACH_CLASS = ("recalls", "class_names", "names", "correct", "total", "margins")
LARGEST = 2**53
ROUNDING = 1e-9


def as_evidence(told: Any, *, is_named: bool = False) -> dict[str, Any]:  # noqa: ANN401 - JSON is what it is
    """What a run found on one split, as it was read.

    Args:
        told: a value read from JSON.
        is_named: whether it must name the classes.

    Raises:
        ValueError: if it has no recalls and averages, or they do not go together.
    """
    if not isinstance(told, dict) or (is_named and "class_names" not in told):
        raise ValueError("there are no classes")
    _check(told)
    if "groups" in told:
        _check(told["groups"])
    return told


def _check(part: Any) -> None:  # noqa: ANN401 - JSON is what it is
    if not isinstance(part, dict) or not _are_numbers([part.get("average_accuracy")], 0, 1):
        raise ValueError("there is no average accuracy")
    lists = [part[name] for name in OF_EACH_CLASS if name in part]
    if not all(isinstance(each, list) for each in lists) or not part.get("recalls"):
        raise ValueError("there are no recalls")
    if len({len(each) for each in lists}) > 1:
        raise ValueError("there are lists of different lengths")
    numbers = {"recalls": (0, 1), "margins": (-1, 1), "correct": (0, LARGEST), "total": (0, LARGEST)}
    for name, (least, most) in numbers.items():
        may_lack = name in ("recalls", "margins")  # of a class without examples
        if not _are_numbers([each for each in part.get(name, []) if each is not None or not may_lack], least, most):
            raise ValueError(f"{name} are not numbers from {least} to {most}")


def _are_numbers(values: list[Any], least: float, most: float) -> bool:
    if not set(map(type, values)) <= {int, float}:  # True is an int to isinstance
        return False
    in_range = not values or (least - ROUNDING <= min(values) and max(values) <= most + ROUNDING)
    return in_range and not math.isnan(sum(values))  # min and max overlook NaN
