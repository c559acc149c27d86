"""Sections of the page that not every recipe has: what was printed, other methods, effects; and recalls."""

import math
from html import escape
from pathlib import Path

from evendistill.experiments.report.answer import by_class, standard_beside
from evendistill.experiments.report.claims import claims
from evendistill.experiments.report.difference import BRACKETS
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
from evendistill.experiments.report.methods import choice, methods, printed_beside, printed_words
from evendistill.experiments.report.picture import recall_rows
from evendistill.experiments.report.table import Table


def printed_section(table: Table) -> str:
    """What was printed of these combinations; nothing if nothing was."""
    body = [(title, [measured, published], False) for title, measured, published in printed_beside(table)]
    if not body:
        return ""
    head = ["combination", "measured", "printed"]
    return f"<section><h2>Measured beside printed</h2>\n{lines(head, body, words=head)}</section>\n"


def methods_section(table: Table) -> str:
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
        "<section><h2>Beside what others would use</h2>\n"
        f"{lines(head, body, words=('chosen there', 'printed'))}</section>\n"
        "<section><h2>What the paper claims, and what these numbers say</h2>\n"
        f"{lines(['claim', 'here', 'numbers'], said, words=('here', 'numbers'))}</section>\n"
    )


def effects_section(section: Section, picture: Path) -> str:
    """What distillation did to whom; nothing if there is nothing to compare."""
    if not section:
        return ""
    parts = [f"<section><h2>{TITLE}</h2>", *(f"<p>{escape(said)}</p>" for said in explained(section))]
    if section.comparisons:
        drawn = picture.read_text("utf-8")
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
    columns, plain = recall_rows(table), standard_beside(table)
    head = [table.kind, *(label for label, _ in columns)]
    apart = {} if plain is None or table.selected is None else dict(by_class(table.selected, plain))
    head += ["points over standard distillation"] if apart else []
    body = []
    for label, name in enumerate(table.class_names):
        entries = [_percent(row.test.recalls[label]) for _, row in columns]
        entries += [apart[label].words() if label in apart else "-"] if apart else []
        body.append((name, entries, False))
    left_out = len(table.rows) - len(columns) if table.selected is None else 0
    said = f"{left_out} further combinations are left out here; a click shows each." if left_out else ""
    said += brackets(table) if apart else ""
    soft = f'<p class="soft">{escape(said)}</p>' if said else ""
    return lines(head, body, about=f"recalls of each {table.kind}") + soft


def brackets(table: Table) -> str:
    """What stands behind the differences of recalls; nothing for a single seed."""
    if len(table.seeds) == 1:
        return ""
    return (
        f"Brackets hold the {BRACKETS}; where all seeds agree exactly, it is as wide as if each had drawn its test "
        "examples anew."
    )


def _percent(recall: float) -> str:
    return "absent" if math.isnan(recall) else f"{100 * recall:.1f}"
