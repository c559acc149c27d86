"""The pictures of a table for the page: average against worst-class accuracy of every cell, and recalls."""

from collections.abc import Sequence
from html import escape
from itertools import cycle
from typing import Any

from evendistill.experiments.frontier import pareto_front
from evendistill.experiments.report.methods import choice
from evendistill.experiments.report.placing import View, line_boxes, mark_boxes, place
from evendistill.experiments.report.table import Row, Table
from evendistill.storage.files import known

# each at least 3:1 on the page in light and in dark, and apart from each other for the colour-blind too
COLOURS = ("#3d66dc", "#b38300", "#c43d55", "#1f9a86", "#9a529c", "#887aff", "#4490cf", "#7a7000")
SHAPES: tuple[tuple[str, Any], ...] = (
    ("x", "x"),
    ("circle", "o"),
    ("square", "s"),
    ("diamond", "D"),
    ("triangle-up", "^"),
    ("star", "*"),
    ("triangle-down", "v"),
    ("pentagon", "p"),
    ("hexagon", "h"),
    ("diamond-tall", "d"),
    ("cross", "P"),
    ("triangle-left", "<"),
    ("triangle-right", ">"),
    ("hexagram", (6, 1, 0)),
)
OPEN_SHAPES: tuple[tuple[str, Any], ...] = (  # none is nearly round, as the ring of the frontier is
    ("square-open", "s"),
    ("triangle-down-open", "v"),
    ("cross-open", "P"),
    ("hourglass-open", ((-1, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))),
    ("diamond-tall-open", "d"),
    ("x-open", "X"),
    ("triangle-up-open", "^"),
    ("star-open", "*"),
    ("triangle-left-open", "<"),
    ("bowtie-open", ((-1, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))),
    ("triangle-right-open", ">"),
)
GREY = "#7a808c"  # seen on white and on black
MOST_TICKS, LONGEST_TICK = 25, 20
WINDOWS = ((640.0, 350.0), (280.0, 350.0))  # pixels of the axes on a desk and on a phone
WORDS, WORDS_SIZE, OVER = "selected on validation", (136.0, 18.0), 14.0  # pixels; so much stands over the axes
ROOM = 0.06  # around the points, as a share of their spread
HOVER = "%{text}<br>average %{x:.1f} %, worst %{y:.1f} %<extra></extra>"
AXIS = {"automargin": True, "showgrid": False, "zeroline": False, "showline": True, "ticks": "outside"}
LAYOUT: dict[str, Any] = {"font": {"family": "system-ui, sans-serif"}, "hovermode": "closest", "showlegend": False}
Chart = dict[str, Any]  # as plotly.js reads it; plotly's Python side would take as long as reading the runs


def points(rows: tuple[Row, ...]) -> list[tuple[float, float]]:
    """Test average and robust accuracy of each row, in percent."""
    return [(100 * row.test.average.mean, 100 * row.test.robust.mean) for row in rows]


def front(table: Table) -> list[tuple[float, float]]:
    """The Pareto-efficient points of teachers and students, by rising average."""
    at = points(table.rows)
    return sorted({at[position] for position in pareto_front(at)})


def drawn(table: Table) -> tuple[Row, ...]:
    """Every row that is a point of the picture, and the chosen settings of methods."""
    points_of = [*table.rows, *(row for rows in baselines(table).values() for row in rows)]
    folders = {tuple(row.folders) for row in points_of}
    return (*points_of, *(row for row in table.baselines if tuple(row.folders) not in folders))


