"""What a click on a point shows: recalls, multipliers over training, the spec, and the command that exports it."""

import json
import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evendistill.experiments.mends import AtSpec
from evendistill.experiments.objectives import FrontierSpec
from evendistill.experiments.report.html import packed
from evendistill.experiments.report.methods import choice
from evendistill.experiments.report.table import Row, Table
from evendistill.experiments.spec import OwnSpec

MOST_STEPS = 40
MOST_CLASSES = 12
LARGEST = 1e15
FINE = 10_000  # parts of one in which multipliers are told: whole numbers take less room


def details(
    rows: tuple[Row, ...], table: Table, runs: Path, places: Sequence[int | None] | None = None
) -> list[dict[str, Any]]:
    """One entry a row, in plain values; ``places`` says of which frontier each is, if of any."""
    places = places or [None] * len(rows)
    return [_of(row, table, runs) | _slides(row, place) for row, place in zip(rows, places, strict=True)]


def _slides(row: Row, place: int | None) -> dict[str, Any]:
    mend = row.cell.runs[0].mend
    return {"frontier": place, "alpha": mend.alpha} if place is not None and isinstance(mend, AtSpec) else {}


def export_command(row: Row, runs: Path) -> str:
    """What makes a student ready to be shipped, in a folder of its own."""
    run = row.cell.runs[0]
    found_by = "PYTHONPATH=. " if any(isinstance(each.network, OwnSpec) for each in (run, *run.inputs)) else ""
    return f"{found_by}evendistill export {shlex.quote(str(runs / run.folder_name))} --to exported/{run.hash}"


def _of(row: Row, table: Table, runs: Path) -> dict[str, Any]:
    return {
        "title": row.title + (" ★" if row.selected else ""),
        "facts": _facts(row, table),
        "recalls": packed(row.test.recalls),
        "multipliers": multipliers(runs / row.cell.runs[0].trained.folder_name, table.class_names, _part(row)),
        "spec": json.dumps(row.cell.runs[0].canonical(), indent=1, ensure_ascii=False),
        "command": export_command(row, runs),
    }


def _facts(row: Row, table: Table) -> list[tuple[str, str]]:
    found = [
        (f"{table.robust_name} on test", f"{row.test.robust.percent()} %"),
        ("average accuracy on test", f"{row.test.average.percent()} %"),
        ("the same on validation", f"{row.validation.robust.percent()} and {row.validation.average.percent()} %"),
    ]
    found += [("hyper-parameters", chosen)] if (chosen := choice(row.cell)) else []
    if len(table.seeds) == 1:
        return [*found, ("seed", str(table.seeds[0]))]
    first = f" (multipliers and command: {table.seeds[0]})"
    return [*found, ("seeds", ", ".join(map(str, table.seeds)) + first)]


def _part(row: Row) -> int | None:
    """Which of the multipliers of a frontier are the row's."""
    run = row.cell.runs[0]
    of = run.trained.objective
    if not isinstance(of, FrontierSpec) or not isinstance(run.mend, AtSpec):
        return None
    return of.alphas.index(run.mend.alpha)


def multipliers(folder: Path, names: tuple[str, ...], part: int | None = None) -> dict[str, Any] | None:
    """Multipliers over the steps of a run: at most 40 steps and the 12 classes with the largest; None if none move.

    Args:
        folder: of the run that trained them.
        names: of the classes.
        part: which of several trade-offs, where the run trained several.
    """
    moved = _moved(folder / "metrics.jsonl", len(names), part)
    if not moved:
        return None
    thinned = moved[:: math.ceil(len(moved) / MOST_STEPS)]
    if thinned[-1] is not moved[-1]:
        thinned.append(moved[-1])
    last = moved[-1][1]
    shown = sorted(sorted(range(len(last)), key=lambda label: -last[label])[:MOST_CLASSES])
    return {
        "steps": [step for step, _ in thinned],
        "names": [names[label] for label in shown],
        "values": [[round(FINE * values[label]) for _, values in thinned] for label in shown],
    }


def _moved(path: Path, count: int, part: int | None) -> list[tuple[int, list[float]]]:
    """Steps and multipliers as a log has them; whatever else its lines say is passed over."""
    try:
        records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except (OSError, ValueError, RecursionError):  # a log that is gone takes its curve along, and nothing else
        return []
    told = [each for each in records if isinstance(each, dict)]
    found = [(each["step"], _of_part(each.get("multipliers"), part)) for each in told if _is_number(each.get("step"))]
    return [(step, values) for step, values in found if _are_numbers(values, count)]


def _of_part(found: Any, part: int | None) -> Any:  # noqa: ANN401 - whatever a log holds
    if part is None:
        return found
    return found[part] if isinstance(found, list) and part < len(found) else None


def _are_numbers(found: object, count: int) -> bool:
    return isinstance(found, list) and len(found) == count and all(map(_is_number, found))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < LARGEST  # NaN is not
