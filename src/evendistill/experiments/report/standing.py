"""Where every row of a table stands towards the Pareto frontier, with the noise of its repeats."""

from dataclasses import dataclass
from typing import Any

from evendistill.experiments.frontier import beaten_beyond_noise, hypervolume, pareto_front
from evendistill.experiments.report.table import Row, Table


@dataclass(frozen=True)
class Standing:
    """One row and its standing.

    Attributes:
        row: the combination.
        is_efficient: whether no other row's means beat it.
        beaten_by: a row that beats it by more than chance explains; None if there is none.

    A teacher alone is no student to ship: it is set beside students and baselines, which compete without it.
    """

    row: Row
    is_efficient: bool
    beaten_by: Row | None

    @property
    def is_teacher(self) -> bool:
        """Whether it is a teacher alone."""
        return self.row.student == "none"

    @property
    def words(self) -> str:
        """The standing for people."""
        if self.is_teacher:
            return f"teacher alone, {'not beaten' if self.is_efficient else 'beaten'}"
        if self.is_efficient:
            return "efficient"
        if len(self.row.repeats) == 1:
            return "beaten (one seed: noise is not known)"
        return "beaten within noise" if self.beaten_by is None else "beaten beyond noise"


def standings(table: Table) -> list[Standing]:
    """Every student, with a teacher or without, every baseline, and every teacher alone; by falling average."""
    rows = distinct([*(row for row in table.rows if row.student != "none"), *table.baselines])
    at = [(row.test.average.mean, row.test.robust.mean) for row in rows]
    efficient = set(pareto_front(at))
    beaten = beaten_beyond_noise([row.repeats for row in rows])
    found = [
        Standing(row, position in efficient, None if beaten[position] is None else rows[beaten[position] or 0])
        for position, row in enumerate(rows)
    ]
    for row in (row for row in table.rows if row.student == "none"):
        beside = pareto_front([*at, (row.test.average.mean, row.test.robust.mean)])
        found.append(Standing(row, len(at) in beside, None))
    return sorted(found, key=lambda each: (-each.row.test.average.mean, -each.row.test.robust.mean))


def distinct(rows: list[Row]) -> list[Row]:
    """Each combination once: a baseline may be a cell of the grid as well."""
    kept: dict[tuple[str, ...], Row] = {}
    for row in rows:
        kept.setdefault(tuple(row.folders), row)
    return list(kept.values())


def volumes(table: Table) -> dict[str, float]:
    """Hypervolume, from 0 and 0 in fractions, of the grid's students and of the baselines, as validation chose them."""
    groups = {"students": [row for row in table.rows if row.cell.is_student], "baselines": list(table.baselines)}
    return {
        name: hypervolume([(row.test.average.mean, row.test.robust.mean) for row in rows])
        for name, rows in groups.items()
        if rows
    }


def as_json(table: Table) -> dict[str, Any]:
    """Standings and hypervolumes as plain values."""
    return {
        "hypervolume": volumes(table),
        "training_epochs": table.epochs,
        "points": [
            {
                "title": each.row.title,
                "average_accuracy": vars(each.row.test.average),
                "worst_class_accuracy": vars(each.row.test.robust),
                "is_teacher": each.is_teacher,
                "efficient": each.is_efficient,
                "beaten_by": None if each.beaten_by is None else each.beaten_by.title,
                "selected": each.row.selected,
                "runs": each.row.folders,
            }
            for each in standings(table)
        ],
    }
