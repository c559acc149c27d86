"""The key below the picture of the page: what colours and shapes stand for, as text that wraps."""

from html import escape
from typing import Any

from evendistill.experiments.report.layout import teacher_title
from evendistill.experiments.report.picture import GREY, OPEN_SHAPES, baselines, colours, repeats, shapes
from evendistill.experiments.report.table import Table

ALIKE = {"x": "X", "x-open": "X", "circle-open": "o"}  # marks that the page draws otherwise than matplotlib names them

Entry = tuple[Any, str, bool, str]
"""Mark as matplotlib names it, colour, whether it is hollow, and what it stands for."""


def key(table: Table) -> str:
    """Colours for teachers, filled shapes for students, hollow grey shapes for other methods."""
    teachers = [("o", colour, False, teacher_title(name)) for name, colour in colours(table).items()]
    students = [
        (ALIKE.get(symbol, mark), GREY, False, "teacher alone" if title == "none" else f"{title} student")
        for title, (symbol, mark) in shapes(table).items()
    ]
    methods = [
        (ALIKE.get(symbol, mark), GREY, True, title)
        for number, title in enumerate(baselines(table))
        for symbol, mark in [OPEN_SHAPES[number % len(OPEN_SHAPES)]]
    ]
    rings = [("o", GREY, True, "no teacher or student here is better in one accuracy and no worse in the other")]
    told = {"Colour: the teacher": teachers, "Shape: the student": students, "Hollow: other methods": methods}
    parts = [
        _part(
            title + (f" (some of the {len(entries)} share one: a click on a point names it)" if are_shared else ""),
            entries,
        )
        for (title, entries), are_shared in zip(told.items(), repeats(table), strict=True)
        if entries
    ]
    return f'<div class="key">{"".join(parts)}{_part("Large ring: Pareto frontier", rings)}</div>'


def _part(title: str, entries: list[Entry]) -> str:
    items = "".join(
        f"<li>{_drawn(mark, colour, is_hollow)}<span>{escape(text)}</span></li>"
        for mark, colour, is_hollow, text in entries
    )
    return f'<p class="soft">{title}</p><ul>{items}</ul>'


def _drawn(mark: Any, colour: str, is_hollow: bool) -> str:  # noqa: ANN401 - as matplotlib names marks
    from matplotlib.markers import MarkerStyle

    style: Any = MarkerStyle(mark)
    outlines = style.get_path().transformed(style.get_transform()).to_polygons()
    corners = " ".join(f"{10 * x:.1f},{-10 * y:.1f}" for x, y in outlines[0])
    paint = f'fill="none" stroke="{colour}"' if is_hollow else f'fill="{colour}"'
    return f'<svg viewBox="-8 -8 16 16" aria-hidden="true"><polygon points="{corners}" {paint}/></svg>'
