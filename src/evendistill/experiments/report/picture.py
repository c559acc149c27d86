"""The picture of a table: average against worst-class accuracy of every cell, the Pareto frontier drawn."""

from pathlib import Path
from typing import Any

from evendistill.experiments.frontier import pareto_front
from evendistill.experiments.report.table import Row, Table

COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5")
MARKS = {"none": "x", "standard": "circle", "balanced": "square", "robust": "diamond"}
MATPLOTLIB_MARKS = {"x": "x", "circle": "o", "square": "s", "diamond": "D", "triangle-up": "^"}


def points(rows: tuple[Row, ...]) -> list[tuple[float, float]]:
    """Test average and robust accuracy of each row, in percent."""
    return [(100 * row.test.average.mean, 100 * row.test.robust.mean) for row in rows]


def front(table: Table) -> list[tuple[float, float]]:
    """The Pareto-efficient points, by rising average."""
    at = points(table.rows)
    return sorted({at[position] for position in pareto_front(at)})


def frontier_figure(table: Table) -> Any:  # noqa: ANN401 - a plotly figure
    """The picture for the page, every point with its name and errors."""
    import plotly.graph_objects as go

    figure = go.Figure()
    at = front(table)
    figure.add_scatter(
        x=[x for x, _ in at], y=[y for _, y in at], mode="lines", name="Pareto frontier", line={"color": "#777"}
    )
    for colour, (teacher, rows) in zip(COLOURS * 9, _by_teacher(table).items(), strict=False):
        x, y = zip(*points(tuple(rows)), strict=True)
        figure.add_scatter(
            x=x,
            y=y,
            mode="markers",
            name=f"{teacher} teacher",
            text=[row.title for row in rows],
            error_x={"array": [_se(row.test.average.se) for row in rows], "thickness": 1},
            error_y={"array": [_se(row.test.robust.se) for row in rows], "thickness": 1},
            marker={"color": colour, "size": 11, "symbol": [_mark(row) for row in rows]},
            hovertemplate="%{text}<br>average %{x:.1f} %, worst %{y:.1f} %<extra></extra>",
        )
    if chosen := table.selected:
        ((x, y),) = points((chosen,))
        figure.add_annotation(x=x, y=y, text="selected on validation", showarrow=True, ax=-60, ay=-35)
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
    names = [f"class {name}" for name in table.class_names]
    for colour, (label, row) in zip(COLOURS, recall_rows(table), strict=False):
        figure.add_bar(x=names, y=[100 * recall for recall in row.test.recalls], name=label, marker_color=colour)
    figure.update_layout(
        template="simple_white",
        barmode="group",
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

    with matplotlib.rc_context({"svg.hashsalt": "evendistill", "svg.fonttype": "none"}):
        figure, axes = pyplot.subplots(figsize=(7, 4.6), layout="constrained")
        at = front(table)
        axes.plot([x for x, _ in at], [y for _, y in at], color="black", linewidth=1, label="Pareto frontier")
        for colour, (teacher, rows) in zip(COLOURS * 9, _by_teacher(table).items(), strict=False):
            for row, (x, y) in zip(rows, points(tuple(rows)), strict=True):
                axes.errorbar(
                    x,
                    y,
                    xerr=_se(row.test.average.se),
                    yerr=_se(row.test.robust.se),
                    fmt=MATPLOTLIB_MARKS[_mark(row)],
                    color=colour,
                    elinewidth=0.6,
                    label=f"{teacher} teacher" if row is rows[0] else None,
                )
        for row, (x, y) in zip(table.rows, points(table.rows), strict=True):
            axes.annotate(row.student_title, (x, y), xytext=(5, 3), textcoords="offset points", fontsize=7)
        if chosen := table.selected:
            axes.scatter(*points((chosen,))[0], s=160, facecolors="none", edgecolors="black", label="selected")
        axes.set(xlabel="average accuracy on test (%)", ylabel=f"{table.robust_name} on test (%)")
        axes.legend(fontsize=8, frameon=False)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
        pyplot.close(figure)


def _by_teacher(table: Table) -> dict[str, list[Row]]:
    teachers: dict[str, list[Row]] = {}
    for row in table.rows:
        teachers.setdefault(row.teacher, []).append(row)
    return teachers


def _mark(row: Row) -> str:
    return MARKS.get(row.student, "triangle-up")


def _se(se: float | None) -> float:
    return 0.0 if se is None else 100 * se
