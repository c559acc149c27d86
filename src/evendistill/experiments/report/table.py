"""The rows of a finished sweep's tables, and which of them was chosen on validation."""

import shlex
from dataclasses import dataclass
from typing import Any

from evendistill.data.wording import shown
from evendistill.experiments.cells import Cell
from evendistill.experiments.derive import is_smoke
from evendistill.experiments.frontier import pareto_front
from evendistill.experiments.report.titles import title_of
from evendistill.experiments.results import Found, interval_of, judged, read_split, summarise
from evendistill.experiments.rules import Rule
from evendistill.experiments.selection import NothingSelected, best_of_each_group, on_validation, rivals, select
from evendistill.experiments.sweep import Sweep
from evendistill.maths.least import WorstClassInterval


@dataclass(frozen=True)
class Row:
    """One combination of teacher and student with what it found.

    Attributes:
        cell: the combination, its hyper-parameters chosen on validation.
        validation: what it found there.
        test: what it found there, opened after every choice was made.
        selected: whether validation chose it among all students.
    """

    cell: Cell
    validation: Found
    test: Found
    selected: bool

    @property
    def teacher(self) -> str:
        """Objective of the teacher, "none" where there is none."""
        return self.cell.teacher.name if self.cell.teacher else "none"

    @property
    def student(self) -> str:
        """Objective of the student, or the baseline; "none" for the teacher itself."""
        if self.cell.baseline is not None:
            return self.cell.baseline.kind
        return self.cell.student.name if self.cell.student else "none"

    @property
    def student_title(self) -> str:
        """The student as a row of the table names it."""
        labels = self.cell.validation_labels
        return self.student + (f", {labels}-labelled" if labels else "")

    @property
    def folders(self) -> list[str]:
        """Run folders of the repeats; the repeats are equals, none of them was selected."""
        return [run.folder_name for run in self.cell.runs]

    @property
    def repeats(self) -> list[tuple[float, float]]:
        """Average and robust accuracy on test of each seed."""
        return list(zip(self.test.averages, self.test.robusts, strict=True))

    @property
    def title(self) -> str:
        """The whole combination in words."""
        return title_of(self.cell)


@dataclass(frozen=True)
class Table:
    """The rows of a sweep.

    Attributes:
        name: of the recipe.
        rows: teachers first, then their students.
        baselines: one a method, its hyper-parameters chosen on validation.
        alternatives: of each baseline every hyper-parameter that is Pareto-efficient on test among its own kind; for
            the picture alone.
        class_names: one a class, or a group where groups are not classes.
        seeds: of the repeats.
        robust_k: how many of the least recalls make the robust metric.
        rule: of selection.
        kind: whose worst counts, "class" or "group".
        published: name of the data set whose printed numbers stand beside these.
        epochs: that were trained for it, over all runs.
        why_not: why no student was selected, if none was.
        rivals: what the rule would have chosen rather, were they not there to be compared with; the first one first.
        interval: of the least test recall of the student to ship, which is one run; None where there is none.
        matched: whether each student learns from the teacher of its own seed.
        is_smoke: whether it is a trial of seconds, whose numbers mean nothing.
        diagnose: the command that ranks its teachers.
    """

    name: str
    rows: tuple[Row, ...]
    class_names: tuple[str, ...]
    seeds: tuple[int, ...]
    robust_k: int
    matched: bool
    baselines: tuple[Row, ...] = ()
    alternatives: tuple[Row, ...] = ()
    rule: Rule | None = None
    kind: str = "class"
    published: str | None = None
    interval: WorstClassInterval | None = None
    why_not: str = ""
    rivals: tuple[Row, ...] = ()
    epochs: int = 0
    is_smoke: bool = False
    diagnose: str = "evendistill diagnose RECIPE"

    @property
    def selected(self) -> Row | None:
        """The student chosen on validation."""
        return next((row for row in self.rows if row.selected), None)

    @property
    def robust_name(self) -> str:
        """What the robust metric is called."""
        return f"worst-{self.kind} accuracy" if self.robust_k == 1 else f"worst-{self.robust_k} accuracy"

    def find(self, teacher: str, student: str) -> Row | None:
        """The first row of these objectives; standard distillation may be among the baselines alone."""
        found = next((row for row in self.rows if (row.teacher, row.student) == (teacher, student)), None)
        if found is None and (teacher, student) == ("standard", "standard"):
            return self.find_baseline("standard-distillation")
        return found

    def find_baseline(self, kind: str) -> Row | None:
        """The first row of a method."""
        return next((row for row in self.baselines if row.student == kind), None)


