"""The paper's table for a finished sweep: teachers across, students down, and what was chosen on validation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evendistill.experiments.grid import Cell
from evendistill.experiments.results import Found, read_split, summarise
from evendistill.experiments.selection import best_of_each_group, on_validation, select
from evendistill.experiments.sweep import Sweep


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
        """Objective of the teacher."""
        return self.cell.teacher.name

    @property
    def student(self) -> str:
        """Objective of the student, "none" for the teacher itself."""
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
    def title(self) -> str:
        """The whole combination in words."""
        if self.student == "none":
            return f"{self.teacher} teacher alone"
        return f"{self.student_title} student of {_article(self.teacher)} teacher"


@dataclass(frozen=True)
class Table:
    """The rows of a sweep.

    Attributes:
        name: of the recipe.
        rows: teachers first.
        class_names: one a class.
        seeds: of the repeats.
        robust_k: how many of the least recalls make the robust metric.
        matched: whether each student learns from the teacher of its own seed.
    """

    name: str
    rows: tuple[Row, ...]
    class_names: tuple[str, ...]
    seeds: tuple[int, ...]
    robust_k: int
    matched: bool

    @property
    def selected(self) -> Row | None:
        """The student chosen on validation."""
        return next((row for row in self.rows if row.selected), None)

    @property
    def robust_name(self) -> str:
        """What the robust metric is called."""
        return "worst-class accuracy" if self.robust_k == 1 else f"worst-{self.robust_k} accuracy"

    def find(self, teacher: str, student: str) -> Row | None:
        """The first row of these objectives."""
        return next((row for row in self.rows if (row.teacher, row.student) == (teacher, student)), None)


def make_table(sweep: Sweep) -> Table:
    """Read a finished sweep: choose on validation first, open the test results then.

    Raises:
        ValueError: if a run is not finished.
    """
    k = sweep.grid.robust_k
    validation = on_validation(sweep.cells, sweep.runs, robust_k=k)
    chosen = select(sweep.cells, validation)
    rows = []
    for position in best_of_each_group(sweep.cells, validation):
        cell = sweep.cells[position]
        test = summarise(cell.runs, sweep.runs, "test", robust_k=k)
        rows.append(Row(cell, validation[position], test, position == chosen))
    names = tuple(read_split(rows[0].cell.runs[0], sweep.runs, "test")["class_names"])
    return Table(sweep.grid.name, tuple(rows), names, sweep.grid.seeds, k, sweep.grid.teacher_seed == "matched")


def grid_of(table: Table) -> tuple[list[str], list[tuple[str, list[Row | None]]]]:
    """Teachers across and, for each kind of student, its rows in their order; None where there is none."""
    teachers = list(dict.fromkeys(row.teacher for row in table.rows))
    titles = list(dict.fromkeys(row.student_title for row in table.rows))
    at = {(row.teacher, row.student_title): row for row in table.rows}
    return teachers, [(title, [at.get((teacher, title)) for teacher in teachers]) for title in titles]


def entry(row: Row | None) -> str:
    """One entry in percent: robust metric, average accuracy in brackets, a star if selected."""
    if row is None:
        return ""
    return f"{row.test.robust.percent()} ({row.test.average.percent()})" + (" ★" if row.selected else "")


def markdown(table: Table) -> str:
    """The table in Markdown."""
    teachers, lines = grid_of(table)
    head = ["student \\ teacher", *teachers]
    body = [[title, *(entry(row) for row in rows)] for title, rows in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *body]) + "\n"


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
        for row in table.rows
    ]


def caption(table: Table) -> str:
    """What the entries of the table are, and over what they were averaged."""
    return (
        f"Test {table.robust_name} in percent, average accuracy in brackets; mean ± standard error over seeds "
        f"{', '.join(map(str, table.seeds))}; "
        + ("each student learns from the teacher of its own seed" if table.matched else "one teacher for all students")
        + ". ★ chosen on validation."
    )


def to_ship(table: Table) -> str:
    """Where the chosen student's weights lie."""
    chosen = table.selected
    if chosen is None or chosen.cell.listening is None:
        return "There is no student to ship."
    temperature = f"temperature {chosen.cell.listening.temperature:g}"
    more = f"; {len(chosen.folders) - 1} repeats beside it are its equals" if len(chosen.folders) > 1 else ""
    return f"To ship: {chosen.folders[0]}/model.safetensors ({temperature}{more})."


def write_markdown(table: Table, path: Path, *, command: str) -> None:
    """Write the Markdown table to a file, with its caption and the command that regenerates it."""
    path.write_text(f"{markdown(table)}\n{caption(table)} Regenerate with `{command}`.\n", encoding="utf-8")


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
