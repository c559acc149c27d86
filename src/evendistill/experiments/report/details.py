"""What a click on a point shows: recalls, multipliers over training, the spec, and the command that exports it."""

import json
import math
import shlex
from pathlib import Path
from typing import Any

from evendistill.experiments.report.methods import choice
from evendistill.experiments.report.table import Row, Table
from evendistill.storage.files import known

MOST_STEPS = 40
MOST_CLASSES = 12
LARGEST = 1e15


def details(rows: tuple[Row, ...], table: Table, runs: Path) -> list[dict[str, Any]]:
    """One entry a row, in plain values."""
    return [_of(row, table, runs) for row in rows]


def export_command(row: Row, runs: Path) -> str:
    """What makes a student ready to be shipped."""
    return f"evendistill export {shlex.quote(str(runs / row.folders[0]))} --to exported"


def _of(row: Row, table: Table, runs: Path) -> dict[str, Any]:
    return {
        "title": row.title + (" ★" if row.selected else ""),
        "facts": _facts(row, table),
        "recalls": [known(round(recall, 4)) for recall in row.test.recalls],
        "multipliers": multipliers(runs / row.folders[0], table.class_names),
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


def multipliers(folder: Path, names: tuple[str, ...]) -> dict[str, Any] | None:
    """Multipliers over the steps of a run: at most 40 steps and the 12 classes with the largest; None if none move."""
    moved = _moved(folder / "metrics.jsonl", len(names))
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
        "values": [[round(values[label], 4) for _, values in thinned] for label in shown],
    }


def _moved(path: Path, count: int) -> list[tuple[int, list[float]]]:
    """Steps and multipliers as a log has them; whatever else its lines say is passed over."""
    try:
        records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except (OSError, ValueError, RecursionError):  # a log that is gone takes its curve along, and nothing else
        return []
    told = [each for each in records if isinstance(each, dict)]
    return [
        (each["step"], each["multipliers"])
        for each in told
        if _is_number(each.get("step")) and _are_numbers(each.get("multipliers"), count)
    ]


def _are_numbers(found: object, count: int) -> bool:
    return isinstance(found, list) and len(found) == count and all(map(_is_number, found))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < LARGEST  # NaN is not
