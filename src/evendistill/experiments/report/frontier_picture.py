"""The picture of a table as a file: average against worst-class accuracy of every cell, the Pareto frontier drawn."""

from pathlib import Path
from typing import Any

from evendistill.experiments.report.figures import STYLE, save
from evendistill.experiments.report.layout import teacher_title
from evendistill.experiments.report.picture import (
    OPEN_SHAPES,
    baselines,
    by_teacher,
    colours,
    error_of,
    front,
    marks_of,
    points,
    repeats,
    shapes,
)
from evendistill.experiments.report.placing import View, line_boxes, mark_boxes, place
from evendistill.experiments.report.table import Row, Table

WIDTH, LEAST = 7.2, 3.0  # inches, of the figure and of the axes in it
LEGEND_LINE, LEGEND_LETTER, LEGEND_MARK = 0.22, 0.068, 0.6  # inches
LEFT, BOTTOM, TOP = 0.6, 0.5, 0.35  # inches around the axes; above there must be room for the words over a point
MOST_LETTERS = 300
SHARED = "some share a mark: the report names each point"
HALF_MARK, GAP = 8.0, 3.0  # pixels


def write_frontier(table: Table, path: Path) -> None:
    """Draw the frontier as a file for papers and pages: svg, pdf or png by its ending."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        lines = 2 + len(baselines(table)) + len(by_teacher(table)) + len(shapes(table))
        figure = Figure(figsize=(WIDTH, max(4.6, LEGEND_LINE * lines)))
        axes = figure.subplots()
        ring = {"color": "black", "linewidth": 1, "fillstyle": "none", "markersize": 13}
        axes.plot(*zip(*front(table), strict=True), "o-", label="Pareto frontier", **ring)
        _draw_rows(axes, table)
        for number, (title, rows) in enumerate(baselines(table).items()):
            x, y = zip(*points(tuple(rows)), strict=True)
            mark = OPEN_SHAPES[number % len(OPEN_SHAPES)][1]
            axes.plot(x, y, color="#222", marker=mark, fillstyle="none", markersize=6, linestyle="none", label=title)
        for teacher, colour in colours(table).items():
            axes.plot([], [], "o", color=colour, label=teacher_title(teacher))
        for title, (_, marker) in shapes(table).items():
            name = "teacher alone" if title == "none" else f"{title} student"
            axes.plot([], [], marker=marker, linestyle="none", color="#777", label=name)
        axes.set(xlabel="average accuracy on test (%)", ylabel=f"{table.robust_name} on test (%)")
        axes.spines[["top", "right"]].set_visible(False)
        words = SHARED if any(repeats(table)) else ""
        _make_room(figure, axes, words)
        _point_out(figure, axes, table)
        figure.legend(loc="upper right", frameon=False, title=words or None)
        save(figure, path)


def _point_out(figure: Any, axes: Any, table: Table) -> None:  # noqa: ANN401 - matplotlib's own
    """Words at two points, off all others; within the axes, but for the room above them."""
    pixels = axes.transData.transform
    taken = line_boxes([tuple(at) for at in pixels(front(table)).tolist()])
    for at, (wide, high) in marks_of(table):
        middle, end = pixels([at, (at[0] + wide, at[1] + high)]).tolist()
        taken += mark_boxes((middle[0], middle[1]), (end[0] - middle[0], end[1] - middle[1]), half=HALF_MARK)
    box, inch = axes.bbox, figure.dpi
    inside = (box.x0 + GAP, box.y0 + GAP, box.x1, box.y1 + TOP * inch - GAP)
    for label, row in (("selected on validation", table.selected), ("standard distillation", _plain(table))):
        if row is None:
            continue
        at = pixels(points((row,))[0]).tolist()
        words = (LEGEND_LETTER * len(label) * inch, LEGEND_LINE * inch)
        across, up = place([View((at[0], at[1]), taken, inside, words)])
        arrow = {"arrowstyle": "-", "linewidth": 0.6, "relpos": (0.5, 0.5), "shrinkB": 0}
        offset = {"textcoords": "offset points", "ha": "center", "va": "center"}
        axes.annotate(label, points((row,))[0], (72 * across / inch, 72 * up / inch), arrowprops=arrow, **offset)
        taken += mark_boxes((at[0] + across, at[1] + up), (words[0] / 2, words[1] / 2), half=words[1] / 2)


def _make_room(figure: Any, axes: Any, title: str) -> None:  # noqa: ANN401 - matplotlib's own
    """Margins for a legend at the right; matplotlib's own layout would draw everything twice to find them."""
    longest = max(map(len, [*axes.get_legend_handles_labels()[1], title]))
    right = LEGEND_MARK + LEGEND_LETTER * min(longest, MOST_LETTERS)
    height, width = figure.get_figheight(), max(WIDTH, LEFT + LEAST + right)
    figure.set_figwidth(width)
    figure.subplots_adjust(LEFT / width, BOTTOM / height, 1 - right / width, 1 - TOP / height)


def _draw_rows(axes: Any, table: Table) -> None:  # noqa: ANN401 - matplotlib's axes
    colour_of, teachers = colours(table), by_teacher(table)
    for teacher, rows in teachers.items():
        x, y = zip(*points(tuple(rows)), strict=True)
        errors = [[error_of(row.test.robust.se) for row in rows], [error_of(row.test.average.se) for row in rows]]
        axes.errorbar(x, y, *errors, fmt="none", ecolor=colour_of[teacher], elinewidth=0.6)
    for title, (_, marker) in shapes(table).items():  # a line for each point would take three times as long
        rows = [row for row in table.rows if row.student_title == title]
        x, y = zip(*points(tuple(rows)), strict=True)
        axes.scatter(x, y, s=49, marker=marker, c=[colour_of[row.teacher] for row in rows], linewidths=1, zorder=2)


def _plain(table: Table) -> Row | None:
    plain = table.find("standard", "standard")
    return None if plain is table.selected else plain
