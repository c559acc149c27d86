"""The page: one HTML file that needs nothing else."""

import math
from html import escape
from pathlib import Path

from evendistill.experiments.report.claims import claims
from evendistill.experiments.report.effects import Section
from evendistill.experiments.report.effects_picture import write_effects
from evendistill.experiments.report.effects_words import (
    PICTURE,
    TITLE,
    class_lines,
    explained,
    heading,
    sentences,
    worst_k_lines,
)
from evendistill.experiments.report.layout import caption, entry, grid_of
from evendistill.experiments.report.methods import choice, methods, printed_beside, printed_words
from evendistill.experiments.report.picture import frontier_figure, recall_rows, recalls_figure, write_frontier
from evendistill.experiments.report.table import Table, to_ship
from evendistill.experiments.report.verdict import verdict
from evendistill.experiments.report.written import write_markdown
from evendistill.storage.files import write_bytes

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1 { margin-bottom: 0; } .answer { font-size: 1.1rem; background: #f3f5f9; padding: 1rem; border-radius: .5rem; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .35rem .4rem; text-align: right; }
th:first-child, td:first-child { text-align: left; } tr { border-bottom: 1px solid #ddd; }
.selected { font-weight: bold; background: #fff3cd; } figure { margin: 1rem 0; overflow-x: auto; }
code { font-size: .9em; }
.scroll { overflow-x: auto; } svg { max-width: 100%; height: auto; }
"""


def write_report(table: Table, folder: Path, *, command: str, effects: Section = Section()) -> Path:  # noqa: B008
    """Write the page, the table in Markdown and the pictures.

    Args:
        table: of a finished sweep.
        folder: made if need be.
        command: what regenerates the numbers.
        effects: what distillation did to whom.

    Returns:
        The page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_markdown(table, folder / "table.md", command=command, effects=effects)
    write_frontier(table, folder / "frontier.svg")
    if effects.comparisons:
        write_effects(effects, folder / PICTURE)
    page = folder / "index.html"
    write_bytes(page, _page(table, command, _html_effects(effects, folder / PICTURE)).encode())
    return page


def _page(table: Table, command: str, effects: str) -> str:
    frontier = frontier_figure(table).to_html(full_html=False, include_plotlyjs=True, config={"displayModeBar": False})
    recalls = recalls_figure(table).to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False})
    title = escape(table.name)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: which student to ship</title><style>{STYLE}</style></head><body><main>
<h1>{title}</h1>
<p>Which student to ship, so that no class is left behind?</p>
<p class="answer">{escape(verdict(table))}</p>
<p>{escape(to_ship(table))}</p>
<h2>Average against {escape(table.robust_name)}</h2>
<figure>{frontier}</figure>
<h2>Every combination</h2>
<p>{escape(caption(table))}</p>
<div class="scroll">{_html_table(table)}</div>
{_html_printed(table)}{_html_methods(table)}<h2>Recall of each {table.kind}</h2>
<figure>{recalls}</figure>
<div class="scroll">{_html_recalls(table)}</div>
{effects}<h2>How to regenerate these numbers</h2>
<p><code>{escape(command)}</code></p>
</main></body></html>
"""


def _html_table(table: Table) -> str:
    columns, lines = grid_of(table)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = ""
    for title, rows in lines:
        marks = [" class='selected'" if row and row.selected else "" for row in rows]
        entries = "".join(f"<td{mark}>{escape(entry(row))}</td>" for mark, row in zip(marks, rows, strict=True))
        body += f'<tr><th scope="row">{escape(title)}</th>{entries}</tr>'
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _html_printed(table: Table) -> str:
    """What was printed of these combinations; nothing if nothing was."""
    body = [(title, [measured, published], False) for title, measured, published in printed_beside(table)]
    if not body:
        return ""
    head = ["combination", "measured", "printed"]
    return f'<h2>Measured beside printed</h2>\n<div class="scroll">{_lines(head, body)}</div>\n'


def _html_methods(table: Table) -> str:
    """Table 2 and the paper's claims; nothing if the recipe names no baselines."""
    if not table.baselines:
        return ""
    head = ["method", table.robust_name, "average accuracy", f"{table.robust_name} on validation", "chosen there"]
    head += ["printed"] if table.published else []
    body = []
    for row in methods(table):
        found = [row.test.robust.percent(), row.test.average.percent(), row.validation.robust.percent()]
        found += [choice(row.cell), *([printed_words(row, table)] if table.published else [])]
        body.append((row.title, found, row.selected))
    said = [(claim.text, [claim.verdict, claim.evidence], False) for claim in claims(table)]
    return (
        "<h2>Beside what others would use</h2>\n"
        f'<div class="scroll">{_lines(head, body)}</div>\n'
        "<h2>What the paper claims, and what these numbers say</h2>\n"
        f'<div class="scroll">{_lines(["claim", "here", "numbers"], said)}</div>\n'
    )


def _html_effects(section: Section, picture: Path) -> str:
    """What distillation did to whom; nothing if there is nothing to compare."""
    if not section:
        return ""
    parts = [f"<h2>{TITLE}</h2>", *(f"<p>{escape(said)}</p>" for said in explained(section))]
    if section.comparisons:
        drawn = picture.read_text("utf-8")
        parts.append(f"<figure>{drawn[drawn.index('<svg') :]}</figure>")
    for each in section.comparisons:
        parts += [f"<h3>{escape(heading(each))}</h3>", f"<p>{escape(' '.join(sentences(each)))}</p>"]
        for head, body in (class_lines(each), worst_k_lines(each)):
            rows = [(name, entries, False) for name, *entries in body]
            parts.append(f'<div class="scroll">{_lines(head, rows)}</div>')
    return "\n".join(parts) + "\n"


def _lines(head: list[str], body: list[tuple[str, list[str], bool]]) -> str:
    top = "".join(f'<th scope="col">{escape(word)}</th>' for word in head)
    rows = ""
    for title, entries, is_selected in body:
        mark = " class='selected'" if is_selected else ""
        cells = "".join(f"<td>{escape(text)}</td>" for text in entries)
        rows += f'<tr{mark}><th scope="row">{escape(title)}</th>{cells}</tr>'
    return f"<table><thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table>"


def _html_recalls(table: Table) -> str:
    columns = recall_rows(table)
    head = "".join(f'<th scope="col">{escape(label)}</th>' for label, _ in columns)
    body = ""
    for label, name in enumerate(table.class_names):
        entries = "".join(f"<td>{_percent(row.test.recalls[label])}</td>" for _, row in columns)
        body += f'<tr><th scope="row">{escape(name)}</th>{entries}</tr>'
    return f'<table><thead><tr><th scope="col">{table.kind}</th>{head}</tr></thead><tbody>{body}</tbody></table>'


def _percent(recall: float) -> str:
    return "absent" if math.isnan(recall) else f"{100 * recall:.1f}"
