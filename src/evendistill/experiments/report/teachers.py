"""How the teachers of a recipe rank, kept by ``diagnose`` for the page: it takes too long to be asked each time."""

import contextlib
import math
from html import escape
from pathlib import Path
from typing import Any

from evendistill.data.wording import shown
from evendistill.experiments.report.diagnosis import SIGN, WORDS
from evendistill.experiments.report.html import lines
from evendistill.experiments.report.table import Table
from evendistill.experiments.results import Estimate
from evendistill.storage.files import json_bytes, read_json, write_bytes

MOST_CLASSES, MOST_BESIDE = 30, 5
KEPT = "ranking.json"
TITLE = "<h2>What makes a good teacher here</h2>"


def keep_ranking(told: dict[str, Any], folder: Path) -> None:
    """Leave a ranking where the next report finds it, if the folder can be written."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / KEPT, json_bytes(told))


def kept_ranking(folder: Path) -> dict[str, Any] | None:
    """The ranking that was left in a folder; None if there is none, or it is damaged."""
    try:
        told = read_json(folder / KEPT)
        _section(told)
        for each in told["teachers"]:
            _terms(each, told)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return told


def teachers_section(told: dict[str, Any] | None, table: Table) -> str:
    """The section of the page; where teachers have not been ranked, how to do that, if there is reason to."""
    if told is not None:
        return f"<section>{_section(told)}{_terms_of_each_class(told, table)}</section>"
    if not any(row.cell.is_student and row.cell.student and row.cell.student.name == "robust" for row in table.rows):
        return ""
    command = f"<code>{escape(shown(table.diagnose))}</code>"
    return f"{TITLE}<p>Not measured: {command} ranks the teachers, and a report made after that shows it here.</p>"


def _section(told: dict[str, Any]) -> str:
    head = ["teacher", "T", "calibration term, largest", "robust risk, best shift", "own worst class %, validation"]
    body = [(shown(each["teacher"]), _entries(each), False) for each in told["teachers"]]
    said = [
        (WORDS[name], [_correlation(found)], False) for name, found in told["correlations"].items() if name in WORDS
    ]
    parts = [
        TITLE,
        "<p>The smaller its calibration term on validation, the better the teacher should be (Theorem 2); whether it "
        "was:</p>",
        lines([*head, "its robust student's worst class %, test"], body),
    ]
    if said:
        parts += [lines(["ranking teachers by", "Spearman with the student's worst class"], said), f"<p>{SIGN}.</p>"]
    return "".join(parts)


def _terms_of_each_class(told: dict[str, Any], table: Table) -> str:
    """The calibration term of each class, of the teacher of the student to ship and of others beside it."""
    chosen = table.selected
    if chosen is None or chosen.cell.listening is None:
        return ""
    temperature = chosen.cell.listening.temperature
    ranked = [each for each in told["teachers"] if each["temperature"] == temperature and _terms(each, told)]
    own = [each for each in ranked if each["teacher"] == chosen.teacher]
    if not own:
        return ""
    others = [each for each in ranked if each is not own[0]]
    columns = [_terms(each, told) for each in (own[0], *others[:MOST_BESIDE])]
    labels = list(range(len(columns[0])))
    is_long = len(labels) > MOST_CLASSES
    if is_long:
        labels = sorted(labels, key=lambda label: -columns[0][label])[:MOST_CLASSES]
    head = ["class", f"{own[0]['teacher']}, teacher of the student to ship"]
    head += [each["teacher"] for each in others[:MOST_BESIDE]]
    body = [
        (shown(told["class_names"][label]), [f"{terms[label]:.3f}" for terms in columns], False) for label in labels
    ]
    which = f"the {MOST_CLASSES} largest of the first of them" if is_long else "of every class"
    return (
        f"<h3>Calibration term of each class at temperature {temperature:g}</h3><p>On validation, means over seeds; "
        f"{which}.</p>{lines([shown(name) for name in head], body, about='calibration term of each class')}"
    )


def _terms(each: dict[str, Any], told: dict[str, Any]) -> list[float]:
    """Of one teacher, by class; empty if they were not kept.

    Raises:
        ValueError: if there is not one for each class.
    """
    terms = [float(term) for term in each.get("calibration_terms", [])]
    if terms and len(terms) != len(told["class_names"]):
        raise ValueError(f"{len(terms)} terms of {len(told['class_names'])} classes")
    return terms


def _entries(each: dict[str, Any]) -> list[str]:
    known = f"{-each['calibration']:.3f}", f"{-each['shifted_risk']:.3f}", f"{100 * each['worst_class_accuracy']:.1f}"
    student = each["student"]
    found = "not trained" if student is None else Estimate(**student["worst_class_accuracy"]).percent()
    return [f"{each['temperature']:g}", *known, found + (" (mended)" if each["is_mended"] else "")]


def _correlation(found: dict[str, float | None]) -> str:
    value, lower, upper = (found[name] for name in ("value", "lower", "upper"))
    if value is None or math.isnan(value):
        return "no order"
    if lower is None or upper is None:
        return f"{value:+.2f} (too few teachers to say anything)"
    return f"{value:+.2f} ({lower:+.2f} to {upper:+.2f})"
