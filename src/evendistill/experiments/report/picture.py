"""The picture of a table: average against worst-class accuracy of every cell, the Pareto frontier drawn."""

from pathlib import Path
from typing import Any

from evendistill.experiments.frontier import pareto_front
from evendistill.experiments.report.methods import choice
from evendistill.experiments.report.table import Row, Table

COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5")
SHAPES = (
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
)
OPEN_SHAPES = (
    ("pentagon-open", "p"),
    ("hexagon-open", "h"),
    ("diamond-tall-open", "d"),
    ("cross-open", "P"),
    ("x-open", "X"),
    ("triangle-left-open", "<"),
    ("triangle-right-open", ">"),
    ("square-open", "s"),
    ("star-open", "*"),
    ("circle-open", "8"),
    ("triangle-up-open", "^"),
    ("triangle-down-open", "v"),
)
LEGEND_LINE = 0.22  # inches


def points(rows: tuple[Row, ...]) -> list[tuple[float, float]]:
    """Test average and robust accuracy of each row, in percent."""
    return [(100 * row.test.average.mean, 100 * row.test.robust.mean) for row in rows]


def front(table: Table) -> list[tuple[float, float]]:
    """The Pareto-efficient points of teachers and students, by rising average."""
    at = points(table.rows)
    return sorted({at[position] for position in pareto_front(at)})


def frontier_figure(table: Table) -> Any:  # noqa: ANN401 - a plotly figure
    """The picture for the page, every point with its name and errors."""
    import plotly.graph_objects as go

    figure = go.Figure()
    at = front(table)
    figure.add_scatter(
        x=[x for x, _ in at],
        y=[y for _, y in at],
        mode="lines+markers",
        name="Pareto frontier",
        line={"color": "#777"},
        marker={"symbol": "circle-open", "size": 18},
    )
    for colour, (teacher, rows) in zip(COLOURS * 9, _by_teacher(table).items(), strict=False):
        x, y = zip(*points(tuple(rows)), strict=True)
        figure.add_scatter(
            x=x,
            y=y,
            mode="markers",
            name=f"{teacher} teacher",
            legendgroup=teacher,
            text=[row.title for row in rows],
            error_x={"array": [_se(row.test.average.se) for row in rows], "thickness": 1},
            error_y={"array": [_se(row.test.robust.se) for row in rows], "thickness": 1},
            marker={"color": colour, "size": 11, "symbol": [shapes(table)[row.student_title][0] for row in rows]},
            hovertemplate="%{text}<br>average %{x:.1f} %, worst %{y:.1f} %<extra></extra>",
        )
    for number, (title, rows) in enumerate(baselines(table).items()):
        x, y = zip(*points(tuple(rows)), strict=True)
        mark = {"color": "#222", "size": 9, "symbol": OPEN_SHAPES[number % len(OPEN_SHAPES)][0]}
        said = [f"{title}<br>{choice(row.cell)}" for row in rows]
        shown = "%{text}<br>average %{x:.1f} %, worst %{y:.1f} %<extra></extra>"
        figure.add_scatter(x=x, y=y, mode="markers", name=title, text=said, marker=mark, hovertemplate=shown)
    for title, (symbol, _) in shapes(table).items():
        name = "teacher alone" if title == "none" else f"{title} student"
        mark = {"color": "#777", "size": 9, "symbol": symbol}
        figure.add_scatter(x=[None], y=[None], mode="markers", name=name, marker=mark)
    if chosen := table.selected:
        ((x, y),) = points((chosen,))
        figure.add_annotation(x=x, y=y, text="selected on validation", showarrow=True, arrowhead=0, ax=0, ay=-40)
    figure.update_layout(
        template="simple_white",
        xaxis_title="average accuracy on test (%)",
        yaxis_title=f"{table.robust_name} on test (%)",
        legend={"orientation": "h", "y": -0.2},
        margin={"t": 20, "r": 10},
        height=480,
    )
    return figure


def recalls_figure(table: Table) -> Any:  # noqa: ANN401 - a plotly figure
    """Per-class recalls of the selected student, its teacher, and standard distillation."""
    import plotly.graph_objects as go

    figure = go.Figure()
    names = list(table.class_names)
    for colour, (label, row) in zip(COLOURS, recall_rows(table), strict=False):
        figure.add_bar(x=names, y=[100 * recall for recall in row.test.recalls], name=label, marker_color=colour)
    figure.update_layout(
        template="simple_white",
        barmode="group",
        xaxis={"title": table.kind, "type": "category"},
        yaxis_title="recall on test (%)",
        legend={"orientation": "h", "y": -0.2},
        margin={"t": 20, "r": 10},
        height=380,
    )
    return figure


