"""Selection: which student to ship, decided on validation alone. Nothing in this file opens a test result."""

from collections.abc import Callable, Sequence
from pathlib import Path

from evendistill.experiments.cells import Cell
from evendistill.experiments.results import Found, summarise
from evendistill.experiments.rules import AverageAbove, BestRobust, PaperRule, RobustAbove, Rule, WeightedSum, in_words


class NothingSelected(ValueError):
    """No student meets the rule."""


def on_validation(cells: Sequence[Cell], runs: Path, *, robust_k: int) -> list[Found]:
    """What each cell's runs found on validation, averaged over their seeds."""
    return [summarise(cell.runs, runs, "validation", robust_k=robust_k) for cell in cells]


def best_of_each_group(cells: Sequence[Cell], found: Sequence[Found]) -> list[int]:
    """First stage: within each cell of the table, or each baseline, the hyper-parameters with the best robust metric.

    Returns:
        Positions in ``cells``, in their order.
    """
    groups: dict[object, list[int]] = {}
    for position, cell in enumerate(cells):
        groups.setdefault(cell.group, []).append(position)
    return sorted(_best(cells, found, members, _robust) for members in groups.values())


def select(cells: Sequence[Cell], found: Sequence[Found], rule: Rule | None = None) -> int | None:
    """Second stage: among the grid's students, the one that the rule wants. Repeats are never selected among.

    Ties go to the higher validation average, then to the smaller hash.

    Args:
        cells: of a recipe.
        found: what each found on validation.
        rule: the best robust metric if None.

    Returns:
        Position in ``cells``; None if there are no students.

    Raises:
        NothingSelected: if no student meets the rule's floor, naming the one that comes nearest; or the paper's rule
            finds no standard distillation to compare with.
    """
    students = _students(cells, found)
    return _chosen(cells, found, students, rule) if students else None


def rivals(cells: Sequence[Cell], found: Sequence[Found], rule: Rule | None = None) -> list[int]:
    """What the rule puts before its choice among students without a teacher, and those of baselines.

    They are what the grid is measured against, so none of them is chosen; but who ships must know.

    Returns:
        Positions in ``cells``: what the rule would choose if all of them could be chosen, too, and what it would if
        those without a teacher could, where that is another; empty if none comes first, or nothing meets the rule.
    """
    others = [position for position, cell in enumerate(cells) if cell.student is not None and not cell.is_student]
    alone = [position for position in others if cells[position].teacher is None and cells[position].baseline is None]
    firsts = (_put_before(cells, found, each, rule) for each in (others, alone))
    return list(dict.fromkeys(first for first in firsts if first is not None))


def _put_before(cells: Sequence[Cell], found: Sequence[Found], others: Sequence[int], rule: Rule | None) -> int | None:
    if not others:
        return None
    try:
        best = _chosen(cells, found, [*_students(cells, found), *others], rule)
    except NothingSelected:
        return None
    return None if any(cell.is_student and cell.runs == cells[best].runs for cell in cells) else best


def _students(cells: Sequence[Cell], found: Sequence[Found]) -> list[int]:
    return [position for position in best_of_each_group(cells, found) if cells[position].is_student]


def _chosen(cells: Sequence[Cell], found: Sequence[Found], students: Sequence[int], rule: Rule | None) -> int:
    """The one among these that the rule wants."""
    match rule:
        case PaperRule(factor=factor):
            plain = found[standard_distillation(cells, found)].average
            floor = plain.mean - factor * (plain.se or 0.0)
            return _above(cells, found, students, _average, floor, _robust, rule)
        case RobustAbove(average_floor=floor):
            return _above(cells, found, students, _average, floor, _robust, rule)
        case AverageAbove(robust_floor=floor):
            return _above(cells, found, students, _robust, floor, _average, rule)
        case WeightedSum(weight=weight):
            return _best(cells, found, students, lambda each: weight * _robust(each) + (1 - weight) * _average(each))
        case BestRobust() | None:
            return _best(cells, found, students, _robust)


Merit = Callable[[Found], float]


def _robust(found: Found) -> float:
    return found.robust.mean


def _average(found: Found) -> float:
    return found.average.mean


def _best(cells: Sequence[Cell], found: Sequence[Found], members: Sequence[int], merit: Merit) -> int:
    def order(position: int) -> tuple[float, float, str]:
        return -merit(found[position]), -_average(found[position]), cells[position].runs[0].hash

    return min(members, key=order)


def _above(
    cells: Sequence[Cell],
    found: Sequence[Found],
    members: Sequence[int],
    floored: Merit,
    floor: float,
    merit: Merit,
    rule: Rule,
) -> int:
    """The best among those that reach a floor."""
    enough = [position for position in members if floored(found[position]) >= floor]
    if not enough:
        nearest = _best(cells, found, members, floored)
        metric = "a robust metric" if floored is _robust else "an average accuracy"
        raise NothingSelected(
            f"no student reaches {metric} on validation of {100 * floor:.1f} %; nearest is "
            f"{cells[nearest].runs[0].folder_name} with {100 * floored(found[nearest]):.1f} %; "
            f"the rule {rule.rule} wants the {in_words(rule)}"
        )
    return _best(cells, found, enough, merit)


def standard_distillation(cells: Sequence[Cell], found: Sequence[Found]) -> int:
    """The standard student of the standard teacher, at the temperature that validation prefers.

    A recipe may hold it in its grid, among its baselines, or both; then they are the same runs.
    """
    plain = [
        position
        for position, cell in enumerate(cells)
        if cell.listening is not None
        and cell.teacher is not None
        and cell.student is not None
        and (cell.teacher.name, cell.student.name) == ("standard", "standard")
    ]
    if not plain:
        raise NothingSelected(
            "the paper's rule compares with standard distillation; add standard to teachers and students, "
            "or standard-distillation to baselines"
        )
    return _best(cells, found, plain, _robust)
