"""How the teachers of a recipe rank, kept by ``diagnose`` for the page: it takes too long to be asked each time."""

import contextlib
import math
from pathlib import Path
from typing import Any

from evendistill.data.wording import shown
from evendistill.experiments.report.diagnosis import SIGN, WORDS
from evendistill.experiments.report.html import lines
from evendistill.experiments.report.table import Table
from evendistill.experiments.results import Estimate
from evendistill.storage.files import json_bytes, read_json, write_bytes

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
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return told


def teachers_section(told: dict[str, Any] | None, table: Table) -> str:
    """The section of the page; where teachers have not been ranked, how to do that."""
    if all(row.teacher == "none" for row in table.rows):
        return ""
    if told is None:
        return f"{TITLE}<p>Not measured: <code>evendistill diagnose RECIPE</code> ranks the teachers.</p>"
    return f"<section>{_section(told)}</section>"


def _section(told: dict[str, Any]) -> str:
    head = ["teacher", "T", "calibration term, largest", "robust risk, best shift", "own worst class %"]
    body = [(shown(each["teacher"]), _entries(each), False) for each in told["teachers"]]
    said = [
        (WORDS[name], [_correlation(found)], False) for name, found in told["correlations"].items() if name in WORDS
    ]
    parts = [
        TITLE,
        "<p>The smaller its calibration term, the better the teacher should be (Theorem 2); whether it was:</p>",
    ]
    parts += [lines([*head, "its robust student's worst class %"], body)]
    if said:
        parts += [lines(["ranking teachers by", "Spearman with the student's worst class"], said), f"<p>{SIGN}.</p>"]
    return "".join(parts)


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
