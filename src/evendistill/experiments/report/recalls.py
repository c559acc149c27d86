"""Recalls of each class, side by side: the selected student, its teacher, standard distillation."""

import math

from evendistill.experiments.report.answer import by_class, standard_beside
from evendistill.experiments.report.difference import BRACKETS
from evendistill.experiments.report.lines import as_words, markdown_table
from evendistill.experiments.report.picture import recall_rows
from evendistill.experiments.report.table import Table


def recall_lines(table: Table) -> tuple[list[str], list[list[str]]]:
    """A head and a line for each class, with how far the selected student lies above standard distillation."""
    columns, plain = recall_rows(table), standard_beside(table)
    apart = {} if plain is None or table.selected is None else dict(by_class(table.selected, plain))
    head = [table.kind, *(label for label, _ in columns)]
    head += ["points over standard distillation"] if apart else []
    body = []
    for label, name in enumerate(table.class_names):
        entries = [_percent(row.test.recalls[label]) for _, row in columns]
        entries += [apart[label].words() if label in apart else "-"] if apart else []
        body.append([name, *entries])
    return head, body


def brackets(table: Table) -> str:
    """What stands behind the differences of recalls; nothing where there are none, or a single seed."""
    if len(table.seeds) == 1 or standard_beside(table) is None:
        return ""
    return (
        f"Brackets hold the {BRACKETS}; where all seeds agree exactly, it is as wide as if each had drawn its test "
        "examples anew."
    )


def recalls_markdown(table: Table) -> str:
    """The same in Markdown."""
    head, body = recall_lines(table)
    said = " ".join(filter(None, ["On test in percent, mean over seeds.", brackets(table)]))
    lines = [[as_words(text) for text in line] for line in body]
    return f"## Recall of each {table.kind}\n\n{markdown_table([as_words(text) for text in head], lines)}\n{said}\n"


def _percent(recall: float) -> str:
    return "absent" if math.isnan(recall) else f"{100 * recall:.1f}"
