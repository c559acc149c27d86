"""How the paper's table is laid out: teachers across, students down, an entry for each combination."""

from evendistill.experiments.report.lines import markdown_table
from evendistill.experiments.report.table import Row, Table
from evendistill.experiments.rules import in_words

MOST_ACROSS = 6


def grid_of(table: Table) -> tuple[list[str], list[tuple[str, list[Row | None]]]]:
    """The head of the table and its lines; None where there is no row.

    Teachers stand across, as in the paper; if they are more than fit there, they stand down.
    """
    teachers = list(dict.fromkeys(row.teacher for row in table.rows))
    named = {row.student_title for row in table.rows}
    taught_first = sorted(table.rows, key=lambda row: row.teacher == "none")
    titles = list(dict.fromkeys(_line(row, named) for row in taught_first))
    at = {(row.teacher, _line(row, named)): row for row in table.rows}
    if len(teachers) > max(MOST_ACROSS, len(titles)):
        lines = [(teacher_title(teacher), [at.get((teacher, title)) for title in titles]) for teacher in teachers]
        return ["teacher", *("alone" if title == "none" else f"{title} student" for title in titles)], lines
    lines = [(title, [at.get((teacher, title)) for teacher in teachers]) for title in titles]
    return ["student", *map(teacher_title, teachers)], lines


def _line(row: Row, named: set[str]) -> str:
    """The line of an entry: true labels move the multipliers of a student without a teacher, too."""
    true_labelled = f"{row.student}, true-labelled"
    return true_labelled if row.teacher == "none" and true_labelled in named else row.student_title


def teacher_title(name: str) -> str:
    """A teacher as tables and pictures name it."""
    return "no teacher" if name == "none" else f"{name} teacher"


def entry(row: Row | None) -> str:
    """One entry in percent: robust metric, average accuracy in brackets, a star if selected."""
    if row is None:
        return ""
    return f"{row.test.robust.percent()} ({row.test.average.percent()})" + (" ★" if row.selected else "")


def markdown(table: Table) -> str:
    """The table in Markdown."""
    head, lines = grid_of(table)
    body = [[title, *(entry(row) for row in rows)] for title, rows in lines]
    return markdown_table(head, body)


def caption(table: Table) -> str:
    """What the entries of the table are, and over what they were averaged."""
    first, *others = map(str, table.seeds)
    over = f"mean ± standard error over seeds {', '.join([first, *others])}" if others else f"of seed {first} alone"
    return (
        f"Test {table.robust_name} in percent, average accuracy in brackets; {over}; "
        + ("each student learns from the teacher of its own seed" if table.matched else "one teacher for all students")
        + f". ★ chosen on validation{'' if table.rule is None else f': {in_words(table.rule)}'}."
    )
