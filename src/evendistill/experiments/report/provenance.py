"""Where the numbers come from: seeds, data, machines, versions, and the command that makes them again."""

from collections import Counter
from contextlib import suppress
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
    data, environments = _told_by(runs, folders, "data.json"), _told_by(runs, folders, "env.json")
    body = [
        ("runs", [f"{len(folders)} in the table, {table.epochs:,} epochs behind it"], False),
        ("seeds", [", ".join(map(str, table.seeds))], False),
        ("data fingerprint", [_most(data, "fingerprint")], False),
        *((name, [_most(environments, name)], False) for name in ENVIRONMENT),
    ]
    return (
        f"<section><h2>How these numbers came about</h2>{lines(['what', 'value'], body, words=['value'])}"
        "<p>Every number on this page is read from files in the folders of runs, whose checksums were compared. "
        "This command makes the page again:</p>"
        f"<pre><code>{escape(shown(command))}</code></pre></section>"
    )


def _most(told_by: list[dict[str, Any]], field: str) -> str:
    """The values of a field over the runs; how many of each where they differ."""
    found = Counter(shown(told.get(field, "not kept")) for told in told_by)
    if len(found) < 2:
        return next(iter(found), "not kept")
    told = [f"{value} ({count} run{'' if count == 1 else 's'})" for value, count in found.most_common(MOST_NAMED)]
    return ", ".join(told) + (f", and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else "")


def _told_by(runs: Path, folders: list[str], file: str) -> list[dict[str, Any]]:
    """What each run told in a file; nothing of runs of earlier versions, and of files that say nothing."""
    found = []
    for name in folders:
        with suppress(OSError, ValueError):
            found.append(read_json(runs / name / file))
    return [told for told in found if isinstance(told, dict) and told]