def recall_rows(table: Table) -> list[tuple[str, Row]]:
    """Whose recalls stand beside each other: the selected student's, its teacher's, standard distillation's."""
    chosen = table.selected
    if chosen is None:
        return [(row.title, row) for row in table.rows]
    pairs = [("its teacher", table.find(chosen.teacher, "none")), ("selected student", chosen)]
    plain = table.find("standard", "standard")
    pairs += [("standard distillation", plain)] if plain is not chosen else []
    return [(label, row) for label, row in pairs if row is not None]


def write_frontier(table: Table, path: Path) -> None:
    """Draw the frontier as a file for papers and pages: svg, pdf or png by its ending."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with matplotlib.rc_context({"svg.hashsalt": "evendistill", "svg.fonttype": "none", "font.size": 9}):
        lines = 2 + len(baselines(table)) + len(_by_teacher(table)) + len(shapes(table))
        figure, axes = pyplot.subplots(figsize=(7.2, max(4.6, LEGEND_LINE * lines)), layout="constrained")
        at = front(table)
        axes.plot(
            [x for x, _ in at],
            [y for _, y in at],
            "o-",
            color="black",
            linewidth=1,
            fillstyle="none",
            markersize=13,
            label="Pareto frontier",
        )
        colours = dict(zip(_by_teacher(table), COLOURS * 9, strict=False))
        for row, (x, y) in zip(table.rows, points(table.rows), strict=True):
            errors = {"xerr": _se(row.test.average.se), "yerr": _se(row.test.robust.se)}
            marker, colour = shapes(table)[row.student_title][1], colours[row.teacher]
            axes.errorbar(x, y, errors["yerr"], errors["xerr"], fmt=marker, color=colour, elinewidth=0.6, markersize=7)
        for label, row in (("selected on validation", table.selected), ("standard distillation", _plain(table))):
            if row is not None:
                arrow = {"arrowstyle": "-", "linewidth": 0.6}
                at = points((row,))[0]
                axes.annotate(label, at, (0, 26), textcoords="offset points", ha="center", arrowprops=arrow)
        for number, (title, rows) in enumerate(baselines(table).items()):
            x, y = zip(*points(tuple(rows)), strict=True)
            mark = OPEN_SHAPES[number % len(OPEN_SHAPES)][1]
            axes.plot(x, y, mark, color="#222", fillstyle="none", markersize=6, linestyle="none", label=title)
        for teacher, colour in colours.items():
            axes.plot([], [], "o", color=colour, label=f"{teacher} teacher")
        for title, (_, marker) in shapes(table).items():
            axes.plot([], [], marker, color="#777", label="teacher alone" if title == "none" else f"{title} student")
        axes.set(xlabel="average accuracy on test (%)", ylabel=f"{table.robust_name} on test (%)")
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside right upper", frameon=False)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
        pyplot.close(figure)


def shapes(table: Table) -> dict[str, tuple[str, str]]:
    """A mark for each kind of student, as plotly and as matplotlib name it."""
    titles = dict.fromkeys(row.student_title for row in table.rows)
    return dict(zip(titles, SHAPES * 99, strict=False))


def baselines(table: Table) -> dict[str, list[Row]]:
    """Every Pareto-efficient setting of each method, by its short title; what the grid has too is not drawn twice."""
    drawn = {tuple(row.folders) for row in table.rows}
    methods: dict[str, list[Row]] = {}
    for row in table.alternatives:
        if tuple(row.folders) not in drawn:
            methods.setdefault(row.title.split(" (")[0], []).append(row)
    return methods


def _plain(table: Table) -> Row | None:
    plain = table.find("standard", "standard")
    return None if plain is table.selected else plain


def _by_teacher(table: Table) -> dict[str, list[Row]]:
    teachers: dict[str, list[Row]] = {}
    for row in table.rows:
        teachers.setdefault(row.teacher, []).append(row)
    return teachers


def _se(se: float | None) -> float:
    return 0.0 if se is None else 100 * se
