"""The pictures of the page: every combination has its point and its place, and the key names what is drawn."""

import itertools
import math
import re
from dataclasses import replace
from html import unescape
from importlib import resources

import pytest
from matplotlib.markers import MarkerStyle

from evendistill.experiments.report.key import key
from evendistill.experiments.report.picture import (
    COLOURS,
    GREY,
    OPEN_SHAPES,
    WINDOWS,
    baselines,
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
    assert "Colour: the teacher (some of the 80 share one: a click on a point names it)" in key(table)


def test_the_key_says_where_students_share_a_shape(finished_sweep, plain, table):
    assert "share" not in key(table)
    plain["students"]["objectives"] = [{"alpha": number / 20} for number in range(1, 15)]
    crowded = key(make_table(finished_sweep(plain | {"seeds": 1}, recalls)))
    assert "Shape: the student (some of the 15 share one" in crowded
    assert crowded.count("share") == 1


def brightness(colour):
    """As WCAG 2.2 has it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_colour_is_seen_on_the_page_in_light_and_in_dark():
    assets = resources.files("evendistill.experiments.report").joinpath("assets")
    style, script = (assets.joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    behind = re.findall(r"--(?:paper|panel): (#\w+)", style.split("@media print")[0])
    assert len(behind) == 4
    palette = re.findall(r"#\w{6}", script.split("PALETTE = [")[1].split("]")[0])
    assert tuple(palette[:8]) == COLOURS
    assert len(set(palette)) == 12
    for colour in (*palette, GREY):
        for paper in behind:
            paper = paper if len(paper) == 7 else "#" + "".join(2 * letter for letter in paper[1:])
            darker, lighter = sorted((brightness(colour), brightness(paper)))
            assert (lighter + 0.05) / (darker + 0.05) >= 3, (colour, paper)


def inside(mark):
    """The points of a fine grid that a mark covers, as large as it is drawn."""
    style = MarkerStyle(mark)
    outline = style.get_path().transformed(style.get_transform())
    grid = [(x / 20, y / 20) for x in range(-20, 21) for y in range(-20, 21)]
    return {at for at, held in zip(grid, outline.contains_points(grid), strict=True) if held}


def test_no_two_hollow_marks_look_alike_and_none_like_the_ring():
    covered = [inside(mark) for _, mark in OPEN_SHAPES] + [inside("o")]
    for one, other in itertools.combinations(covered, 2):
        assert len(one & other) / len(one | other) < 0.8
    assert len({name for name, _ in OPEN_SHAPES}) == len(OPEN_SHAPES)


@pytest.mark.parametrize("window", WINDOWS, ids=["desk", "phone"])
@pytest.mark.parametrize("away", [0.0, 0.055, 0.08, 0.11])
def test_the_words_lie_on_no_mark_and_on_no_error_bar(table, window, away):
    """``away`` is how much higher than the selected student another one lies."""
    assert table.selected is not None
    others = [row for row in table.rows if row is not table.selected]
    at = table.selected.test
    above = replace(at, robust=replace(at.robust, mean=at.robust.mean + away), average=replace(at.average, se=0.02))
    table = replace(table, rows=(table.selected, replace(others[0], test=above), *others[1:]))
    chart = frontier_chart(table)
    (words,) = chart["layout"]["annotations"]
    scale = [
        size / (chart["layout"][axis]["range"][1] - chart["layout"][axis]["range"][0])
        for size, axis in zip(window, ("xaxis", "yaxis"), strict=True)
    ]
    right, up = words["ax"], -words["ay"]
    hit = []
    for row in itertools.chain(table.rows, *baselines(table).values()):
        across = 100 * (row.test.average.mean - at.average.mean) * scale[0] - right
        over = 100 * (row.test.robust.mean - at.robust.mean) * scale[1] - up
        wide, high = 100 * (row.test.average.se or 0) * scale[0], 100 * (row.test.robust.se or 0) * scale[1]
        for reach, tall in ((5, 5), (wide, 0), (0, high)):
            hit += [row.title] if abs(across) < 64 + reach and abs(over) < 7 + tall else []
    assert hit == []
    assert words["text"] == "selected on validation"


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
