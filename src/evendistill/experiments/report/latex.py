"""The same tables for papers: LaTeX with booktabs."""

from collections.abc import Sequence

from evendistill.experiments.report.effects import Section
from evendistill.experiments.report.effects_words import TITLE, class_lines, explained, heading, worst_k_lines
from evendistill.experiments.report.layout import caption, entry, grid_of
from evendistill.experiments.report.methods import PRINTED_HEAD, TABLE_2, methods_lines, printed_beside
from evendistill.experiments.report.recalls import brackets, recall_lines
from evendistill.experiments.report.table import Table

MOST_CLASSES = 30  # that fit on a page
LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "★": r"$\star$",
    "▲": r"$\uparrow$",
    "▼": r"$\downarrow$",
}
LATEX |= {letter: f"\\{letter}" for letter in "&%$#_{}"}


def as_latex(table: Table, effects: Section = Section()) -> str:  # noqa: B008 - frozen
    """The tables of the page, those that there are; they need the package booktabs."""
    head, lines = grid_of(table)
    parts = [_table(caption(table), head, [[title, *map(entry, rows)] for title, rows in lines])]
    accuracies = f"test {table.robust_name} in percent, average accuracy in brackets"
    if beside := printed_beside(table):
        parts.append(_table(f"Measured beside printed: {accuracies}.", PRINTED_HEAD, beside, words=PRINTED_HEAD))
    if table.baselines:
        head, methods = methods_lines(table)
        body = [[row.title + (" ★" if row.selected else ""), *entries] for row, entries in methods]
        parts.append(_table(f"In percent, on test. {TABLE_2}", head, body, words=("chosen there", "printed")))
    said = f"Recall of each {table.kind} on test, in percent, mean over seeds. {brackets(table)}".rstrip()
    parts.append(_by_class(said, *recall_lines(table)))
    for each in effects.comparisons:
        parts.append(_by_class(f"{TITLE}. {heading(each)}. {explained(effects)[-1]}", *class_lines(each)))
        parts.append(_table(f"{TITLE}. {heading(each)}: mean of the k least recalls.", *worst_k_lines(each)))
    return "\n".join(parts)


def _by_class(said: str, head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table with a line for each class, unless they are too many for a page."""
    if len(body) > MOST_CLASSES:
        return f"% {len(body)} lines are too many for a page, and left out here: {latex(' '.join(said.split()))}\n"
    return _table(said, head, body)


def _table(said: str, head: Sequence[str], body: Sequence[Sequence[str]], *, words: Sequence[str] = ()) -> str:
    columns = "".join("l" if title in words else "r" for title in head[1:])
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex(said)}}}",
            rf"\begin{{tabular}}{{l{columns}}}",
            r"\toprule",
            " & ".join(map(latex, head)) + r" \\",
            r"\midrule",
            *(" & ".join(map(latex, line)) + r" \\" for line in body),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def latex(text: str) -> str:
    """Text that LaTeX sets as it is."""
    return "".join(LATEX.get(letter, letter) for letter in text)
