"""Rules as data: which students to train to the end, and which to ship."""

import math
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from evendistill.experiments.objectives import Spec

Share = Annotated[float, Field(ge=0, le=1)]


class HalvingSpec(Spec):
    """A cheaper search: each student's first seed is tried for a share of its epochs, and a share of them is kept."""

    epochs: float = Field(default=0.25, gt=0, le=1, description="share of the epochs that a trial trains")
    keep: float = Field(default=0.34, gt=0, le=1, description="share of the students that go on")


class PaperRule(Spec):
    """Best robust metric among those whose average is at least standard distillation's, less its standard error.

    Source: Wang et al. 2023, caption of Table 2 ("within error margin"); that the margin is one standard error is our
    reading, and ``factor`` makes it another.
    """

    rule: Literal["paper"]
    factor: float = Field(default=1.0, ge=0)


class BestRobust(Spec):
    """Best robust metric, whatever the average."""

    rule: Literal["best-robust"] = "best-robust"


class WeightedSum(Spec):
    """Best ``weight`` times the robust metric plus the rest times the average."""

    rule: Literal["weighted-sum"]
    weight: Share = 0.5


class AverageAbove(Spec):
    """Best average among those whose robust metric is at least a floor."""

    rule: Literal["average-above"]
    robust_floor: Share


class RobustAbove(Spec):
    """Best robust metric among those whose average is at least a floor."""

    rule: Literal["robust-above"]
    average_floor: Share


RULES = (PaperRule, BestRobust, WeightedSum, AverageAbove, RobustAbove)
Rule = Annotated[PaperRule | BestRobust | WeightedSum | AverageAbove | RobustAbove, Field(discriminator="rule")]


def in_words(rule: Rule) -> str:
    """The rule as a table's caption says it."""
    match rule:
        case PaperRule(factor=factor):
            less = "" if factor == 0 else f" less {factor:g} of its standard errors"
            return f"best robust metric among those with at least the average of standard distillation{less}"
        case BestRobust():
            return "best robust metric"
        case WeightedSum(weight=weight):
            return f"best sum of {weight:g} times the robust metric and {1 - weight:g} times the average"
        case AverageAbove(robust_floor=floor):
            return f"best average among those with a robust metric of at least {100 * floor:g} %"
        case RobustAbove(average_floor=floor):
            return f"best robust metric among those with an average of at least {100 * floor:g} %"


def told(rule: str | None, factor: float | None, weight: float | None, floor: float | None) -> Rule | None:
    """A rule from a command line; None if none was named.

    Raises:
        ValueError: if the rule is unknown, lacks its number, or is given another's.
    """
    numbers = {"factor": factor, "weight": weight, "floor": floor}
    given = {name: value for name, value in numbers.items() if value is not None}
    if rule is None:
        if given:
            raise ValueError(f"{', '.join(given)} belongs to a rule; name it with --rule")
        return None
    if rule not in TAKES:
        raise ValueError(f"rule must be one of {', '.join(TAKES)}, got {rule!r}")
    takes = TAKES[rule]
    if other := next((name for name in given if name != takes), None):
        raise ValueError(f"rule {rule} takes {takes or 'no number'}, got {other}")
    if takes == "floor" and floor is None:
        raise ValueError(f"rule {rule} needs a floor from 0 to 1")
    fields = {FLOORS.get(rule, name): value for name, value in given.items()}
    if (
        any(not 0 <= value <= 1 for name, value in given.items() if name != "factor")
        or not 0 <= (factor or 0) < math.inf
    ):
        raise ValueError(f"{', '.join(given)} must lie in [0, 1], and a factor be at least 0; got {given}")
    return TypeAdapter(Rule).validate_python({"rule": rule, **fields})


TAKES = {
    "paper": "factor",
    "best-robust": "",
    "weighted-sum": "weight",
    "average-above": "floor",
    "robust-above": "floor",
}
FLOORS = {"average-above": "robust_floor", "robust-above": "average_floor"}
