"""Combinations of teacher and student in words."""

from evendistill.experiments.cells import Cell


def title_of(cell: Cell) -> str:
    """A combination in words."""
    labels = f", {cell.validation_labels}-labelled" if cell.validation_labels else ""
    if cell.baseline is not None:
        return f"{cell.baseline.title}{labels}"
    if cell.student is None:
        return f"{cell.teacher.name if cell.teacher else 'none'} teacher alone"
    if cell.teacher is None:
        return f"{cell.student.name} student without a teacher"
    return f"{cell.student.name}{labels} student of {_article(cell.teacher.name)} teacher"


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
