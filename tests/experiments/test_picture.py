"""The pictures of the page: every combination has its point and its place, and the key names what is drawn."""

import math
import re
from dataclasses import replace
from html import unescape

import pytest

from evendistill.experiments.report.key import key
from evendistill.experiments.report.picture import (
    COLOURS,
    colours,
    drawn,
    frontier_chart,
    recall_rows,
    recalls_chart,
    shapes,
)
from evendistill.experiments.report.table import make_table


def recalls(spec):
    worst = spec.objective.alpha if hasattr(spec.objective, "alpha") else 0.3
    return [0.9, 0.8 - 0.2 * (spec.teacher is None), 0.5 * worst]


@pytest.fixture
def table(finished_sweep, plain):
    plain["teachers"]["objectives"] = ["standard", "robust"]
    return make_table(finished_sweep(plain | {"baselines": ["post-shift", "balanced-kd"]}, recalls))


def points(chart):
    """Average, robust accuracy and place of every point of the picture, the frontier left out."""
    return [
        (x, y, place)
        for trace in chart["data"]
        if "customdata" in trace
        for x, y, place in zip(trace["x"], trace["y"], trace["customdata"], strict=True)
    ]


def test_every_row_is_a_point_that_knows_its_place_among_what_a_click_shows(table):
    rows = drawn(table)
    found = points(frontier_chart(table))
    assert sorted(place for *_, place in found) == list(range(len(table.rows) + len(table.alternatives)))
    for x, y, place in found:
        assert (x, y) == (100 * rows[place].test.average.mean, 100 * rows[place].test.robust.mean)
    assert {tuple(row.folders) for row in table.baselines} <= {tuple(row.folders) for row in rows}


def test_more_teachers_than_colours_are_all_drawn(finished_sweep, plain):
    plain["teachers"]["objectives"] = [{"alpha": number / 100} for number in range(1, 81)]
    plain |= {"seeds": 1}
    plain["students"]["objectives"] = ["balanced"]
    table = make_table(finished_sweep(plain, recalls))
    assert len(table.rows) == 160
    assert sorted(place for *_, place in points(frontier_chart(table))) == list(range(160))
    assert len(colours(table)) == 80
    assert set(colours(table).values()) == set(COLOURS)


def test_the_key_names_every_colour_and_every_shape_of_the_picture(table):
    html = key(table)
    named = [unescape(text) for text in re.findall(r"<span>(.*?)</span>", html)]
    assert named == [
        *("standard teacher", "robust teacher"),
        *("teacher alone", "standard student", "balanced student", "robust, teacher-labelled student"),
        *("post-shift of the standard teacher", "balanced KD"),
        "no teacher or student here is better in one accuracy and no worse in the other",
    ]
    painted = re.findall(r'<polygon points="([^"]+)" (?:fill|fill="none" stroke)="([^"]+)"', html)
    assert [colour for _, colour in painted[:2]] == list(colours(table).values())
    outlines = [outline for outline, _ in painted[2:]]
    assert len(set(outlines[:4])) == 4
    assert len(set(outlines[4:])) == len(outlines[4:])
    numbers = [float(number) for outline in outlines for number in re.split("[ ,]", outline)]
    assert max(map(abs, numbers)) <= 8  # within the box that is drawn


def test_fourteen_kinds_of_students_have_marks_of_their_own(finished_sweep, plain):
    plain["students"]["objectives"] = [{"alpha": number / 20} for number in range(1, 14)]
    table = make_table(finished_sweep(plain | {"seeds": 1}, recalls))
    marks = shapes(table)
    assert len(marks) == 14
    assert len({symbol for symbol, _ in marks.values()}) == len({mark for _, mark in marks.values()}) == 14
    outlines = re.findall(r'<polygon points="([^"]+)"', key(table))[1:-1]
    assert len(set(outlines)) == 14


def test_bars_stand_one_a_class_with_short_names_and_absent_classes_have_none(table):
    nan = math.nan
    names = ("a <b> " + "x" * 40, "dog", "dog")
    rows = [replace(row, test=replace(row.test, recalls=(0.9, nan, 0.5))) for row in table.rows]
    chart = recalls_chart(replace(table, class_names=names, rows=tuple(rows)))
    bars, ticks = chart["data"], chart["layout"]["xaxis"]["ticktext"]
    assert [each["name"] for each in bars] == [label for label, _ in recall_rows(table)]
    assert bars[0]["x"] == [0, 1, 2]  # classes of one name are still two
    assert bars[0]["y"] == [90, None, 50]
    assert [len(unescape(tick)) for tick in ticks] == [20, 3, 3]
    assert "<" not in "".join(ticks)
    assert unescape(bars[0]["text"][0]) == names[0]
    assert "<" not in bars[0]["text"][0]


@pytest.mark.parametrize(("count", "ticks"), [(1, 1), (25, 25), (26, 13), (100, 25), (1000, 25)])
def test_no_more_names_stand_below_the_bars_than_can_be_read(table, count, ticks):
    rows = [replace(row, test=replace(row.test, recalls=(0.5,) * count)) for row in table.rows]
    names = tuple(f"class {label}" for label in range(count))
    axis = recalls_chart(replace(table, class_names=names, rows=tuple(rows)))["layout"]["xaxis"]
    assert len(axis["tickvals"]) == ticks
    assert [names[at] for at in axis["tickvals"]] == axis["ticktext"]
