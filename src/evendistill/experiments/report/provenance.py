"""Where the numbers come from: seeds, data, machines, versions, and the command that makes them again."""

from collections import Counter
from html import escape
from pathlib import Path
from typing import Any

from evendistill.data.wording import shown
from evendistill.experiments.report.html import lines
from evendistill.experiments.report.table import Table
from evendistill.storage.files import read_json

ENVIRONMENT = ("evendistill", "torch", "python", "device", "machine", "host")
MOST_NAMED = 4


def provenance(table: Table, runs: Path, command: str) -> str:
    """The last section of the page."""
    folders = list(dict.fromkeys(name for row in (*table.rows, *table.baselines) for name in row.folders))
    body = [
        ("runs", [f"{len(folders)} in the table, {table.epochs:,} epochs behind it"], False),
        ("seeds", [", ".join(map(str, table.seeds))], False),
        ("data fingerprint", [_most(runs, folders, "data.json", "fingerprint")], False),
        *((name, [_most(runs, folders, "env.json", name)], False) for name in ENVIRONMENT),
    ]
    return (
        f"<section><h2>How these numbers came about</h2>{lines(['what', 'value'], body, words=['value'])}"
        "<p>Every number on this page is read from files in the folders of runs, whose checksums were compared. "
        "This command makes the page again:</p>"
        f"<pre><code>{escape(shown(command))}</code></pre></section>"
    )


def _most(runs: Path, folders: list[str], file: str, field: str) -> str:
    """The values of a field over the runs; how many of each where they differ."""
    found = Counter(shown(told.get(field, "not kept")) for name in folders if (told := _told(runs / name / file)))
    if len(found) < 2:
        return next(iter(found), "not kept")
    told = [f"{value} ({count} run{'' if count == 1 else 's'})" for value, count in found.most_common(MOST_NAMED)]
    return ", ".join(told) + (f", and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else "")


def _told(path: Path) -> dict[str, Any]:
    try:
        told = read_json(path)
    except (OSError, ValueError):  # runs of earlier versions, or a file that says nothing of results
        return {}
    return told if isinstance(told, dict) else {}