def frontier_chart(table: Table) -> Chart:
    """The picture for the page, every point with its name, its errors and its place among what is shown."""
    place = {id(row): position for position, row in enumerate(drawn(table))}
    marks, traces = shapes(table), [_front_trace(table)]
    for rows, colour in zip(by_teacher(table).values(), colours(table).values(), strict=True):
        x, y = zip(*points(tuple(rows)), strict=True)
        trace = _dots(x, y, [escape(row.title) for row in rows], [place[id(row)] for row in rows])
        trace["error_x"] = {"array": [error_of(row.test.average.se) for row in rows], "thickness": 1}
        trace["error_y"] = {"array": [error_of(row.test.robust.se) for row in rows], "thickness": 1}
        trace["marker"] = {"color": colour, "size": 11, "symbol": [marks[row.student_title][0] for row in rows]}
        traces.append(trace)
    for number, (title, rows) in enumerate(baselines(table).items()):
        x, y = zip(*points(tuple(rows)), strict=True)
        said = [f"{title}<br>{choice(row.cell)}" for row in rows]
        trace = _dots(x, y, said, [place[id(row)] for row in rows])
        trace["marker"] = {
            "color": GREY,
            "size": 10,
            "line": {"width": 1.5},
            "symbol": OPEN_SHAPES[number % len(OPEN_SHAPES)][0],
        }
        traces.append(trace)
    ranges = [_range(table, axis) for axis in (0, 1)]
    layout = LAYOUT | {
        "xaxis": _axis("average accuracy on test (%)") | {"range": ranges[0]},
        "yaxis": _axis(f"{table.robust_name} on test (%)") | {"range": ranges[1]},
        "margin": {"t": 20, "r": 10, "b": 60, "l": 60},
        "height": 440,
        "annotations": [_pointer(table, at, ranges) for at in points((table.selected,) if table.selected else ())],
    }
    return {"data": traces, "layout": layout}


def _dots(x: Sequence[float], y: Sequence[float], text: list[str], places: list[int]) -> Chart:
    told = {"type": "scatter", "mode": "markers", "hovertemplate": HOVER}
    return told | {"x": x, "y": y, "text": text, "customdata": places}


def _axis(title: str) -> Chart:
    return AXIS | {"title": {"text": title, "standoff": 15}}


