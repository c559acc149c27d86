"""The choice of a rule, said with what validation found; no test result is opened."""

from typing import Any

from evendistill.experiments.results import interval_of, judged, read_split
from evendistill.experiments.rules import Rule, in_words
from evendistill.experiments.selection import on_validation, select
from evendistill.experiments.sweep import Sweep


def choice(sweep: Sweep, rule: Rule) -> dict[str, Any]:
    """Which student a rule chooses, as plain values.

    Raises:
        ValueError: if a run is not finished, there are no students, or none meets the rule.
    """
    found = on_validation(sweep.cells, sweep.runs, robust_k=sweep.grid.robust_k)
    position = select(sweep.cells, found, rule)
    if position is None:
        raise ValueError(f"{sweep.recipe} has no students to choose from")
    cell, summary = sweep.cells[position], found[position]
    interval = interval_of(judged(read_split(cell.runs[0], sweep.runs, "validation")))
    return {
        "rule": in_words(rule),
        "teacher": cell.teacher.name if cell.teacher else "none",
        "student": cell.student.name if cell.student else "none",
        "temperature": cell.listening.temperature if cell.listening else None,
        "validation_temperature": cell.listening.validation_temperature if cell.listening else None,
        "validation_labels": cell.validation_labels,
        "validation_average_accuracy": vars(summary.average),
        "validation_worst_class_accuracy": vars(summary.robust),
        "validation_worst_class_interval": interval and vars(interval),
        "runs": [str((sweep.runs / run.folder_name).resolve()) for run in cell.runs],
    }
