"""Selection: which student to ship, decided on validation alone. Nothing in this file opens a test result."""

from collections.abc import Sequence
from pathlib import Path

from evendistill.experiments.grid import Cell
from evendistill.experiments.results import Found, summarise


def on_validation(cells: Sequence[Cell], runs: Path, *, robust_k: int) -> list[Found]:
    """What each cell's runs found on validation, averaged over their seeds."""
    return [summarise(cell.runs, runs, "validation", robust_k=robust_k) for cell in cells]


def best_of_each_group(cells: Sequence[Cell], found: Sequence[Found]) -> list[int]:
    """First stage: within each cell of the table, the hyper-parameters with the best robust metric.

    Returns:
        Positions in ``cells``, in their order.
    """
    groups: dict[object, list[int]] = {}
    for position, cell in enumerate(cells):
        groups.setdefault(cell.group, []).append(position)
    return sorted(_best(cells, found, members) for members in groups.values())


def select(cells: Sequence[Cell], found: Sequence[Found]) -> int | None:
    """Second stage: among the students, the one with the best robust metric. Repeats are never selected among.

    Ties go to the higher validation average, then to the smaller hash.

    Returns:
        Position in ``cells``; None if there are no students.
    """
    students = [position for position in best_of_each_group(cells, found) if cells[position].student is not None]
    return _best(cells, found, students) if students else None


def _best(cells: Sequence[Cell], found: Sequence[Found], members: Sequence[int]) -> int:
    def merit(position: int) -> tuple[float, float, str]:
        return -found[position].robust.mean, -found[position].average.mean, cells[position].runs[0].hash

    return min(members, key=merit)