def marks_of(table: Table) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Every point that is drawn, and its errors: of methods none are drawn."""
    errors = [(error_of(row.test.average.se), error_of(row.test.robust.se)) for row in table.rows]
    others = points(tuple(row for rows in baselines(table).values() for row in rows))
    return [*zip(points(table.rows), errors, strict=True), *((at, (0.0, 0.0)) for at in others)]


def _range(table: Table, axis: int) -> list[float]:
    """What an axis shows; told to plotly, so that it is known here how far a pixel is."""
    told = [(at[axis] - error[axis], at[axis] + error[axis]) for at, error in marks_of(table)]
    low, high = min(low for low, _ in told), max(high for _, high in told)
    room = ROOM * (high - low) or 1.0
    return [low - room, high + room]


def _pointer(table: Table, at: tuple[float, float], ranges: list[list[float]]) -> Chart:
    across, up = place([_view(table, at, ranges, window) for window in WINDOWS])
    arrow = {"showarrow": True, "arrowhead": 0, "arrowcolor": GREY, "ax": across, "ay": -up, "xanchor": "center"}
    return arrow | {"x": at[0], "y": at[1], "text": WORDS, "yanchor": "middle"}


def _view(table: Table, at: tuple[float, float], ranges: list[list[float]], window: tuple[float, float]) -> View:
    """The picture in pixels, as a window shows it."""
    scale = [size / (high - low) for size, (low, high) in zip(window, ranges, strict=True)]

    def pixels(of: tuple[float, float]) -> tuple[float, float]:
        return (of[0] - ranges[0][0]) * scale[0], (of[1] - ranges[1][0]) * scale[1]

    taken = line_boxes([pixels(each) for each in front(table)])
    for mark, error in marks_of(table):
        taken += mark_boxes(pixels(mark), (error[0] * scale[0], error[1] * scale[1]), half=8)
    for ring in map(pixels, front(table)):
        taken += mark_boxes(ring, (0, 0), half=10)
    return View(pixels(at), taken, (0, 4, window[0], window[1] + OVER), WORDS_SIZE)


def _front_trace(table: Table) -> Chart:
    x, y = zip(*front(table), strict=True)
    ring = {"line": {"color": GREY}, "marker": {"symbol": "circle-open", "size": 18, "color": GREY}}
    return ring | {"type": "scatter", "x": x, "y": y, "mode": "lines+markers", "hoverinfo": "skip"}


def recalls_chart(table: Table) -> Chart:
    """Per-class recalls of the selected student, its teacher, and standard distillation."""
    names = [escape(name, quote=False) for name in table.class_names]  # plotly draws elements that it finds in text
    told = {"type": "bar", "x": list(range(len(names))), "text": names, "textposition": "none"}
    told["hovertemplate"] = "%{text}: %{y:.1f} %<extra>%{fullData.name}</extra>"
    bars = [
        told | {"name": label, "y": [_percent(recall) for recall in row.test.recalls], "marker": {"color": colour}}
        for colour, (label, row) in zip(COLOURS, recall_rows(table), strict=False)
    ]
    ticks = range(0, len(names), -(-len(names) // MOST_TICKS))
    words = {"tickvals": list(ticks), "ticktext": [_tick(table, label) for label in ticks]}
    layout = LAYOUT | {
        "barmode": "group",
        "xaxis": _axis(table.kind) | words,
        "yaxis": _axis("recall on test (%)"),
        "showlegend": True,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "margin": {"t": 20, "r": 10, "l": 60},
        "height": 400,
    }
    return {"data": bars, "layout": layout}


def _percent(recall: float) -> float | None:
    return known(round(100 * recall, 1))  # of a class without examples there is none


def _tick(table: Table, label: int) -> str:
    name = table.class_names[label]
    return escape(name if len(name) <= LONGEST_TICK else f"{name[: LONGEST_TICK - 1]}…", quote=False)


def recall_rows(table: Table) -> list[tuple[str, Row]]:
    """Whose recalls stand beside each other: the selected student's, its teacher's, standard distillation's.

    Those of the first rows if nothing is selected.
    """
    chosen = table.selected
    if chosen is None:
        return [(row.title, row) for row in table.rows[: len(COLOURS)]]
    pairs = [("its teacher", table.find(chosen.teacher, "none")), ("selected student", chosen)]
    plain = table.find("standard", "standard")
    pairs += [("standard distillation", plain)] if plain is not chosen else []
    return [(label, row) for label, row in pairs if row is not None]


def colours(table: Table) -> dict[str, str]:
    """A colour for each teacher."""
    return dict(zip(by_teacher(table), cycle(COLOURS), strict=False))


def shapes(table: Table) -> dict[str, tuple[str, Any]]:
    """A mark for each kind of student, as plotly and as matplotlib name it."""
    titles = dict.fromkeys(row.student_title for row in table.rows)
    return dict(zip(titles, cycle(SHAPES), strict=False))


def repeats(table: Table) -> tuple[bool, bool, bool]:
    """Whether there are more teachers than colours, more students than shapes, more methods than hollow shapes."""
    of = ((by_teacher(table), COLOURS), (shapes(table), SHAPES), (baselines(table), OPEN_SHAPES))
    colour, shape, hollow = (len(named) > len(marks) for named, marks in of)
    return colour, shape, hollow


def baselines(table: Table) -> dict[str, list[Row]]:
    """Every Pareto-efficient setting of each method, by its short title; what the grid has too is not drawn twice."""
    drawn = {tuple(row.folders) for row in table.rows}
    methods: dict[str, list[Row]] = {}
    for row in table.alternatives:
        if tuple(row.folders) not in drawn:
            methods.setdefault(row.title.split(" (")[0], []).append(row)
    return methods


def by_teacher(table: Table) -> dict[str, list[Row]]:
    """The rows of teachers and students, by the teacher that they have or are."""
    teachers: dict[str, list[Row]] = {}
    for row in table.rows:
        teachers.setdefault(row.teacher, []).append(row)
    return teachers


def error_of(se: float | None) -> float:
    """A standard error in percent; 0 where there is none."""
    return 0.0 if se is None else 100 * se