def make_table(sweep: Sweep) -> Table:
    """Read a finished sweep: choose on validation first, open the test results then.

    Raises:
        ValueError: if a run is not finished.
    """
    k, grid = sweep.grid.robust_k, sweep.grid
    validation = on_validation(sweep.cells, sweep.runs, robust_k=k)
    chosen, why_not = None, ""
    try:
        chosen = select(sweep.cells, validation, grid.selection)
    except NothingSelected as error:
        why_not = str(error)
    if is_smoke(grid):  # what was chosen on noise is nobody's to ship
        chosen = None

    def row(position: int) -> Row:
        cell = sweep.cells[position]
        test = summarise(cell.runs, sweep.runs, "test", robust_k=k)
        return Row(cell, validation[position], test, position == chosen)

    before = rivals(sweep.cells, validation, grid.selection)
    rows = [row(position) for position in best_of_each_group(sweep.cells, validation)]
    others = [row(position) for position, cell in enumerate(sweep.cells) if cell.baseline is not None]
    first = read_split(rows[0].cell.runs[0], sweep.runs, "test")
    return Table(
        grid.name,
        tuple(row for row in rows if row.cell.baseline is None),
        tuple(map(shown, judged(first).get("names", first["class_names"]))),
        grid.seeds,
        k,
        grid.teacher_seed == "matched",
        baselines=tuple(row for row in rows if row.cell.baseline is not None),
        alternatives=_efficient_within_methods(others),
        rule=grid.selection,
        kind="class" if grid.grouping == "class" else "group",
        published=grid.published,
        why_not=why_not,
        rivals=() if chosen is None else tuple(map(row, before)),
        is_smoke=is_smoke(grid),
        epochs=sweep.epochs(),
        diagnose=shlex.join(["evendistill", "diagnose", str(sweep.recipe), "--out", str(sweep.runs)]),
        interval=None
        if chosen is None
        else interval_of(judged(read_split(sweep.cells[chosen].runs[0], sweep.runs, "test"))),
    )


def _efficient_within_methods(rows: list[Row]) -> tuple[Row, ...]:
    methods: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        methods.setdefault(row.cell.group, []).append(row)
    kept: list[Row] = []
    for members in methods.values():
        at = [(row.test.average.mean, row.test.robust.mean) for row in members]
        kept += [members[position] for position in pareto_front(at)]
    return tuple(kept)


def as_json(table: Table) -> list[dict[str, Any]]:
    """The cells as plain values, accuracies as fractions."""
    return [
        {
            "teacher": row.teacher,
            "student": row.student,
            "validation_labels": row.cell.validation_labels,
            "average_accuracy": vars(row.test.average),
            "worst_class_accuracy": vars(row.test.robust),
            "validation_average_accuracy": vars(row.validation.average),
            "validation_worst_class_accuracy": vars(row.validation.robust),
            "selected": row.selected,
            "temperature": row.cell.listening.temperature if row.cell.listening else None,
            "validation_temperature": row.cell.listening.validation_temperature if row.cell.listening else None,
            "runs": row.folders,
            "seeds": list(table.seeds),
        }
        for row in (*table.rows, *table.baselines)
    ]


def to_ship(table: Table) -> str:
    """Which run to ship."""
    chosen = table.selected
    if table.is_smoke:
        return "To train it in earnest, run the recipe without --smoke."
    if chosen is None or chosen.cell.listening is None:
        return "There is no student to ship."
    if chosen.validation.robust.mean == 0:
        return (
            f"Not to ship yet: on validation it never recognises its worst {table.kind}. Train longer, or look into it."
        )
    temperature = f"trained at temperature {chosen.cell.listening.temperature:g}, which its scores do not need"
    others = len(chosen.folders) - 1
    more = f"; its {others} other seed{'' if others == 1 else 's'} would do as well" if others else ""
    among = "To ship, of the distilled students" if table.rivals else "To ship"
    return f"{among}: {chosen.folders[0]} ({temperature}{more})."
