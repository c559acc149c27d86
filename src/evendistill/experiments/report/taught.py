"""The very teachers that a student learned from, on test: of a recipe with a fixed teacher that one alone."""

from dataclasses import dataclass

from evendistill.experiments.report.table import Row, Table
from evendistill.experiments.results import Estimate


@dataclass(frozen=True)
class Teachers:
    """What they found.

    Attributes:
        averages: average accuracy of the teacher of each seed of the student.
        robusts: worst-class accuracy (or worst-k) of the same.
        average: over the teachers, each counted once.
        robust: the same of the robust metric.
    """

    averages: tuple[float, ...]
    robusts: tuple[float, ...]
    average: Estimate
    robust: Estimate


def teachers_of(table: Table, student: Row) -> Teachers | None:
    """The teachers of a row; None if it has none, or the table lacks one."""
    row = table.find(student.teacher, "none")
    of_seeds = [run.trained.teacher for run in student.cell.runs]
    if row is None or row is student:
        return None
    places = [row.folders.index(each.folder_name) for each in of_seeds if each and each.folder_name in row.folders]
    if not places or len(places) < len(of_seeds):
        return None
    averages, robusts = (tuple(of[place] for place in places) for of in (row.test.averages, row.test.robusts))
    once = sorted(set(places))
    means = (Estimate.of([of[place] for place in once]) for of in (row.test.averages, row.test.robusts))
    return Teachers(averages, robusts, *means)
