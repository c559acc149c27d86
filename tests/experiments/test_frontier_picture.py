"""The frontier as a file: everything is named, and nothing that is drawn sticks out or lies under the legend."""

from typing import Any

import matplotlib.figure
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

from evendistill.experiments.report.frontier_picture import write_frontier
from evendistill.experiments.report.picture import colours, points
from evendistill.experiments.report.table import make_table


@pytest.fixture
def figure(monkeypatch, tmp_path):
    """Draw a table; the figure as it was saved."""
    kept = []
    saved = matplotlib.figure.Figure.savefig

    def save(self, *arguments, **told):
        saved(self, *arguments, **told)
        kept.append(self)

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", save)

    def draw(table, name="frontier.svg") -> Any:
        write_frontier(table, tmp_path / name)
        return kept[-1]

    return draw


@pytest.fixture
def make(finished_sweep, plain):
    """A table whose selected student and standard distillation lie where they are told, by average and worst class."""

    def made(selected=(0.9, 0.5), standard=(0.6, 0.2), **changes):
        places = {1.0: selected, 0.0: standard}

        def recalls(spec):
            objective = spec.objective
            is_standard = getattr(objective, "base", "") == "standard"
            if spec.teacher is None:
                average, worst = 0.75, 0.35
            else:
                average, worst = (
                    places[0.0 if is_standard else 1.0] if is_standard or objective.alpha == 1 else (0.7, 0.3)
                )
            return [worst, *[(10 * average - worst) / 9] * 9]

        return make_table(finished_sweep(plain | {"selection": {"rule": "best-robust"}} | changes, recalls))

    return made


def boxes(figure: Any) -> Any:
    """Where axes, legend and words are, in pixels."""
    (axes,) = figure.axes
    (legend,) = figure.legends
    return axes.get_window_extent(), legend.get_window_extent(), [text.get_window_extent() for text in axes.texts]


@pytest.mark.parametrize("ends", ["svg", "pdf", "png"])
def test_it_is_drawn_in_every_format(figure, make, tmp_path, ends):
    figure(make(), f"frontier.{ends}")
    assert (tmp_path / f"frontier.{ends}").stat().st_size > 1000


@pytest.mark.parametrize("selected", [(0.95, 0.9), (0.55, 0.5), (0.75, 0.5)], ids=["right", "left", "middle"])
@pytest.mark.parametrize("standard", [(0.52, 0.1), (0.9, 0.2)], ids=["left", "right"])
def test_words_stay_within_the_figure_and_off_the_legend(figure, make, selected, standard):
    drawn = figure(make(selected, standard))
    axes, legend, words = boxes(drawn)
    assert len(words) == 2
    for word in words:
        assert axes.x0 < word.x0
        assert axes.y0 < word.y0
        assert word.x1 <= legend.x0
        assert word.y1 <= drawn.bbox.y1
    assert not words[0].overlaps(words[1])
    assert axes.x1 <= legend.x0


def test_a_file_says_where_teachers_share_a_colour(figure, make):
    teachers = {"network": {"kind": "mlp", "hidden": [8]}}
    for count, title in ((8, ""), (9, "some share a mark: the report names each point")):
        objectives = ["standard", *({"alpha": number / 10} for number in range(1, count))]
        (legend,) = figure(make(teachers=teachers | {"objectives": objectives})).legends
        assert legend.get_title().get_text() == title


def test_every_combination_is_a_mark_in_the_colour_of_its_teacher(figure, make):
    table = make()
    (axes,) = figure(table).axes
    scatters: list[Any] = [each for each in axes.collections if isinstance(each, PathCollection)]  # the rest are errors
    drawn = [
        (*at, to_hex(colour))
        for each in scatters
        for at, colour in zip(each.get_offsets().tolist(), each.get_edgecolors().tolist(), strict=True)
    ]
    expected = [(*points((row,))[0], colours(table)[row.teacher]) for row in table.rows]
    assert sorted(drawn) == sorted(expected)


def test_a_long_name_widens_the_figure_and_leaves_the_axes_their_room(figure, make):
    teachers = {"network": {"kind": "mlp", "hidden": [8]}, "objectives": ["standard", "balanced", "robust"]}
    mean = {
        "kind": "mean",
        "of": "standard",
        "others": ["balanced", "robust", *({"alpha": a / 8} for a in range(1, 8))],
    }
    teachers["objectives"] += mean["others"][2:]
    axes, legend, _ = boxes(drawn := figure(make(teachers=teachers | {"mended": [mean]})))
    assert drawn.get_figwidth() > 8
    assert axes.width / drawn.dpi >= 2.9
    assert axes.x1 <= legend.x0
