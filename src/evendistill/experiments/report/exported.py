"""The same tables for spreadsheets and papers: CSV, and LaTeX with booktabs."""

import csv
import io
import math

from evendistill.data.wording import shown
from evendistill.experiments.report.layout import caption, entry, grid_of
from evendistill.experiments.report.methods import choice
from evendistill.experiments.report.table import Row, Table

LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "★": r"$\star$",
}
LATEX |= {letter: f"\\{letter}" for letter in "&%$#_{}"}
FORMULA = ("=", "+", "-", "@")


def as_csv(table: Table) -> str:
    """A line for each combination: accuracies as fractions with standard errors, then the recall of each class."""
    head = ["combination", "teacher", "student", "validation_labels", "hyper_parameters", "selected"]
    head += [f"{split}_{what}{end}" for split in ("test", "validation") for what in _WHAT for end in ("", "_se")]
    head += [f"test_recall_{name}" for name in table.class_names] + ["runs"]
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([_cell(name) for name in head])
    for row in (*table.rows, *table.baselines):
        writer.writerow([_cell(value) for value in _csv_line(row)])
    return written.getvalue()


def as_latex(table: Table) -> str:
    """The paper's table; needs the package booktabs."""
    head, lines = grid_of(table)
    body = [" & ".join(latex(text) for text in (title, *map(entry, rows))) + r" \\" for title, rows in lines]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex(caption(table))}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
            r"\toprule",
            " & ".join(map(latex, head)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def latex(text: str) -> str:
    """Text that LaTeX sets as it is."""
    return "".join(LATEX.get(letter, letter) for letter in text)


_WHAT = ("worst", "average")


def _csv_line(row: Row) -> list[object]:
    found: list[object] = [row.title, row.teacher, row.student, row.cell.validation_labels or "", choice(row.cell)]
    found.append(row.selected)
    for split in (row.test, row.validation):
        for estimate in (split.robust, split.average):
            found += [estimate.mean, "" if estimate.se is None else estimate.se]
    recalls = ["" if math.isnan(recall) else recall for recall in row.test.recalls]
    return [*found, *recalls, " ".join(row.folders)]


def _cell(value: object) -> object:
    """A value that no spreadsheet takes for a formula, and no reader for two lines."""
    if not isinstance(value, str):
        return value
    text = shown(value)
    return f"'{text}" if text.startswith(FORMULA) else text
