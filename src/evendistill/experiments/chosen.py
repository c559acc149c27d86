"""The choice of a rule, said with what validation found; no test result is opened."""

from collections.abc import Sequence
from typing import Any

from evendistill.data.wording import shown
from evendistill.experiments.report.answer import gains_and_losses, recalls_apart
from evendistill.experiments.report.difference import Difference
from evendistill.experiments.report.titles import title_of
from evendistill.experiments.results import Found, interval_of, judged, read_split
from evendistill.experiments.rules import Rule, in_words
from evendistill.experiments.selection import NothingSelected, on_validation, rivals, select, standard_distillation
from evendistill.experiments.sweep import Sweep
from evendistill.storage.files import known, read_json


def _classes(sweep: Sweep, found: Sequence[Found], chosen: int) -> list[tuple[str, Difference]]:
    """How each class fares beside standard distillation, on validation; none if that is the choice, or not there."""
    try:
        plain = standard_distillation(sweep.cells, found)
    except NothingSelected:
        return []
    if sweep.cells[plain].runs == sweep.cells[chosen].runs:
        return []
    names = _names(sweep, chosen)
    return [(names[label], each) for label, each in recalls_apart(found[chosen], found[plain])]


def _names(sweep: Sweep, chosen: int) -> list[str]:
    """Of classes or groups. The names of classes are kept beside the numbers on test, of which none is looked at."""
    run = sweep.cells[chosen].runs[0]
    judged_on = judged(read_split(run, sweep.runs, "validation"))
    numbers = [str(label) for label in range(len(judged_on["recalls"]))]
    if "names" in judged_on:
        return [shown(name) for name in judged_on["names"]]
    try:
        names = read_json(sweep.runs / run.folder_name / "test.json")["class_names"]
    except (OSError, ValueError, KeyError, TypeError):
        return numbers
    return [shown(name) for name in names] if isinstance(names, list) and len(names) == len(numbers) else numbers


def _better(sweep: Sweep, found: Sequence[Found], other: int | None) -> dict[str, Any] | None:
    """What the rule would rather have chosen, were it not there to be compared with."""
    if other is None:
        return None
    return {
        "title": title_of(sweep.cells[other]),
        "validation_average_accuracy": vars(found[other].average),
        "validation_worst_class_accuracy": vars(found[other].robust),
        "runs": [str((sweep.runs / run.folder_name).resolve()) for run in sweep.cells[other].runs],
    }


def choice(sweep: Sweep, rule: Rule) -> dict[str, Any]:
    """Which student a rule chooses, as plain values.

    Raises:
        ValueError: if a run is not finished, there are no students, or none meets the rule.
    """
    found = on_validation(sweep.cells, sweep.runs, robust_k=sweep.grid.robust_k)
    position = select(sweep.cells, found, rule)
    if position is None:
        raise ValueError(f"{sweep.recipe} has no students to choose from")
    classes, kind = _classes(sweep, found, position), "class" if sweep.grid.grouping == "class" else "group"
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
        "classes": [
            {"class": name, **{end: known(value) for end, value in vars(each).items()}} for name, each in classes
        ],
        "classes_in_words": gains_and_losses(classes, kind=kind, several=len(cell.runs) > 1),
        "better": _better(sweep, found, next(iter(rivals(sweep.cells, found, rule)), None)),
        "runs": [str((sweep.runs / run.folder_name).resolve()) for run in cell.runs],
    }
