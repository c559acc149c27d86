"""What the page says of the teachers: how they rank, which classes each is ill calibrated on, or how to find out."""

import json
import re
import shlex
from html import unescape

import pytest

from evendistill.experiments.report.table import make_table
from evendistill.experiments.report.teachers import KEPT, MOST_CLASSES, keep_ranking, kept_ranking, teachers_section
from evendistill.experiments.results import Estimate

WORST = {"standard": 0.2, "balanced": 0.3, "robust": 0.5}


@pytest.fixture
def table(finished_sweep, plain):
    """Two teachers; the robust student of one of them is chosen, at temperature 3."""

    def make(classes=2, **changes):
        plain["teachers"]["objectives"] = ["standard", "balanced"]
        return make_table(
            finished_sweep(plain | changes, lambda spec: [0.9] * (classes - 1) + [WORST[spec.objective.name]])
        )

    return make


def entry(teacher, temperature, terms=None):
    """A ranked teacher as it is kept; as it was kept before the terms were, if there are none."""
    known = {"calibration": -0.5, "shifted_risk": -1.0, "worst_class_accuracy": 0.25, "average_accuracy": 0.5}
    student = {name: vars(Estimate(0.75, 0.01)) for name in ("worst_class_accuracy", "average_accuracy")}
    told = {"teacher": teacher, "temperature": temperature, "is_mended": False, **known, "student": student}
    return told if terms is None else told | {"calibration_terms": terms}


def ranking(*teachers, names=("cat", "dog")):
    return {"teachers": list(teachers), "correlations": {}, "class_names": list(names)}


def cells(html):
    return [unescape(cell) for cell in re.findall(r"<t[hd](?: [^>]*)?>(.*?)</t[hd]>", html)]


def terms_of(html):
    """The cells of the table of terms; none if it is not there."""
    _, heading, rest = html.partition("<h3>Calibration term of each class at temperature 3</h3>")
    return cells(rest) if heading else []


def test_where_nothing_was_ranked_the_very_command_is_named(table, tmp_path):
    said = unescape(teachers_section(None, table()))
    (command,) = re.findall("<code>(.*?)</code>", said)
    words = ["evendistill", "diagnose", str(tmp_path / "recipe.yaml"), "--out", str(tmp_path / "runs")]
    assert shlex.split(command) == words
    assert "a report made after that shows it here" in said


def test_nothing_is_asked_for_that_could_not_be_ranked(table, plain):
    plain["students"]["objectives"] = ["standard", "balanced"]
    assert teachers_section(None, table()) == ""
    del plain["students"]
    assert teachers_section(None, table()) == ""


def test_columns_say_whether_they_are_of_validation_or_test(table):
    head = cells(teachers_section(ranking(entry("standard", 3.0)), table()))[:6]
    assert head[4:] == ["own worst class %, validation", "its robust student's worst class %, test"]


def test_the_teacher_of_the_student_to_ship_comes_first_class_by_class(table):
    made = table()
    assert made.selected is not None
    own, other = made.selected.teacher, {"standard": "balanced", "balanced": "standard"}[made.selected.teacher]
    told = ranking(
        entry(other, 3.0, [0.25, 0.375]), entry(own, 1.0, [9, 9]), entry(own, 3.0, [0.5, 0.125]), names=("<i>", "dog")
    )
    assert terms_of(teachers_section(told, made)) == [
        *("class", f"{own}, teacher of the student to ship", other),
        *("<i>", "0.500", "0.250"),
        *("dog", "0.125", "0.375"),
    ]
    assert "<i>" not in teachers_section(told, made)
    assert terms_of(teachers_section(ranking(entry(other, 3.0, [1, 1]), entry(own, 1.0, [1, 1])), made)) == []


def test_of_many_classes_the_largest_are_shown(table):
    made, count = table(), MOST_CLASSES + 10
    terms = [label / 100 for label in range(count)]
    told = ranking(entry(made.selected.teacher, 3.0, terms), names=[f"c{label}" for label in range(count)])
    found = terms_of(teachers_section(told, made))
    assert found[2::2] == [f"c{label}" for label in range(count - 1, count - 1 - MOST_CLASSES, -1)]


def test_a_ranking_that_was_kept_before_there_were_terms_is_still_shown(table, tmp_path):
    old = {"teachers": [entry("standard", 3.0), entry("balanced", 3.0)], "correlations": {}}
    keep_ranking(old, tmp_path / "kept")
    told = kept_ranking(tmp_path / "kept")
    assert told == old
    text = teachers_section(told, table())
    assert "75.0 ± 1.0" in text
    assert terms_of(text) == []


@pytest.mark.parametrize("terms", [[0.1], [0.1, None], [0.1, "x"], {"a": 1}, 5])
def test_terms_that_are_damaged_are_no_ranking(tmp_path, terms):
    (tmp_path / KEPT).write_text(json.dumps(ranking(entry("standard", 3.0, terms))))
    assert kept_ranking(tmp_path) is None
    keep_ranking(ranking(entry("standard", 3.0, [0.1, 0.2])), tmp_path)
    assert kept_ranking(tmp_path) is not None
