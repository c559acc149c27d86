"""Tables on a terminal of 80 columns: no number is broken, and nothing is cut off."""

import json

import pytest
from rich.console import Console

from evendistill.experiments.report.diagnosis import print_diagnosis
from evendistill.experiments.report.narrow import narrow
from evendistill.experiments.report.table import make_table
from evendistill.experiments.report.terminal import print_standings, print_table


@pytest.fixture(autouse=True)
def eighty(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def table(finished_sweep, plain):
    plain["teachers"]["objectives"] = [
        "standard",
        "balanced",
        "robust",
        {"alpha": 0.25},
        {"alpha": 0.5},
        {"alpha": 0.75},
    ]
    plain |= {"baselines": ["post-shift", "reweighted", "group-dro-validation"]}
    return make_table(finished_sweep(plain, lambda spec: [0.912, 0.4 + spec.order_seed / 17]))


def test_every_number_of_six_teachers_is_whole(table, tmp_path, capsys):
    print_table(table, tmp_path / "index.html")
    out = capsys.readouterr().out
    grid = out.partition("Validation chose")[0]
    assert max(map(len, grid.splitlines())) <= 80
    assert "…" not in grid
    for row in table.rows:
        assert row.test.robust.percent() in grid
        assert f"({row.test.average.percent()})" in grid
    for title in ("standard teacher", "tradeoff-0.75 teacher", "robust, teacher-labelled"):
        assert all(word in grid for word in title.split())
    assert grid.count(f"({table.rows[0].test.average.percent()})") == len(table.rows)


def test_a_part_of_the_table_has_no_line_that_is_empty_there(finished_sweep, plain, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "45")  # the students without a teacher stand below the others
    plain["students"] |= {"alone": True}
    print_table(make_table(finished_sweep(plain, lambda spec: [0.9, 0.4])), tmp_path / "index.html")
    parts = capsys.readouterr().out.partition("Validation chose")[0].split("┏")[1:]
    assert ["│ none" in part for part in parts] == [True, False]


def test_the_frontier_names_every_combination(table, capsys):
    print_standings(table)
    out = capsys.readouterr().out
    assert "…" not in out
    assert out.count(table.rows[0].test.robust.percent()) >= len(table.rows)


def test_teachers_are_named_by_what_tells_them_apart(capsys):
    entry = {"average_accuracy": 0.5, "worst_class_accuracy": 0.25, "shifted_risk": 0.5, "worst": 0.25}
    entry |= {"joint": {"worst": 0.75}}
    names = [f"a/very/long/path/to/the/folder/of/runs/digits-{name}-s0" for name in ("standard", "robust")]
    print_diagnosis({"teachers": [entry | {"name": name} for name in names], "ranked_by": "calibration"})
    out = capsys.readouterr().out
    assert "very" not in out
    assert "digits-robust-s0" in out
    assert json.dumps(out).count("50.0") == 2


def test_a_number_is_not_broken_where_words_are(capsys):
    grid = narrow(["name"], ["worst class %", "average %"], width=60)
    grid.add_row("words " * 30, "50.0 ± 0.1 (40.0 to 60.0)", "88.0 ± 0.1")
    Console(width=60).print(grid)
    out = capsys.readouterr().out
    assert "50.0 ± 0.1 (40.0 to 60.0)" in out
    assert out.count("words") == 30
