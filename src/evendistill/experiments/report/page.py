"""The page: one HTML file that needs nothing else."""

from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from evendistill.experiments.report.answer import answer
from evendistill.experiments.report.details import details
from evendistill.experiments.report.effects import Section
from evendistill.experiments.report.effects_picture import write_effects
from evendistill.experiments.report.effects_words import PICTURE
from evendistill.experiments.report.exported import as_csv, effects_csv
from evendistill.experiments.report.frontier_picture import write_frontier
from evendistill.experiments.report.html import data_block, packed, scrolled
from evendistill.experiments.report.key import key
from evendistill.experiments.report.latex import as_latex
from evendistill.experiments.report.layout import caption, entry, grid_of
from evendistill.experiments.report.methods import choice
from evendistill.experiments.report.picture import drawn, frontier_chart, recalls_chart
from evendistill.experiments.report.provenance import provenance
from evendistill.experiments.report.sections import effects_section, methods_section, printed_section, recalls_table
from evendistill.experiments.report.sliding import frontiers
from evendistill.experiments.report.table import Row, Table
from evendistill.experiments.report.teachers import teachers_section
from evendistill.experiments.report.written import write_markdown
from evendistill.storage.files import write_bytes

TABLES, EFFECTS = ("table.md", "table.csv", "table.tex", "frontier.svg"), ("effects.csv", PICTURE)
NOTHING_FROM_OUTSIDE = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def write_report(
    table: Table,
    folder: Path,
    *,
    runs: Path,
    command: str,
    effects: Section = Section(),  # noqa: B008 - frozen
    ranking: dict[str, Any] | None = None,
) -> Path:
    """Write the page, and the same tables and pictures for papers and spreadsheets.

    Args:
        table: of a finished sweep.
        folder: made if need be.
        runs: folder of all runs.
        command: what regenerates the numbers.
        effects: what distillation did to whom.
        ranking: how teachers rank, as ``diagnose`` left it; None if it has not been asked.

    Returns:
        The page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for link in filter(Path.is_symlink, list(folder.iterdir())):  # others may have sent it: it could lead to any file
        link.unlink()
    write_markdown(table, folder / "table.md", command=command, effects=effects)
    write_bytes(folder / "table.csv", as_csv(table).encode())
    write_bytes(folder / "table.tex", as_latex(table, effects).encode())
    write_frontier(table, folder / "frontier.svg")
    drawn = b""
    if effects.comparisons:
        drawn = write_effects(effects, folder / PICTURE)
        write_bytes(folder / "effects.csv", effects_csv(effects).encode())
    else:  # an earlier report may have had some
        for name in EFFECTS:
            (folder / name).unlink(missing_ok=True)
    more = effects_section(effects, drawn.decode()) + teachers_section(ranking, table)
    page = folder / "index.html"
    write_bytes(page, _page(table, runs, command, more, TABLES + (EFFECTS if effects.comparisons else ())).encode())
    return page


def _page(table: Table, runs: Path, command: str, more: str, beside: Sequence[str]) -> str:
    title, rows = escape(table.name), drawn(table)
    slides, places = frontiers(rows, runs, robust_k=table.robust_k)
    first = next((position for position, row in enumerate(rows) if row.selected), 0)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{NOTHING_FROM_OUTSIDE}">
<title>{title}: which student to ship</title><style>{_asset("page.css")}</style></head><body data-first="{first}">
<header><h1>{title}</h1><p class="soft">Which student to ship, so that no class is left behind?</p></header><main>
{answer(table)}
{_html_frontier(table)}
<section><h2>Every combination</h2><p>{escape(caption(table))}</p>
{_html_table(table)}
<h3>One line each, to be sorted</h3>
{_html_sortable(rows, table)}</section>
{printed_section(table)}{methods_section(table)}<section><h2>Recall of each {table.kind}</h2>
<figure role="img" aria-label="recall of each {table.kind}; the table below has the numbers">
<div id="recalls" class="chart"></div></figure>
{recalls_table(table)}</section>
{more}{provenance(table, runs, command)}
</main><footer>Made by evendistill. The same tables lie beside this page: {", ".join(beside)}.
</footer>
{data_block("names", list(table.class_names))}{data_block("rows", details(rows, table, runs, places))}
{data_block("frontiers", [each | {"recalls": [*map(packed, each["recalls"])]} for each in slides])}
{data_block("charts", {"frontier": frontier_chart(table), "recalls": recalls_chart(table)})}
<script>{_plotly()}</script><script>{_asset("page.js")}</script></body></html>
"""


