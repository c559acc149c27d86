"""The tables of a sweep as one Markdown file, to be kept beside the runs or committed."""

from pathlib import Path

from evendistill.experiments.report.claims import claims_markdown
from evendistill.experiments.report.effects import Section
from evendistill.experiments.report.effects_words import effects_markdown
from evendistill.experiments.report.layout import caption, markdown
from evendistill.experiments.report.lines import as_code
from evendistill.experiments.report.methods import TABLE_2, methods_markdown, printed_markdown
from evendistill.experiments.report.recalls import recalls_markdown
from evendistill.experiments.report.table import Table
from evendistill.experiments.report.verdict import verdict
from evendistill.storage.files import write_bytes


def write_markdown(table: Table, path: Path, *, command: str, effects: Section = Section()) -> None:  # noqa: B008
    """Write the tables to a file, with their caption, the verdict, and the command that regenerates them."""
    parts = [f"{markdown(table)}\n{caption(table)} Regenerate with {as_code(command)}.\n"]
    if beside := printed_markdown(table):
        parts += [f"## Measured beside printed\n\n{beside}"]
    if table.baselines:
        parts += [f"## Beside what others would use\n\n{methods_markdown(table)}\n{TABLE_2}\n"]
        parts += [] if table.is_smoke else [f"## What the paper claims\n\n{claims_markdown(table)}"]
        parts += [f"## In words\n\n{verdict(table)}\n"]
    parts += [recalls_markdown(table)]
    if compared := effects_markdown(effects):
        parts += [compared]
    write_bytes(path, "\n".join(parts).encode())
