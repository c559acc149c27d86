"""The same tables for spreadsheets: CSV."""

import csv
import io
import math

from evendistill.data.wording import shown
from evendistill.experiments.report.effects import Section, as_json
from evendistill.experiments.report.methods import choice, printed, printed_words
from evendistill.experiments.report.table import Row, Table

FORMULA = ("=", "+", "-", "@")
_WHAT = ("worst", "average")
_PRINTED = ("worst", "worst_se", "average", "average_se", "source")
_WHOSE = ("role", "student", "alone", "same_objective", "repeats")
_RECALLS = ("teacher", "student", "alone")
_EFFECTS = (
    *("gain", "lower", "upper", "lower_over_examples", "upper_over_examples", "beyond_noise", "amplified"),
    *("teacher_errors", "inherited", "inherited_alone"),
)


def as_csv(table: Table) -> str:
    """A line for each combination: accuracies as fractions with standard errors, then the recall of each class.

    Where numbers were printed for the data, those stand beside; of a combination that was printed more than once the
    first, and all of them in words.
    """
    head = ["combination", "teacher", "student", "validation_labels", "hyper_parameters", "selected"]
    head += [f"{split}_{what}{end}" for split in ("test", "validation") for what in _WHAT for end in ("", "_se")]
    head += [f"test_recall_{name}" for name in table.class_names]
    head += [*(f"printed_{what}" for what in _PRINTED), "printed"] if table.published else []
    head += ["runs"]
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([_cell(name) for name in head])
    for row in (*table.rows, *table.baselines):
        writer.writerow([_cell(value) for value in _csv_line(row, table)])
    return written.getvalue()


def effects_csv(section: Section) -> str:
    """A line for each class of each comparison: recalls, gains with their intervals, and errors, as fractions."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([*_WHOSE, "class", "training_examples", *(f"recall_{name}" for name in _RECALLS), *_EFFECTS])
    for told in as_json(section):
        columns = [told["class_names"], told["training_examples"] or [None] * len(told["class_names"])]
        columns += [told["recalls"][name] for name in _RECALLS] + [told[name] for name in _EFFECTS]
        for line in zip(*columns, strict=True):
            cells = [told[name] for name in _WHOSE] + list(line)
            writer.writerow(["" if value is None else _cell(value) for value in cells])
    return written.getvalue()


def _csv_line(row: Row, table: Table) -> list[object]:
    found: list[object] = [row.title, row.teacher, row.student, row.cell.validation_labels or "", choice(row.cell)]
    found.append(row.selected)
    for split in (row.test, row.validation):
        for estimate in (split.robust, split.average):
            found += [estimate.mean, "" if estimate.se is None else estimate.se]
    found += ["" if math.isnan(recall) else recall for recall in row.test.recalls]
    found += _printed(row, table) if table.published else []
    return [*found, " ".join(row.folders)]


def _printed(row: Row, table: Table) -> list[object]:
    """The numbers that were printed first, and all of them in words."""
    known = printed(row, table)
    if not known:
        return [""] * (len(_PRINTED) + 1)
    values = (getattr(known[0], what) for what in _PRINTED)
    return [*("" if value is None else value for value in values), printed_words(row, table)]


def _cell(value: object) -> object:
    """A value that no spreadsheet takes for a formula, and no reader for two lines."""
    if not isinstance(value, str):
        return value
    text = shown(value)
    return f"'{text}" if text.startswith(FORMULA) else text
