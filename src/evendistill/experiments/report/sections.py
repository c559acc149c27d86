"""Sections of the page that not every recipe has: what was printed, other methods, effects; and recalls."""

from html import escape

from evendistill.experiments.report.claims import claims
from evendistill.experiments.report.effects import Section
from evendistill.experiments.report.effects_words import (
    TITLE,
    class_lines,
    explained,
    heading,
    sentences,
    worst_k_lines,
)
from evendistill.experiments.report.html import lines, scrolled
from evendistill.experiments.report.methods import PRINTED_HEAD, methods_lines, printed_beside
from evendistill.experiments.report.picture import recall_rows
from evendistill.experiments.report.recalls import brackets, recall_lines
from evendistill.experiments.report.table import Table


def printed_section(table: Table) -> str:
    """What was printed of these combinations; nothing if nothing was."""
    body = [(title, [measured, published], False) for title, measured, published in printed_beside(table)]
    if not body:
        return ""
    told = lines(PRINTED_HEAD, body, words=PRINTED_HEAD)
    return f"<section><h2>Measured beside printed</h2>\n{told}</section>\n"


def methods_section(table: Table) -> str:
    """Table 2 and the paper's claims; nothing if the recipe names no baselines."""
    if not table.baselines:
        return ""
    head, rows = methods_lines(table)
    body = [(row.title, entries, row.selected) for row, entries in rows]
    beside = (
        "<section><h2>Beside what others would use</h2>\n"
        f"{lines(head, body, words=('chosen there', 'printed'))}</section>\n"
    )
    if table.is_smoke:  # noise keeps and breaks claims at random
        return beside
    said = [(claim.text, [claim.verdict, claim.evidence], False) for claim in claims(table)]
    return (
        f"{beside}<section><h2>What the paper claims, and what these numbers say</h2>\n"
        f"{lines(['claim', 'here', 'numbers'], said, words=('here', 'numbers'))}</section>\n"
    )


def effects_section(section: Section, drawn: str) -> str:
    """What distillation did to whom, with its picture as SVG; nothing if there is nothing to compare."""
    if not section:
        return ""
    parts = [f"<section><h2>{TITLE}</h2>", *(f"<p>{escape(said)}</p>" for said in explained(section))]
    if section.comparisons:
        parts.append(f"<figure>{scrolled(drawn[drawn.index('<svg') :], 'gain of each class, and worst k')}</figure>")
    for each in section.comparisons:
        parts += [f"<h3>{escape(heading(each))}</h3>", f"<p>{escape(' '.join(sentences(each)))}</p>"]
        parts += [_effects_lines(*class_lines(each)), "<p>Mean of the k least recalls:</p>"]
        parts.append(_effects_lines(*worst_k_lines(each)))
    return "\n".join(parts) + "</section>\n"


def _effects_lines(head: list[str], body: list[list[str]]) -> str:
    return lines(head, [(name, entries, False) for name, *entries in body], about=f"effects by {head[0]}")


def recalls_table(table: Table) -> str:
    """Recalls of the selected student, its teacher and standard distillation, and what lies between first and last."""
    head, body = recall_lines(table)
    left_out = len(table.rows) - len(recall_rows(table)) if table.selected is None else 0
    said = f"{left_out} further combinations are left out here; a click shows each." if left_out else brackets(table)
    soft = f'<p class="soft">{escape(said)}</p>' if said else ""
    about = f"recalls of each {table.kind}"
    return lines(head, [(name, entries, False) for name, *entries in body], about=about) + soft