def _plotly() -> str:
    """What draws: plotly's own code, so that the page needs no network."""
    return resources.files("plotly").joinpath("package_data/plotly.min.js").read_text(encoding="utf-8")


def _asset(name: str) -> str:
    return resources.files("evendistill.experiments.report").joinpath(f"assets/{name}").read_text(encoding="utf-8")


def _html_frontier(table: Table) -> str:
    return f"""<section><h2>Average against {escape(table.robust_name)}</h2>
<p class="soft">A click on a point, or on a name in the list below, shows that combination. Drawing a box with the mouse
enlarges what is in it, a double click goes back. The Escape key leads from a combination back to where it was opened.
</p><div class="beside">
<div class="drawing">
<figure role="img" id="picture" tabindex="-1" aria-label="average accuracy against {escape(table.robust_name)} of every
combination; the list below has the numbers"><div id="frontier" class="chart"></div></figure>{key(table)}</div>
<div class="panel" id="panel" role="region" tabindex="-1" aria-labelledby="panel-title">
<h3 id="panel-title" aria-live="polite">No combination</h3><button type="button" id="back" hidden></button>
<div id="panel-facts"></div>
<div id="slider-part" hidden><label for="slider">alpha, 0 for the balanced average, 1 for the worst {table.kind}:
<output id="slider-alpha"></output></label><input type="range" id="slider" min="0" step="1">
<p class="soft" id="slider-facts" aria-live="polite"></p></div>
<h3>Recall of each {table.kind} on test, %</h3><div id="panel-recalls"></div></div>
<div class="panel" id="panel-below" role="group" aria-labelledby="panel-title">
<div id="multipliers-part" hidden><h3>Multipliers over training</h3><div id="multipliers" role="img"></div>
<div class="key" id="multipliers-key"></div></div>
<div><h3>Take it away</h3><pre tabindex="0"><code id="panel-command"></code></pre>
<details><summary>What the run was told</summary><pre id="panel-spec" tabindex="0"></pre></details></div>
</div></div></section>"""


def _html_sortable(rows: tuple[Row, ...], table: Table) -> str:
    names = ["combination", f"{table.robust_name} %", "average accuracy %", f"{table.robust_name} on validation %"]
    names.append("hyper-parameters")
    head = "".join(f'<th scope="col"><button type="button">{escape(name)}</button></th>' for name in names)
    body = ""
    for position, row in enumerate(rows):
        title = escape(row.title + (" ★" if row.selected else ""))
        body += f'<tr data-row="{position}"><th scope="row" data-value="{title}">'
        body += f'<button type="button" data-row="{position}">{title}</button></th>'
        for found in (row.test.robust, row.test.average, row.validation.robust):
            body += f'<td data-value="{found.mean:.6f}">{escape(found.percent())}</td>'
        told = escape(choice(row.cell))
        body += f'<td data-value="{told}">{told}</td></tr>'
    whole = f'<table class="sortable"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return scrolled(whole, "table of every combination")


def _html_table(table: Table) -> str:
    columns, rows_of = grid_of(table)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = ""
    for title, rows in rows_of:
        marks = [' class="selected"' if row and row.selected else "" for row in rows]
        entries = "".join(f"<td{mark}>{escape(entry(row))}</td>" for mark, row in zip(marks, rows, strict=True))
        body += f'<tr><th scope="row">{escape(title)}</th>{entries}</tr>'
    whole = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return scrolled(whole, "table of students and teachers")
