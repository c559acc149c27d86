"""The tables for spreadsheets: every number comes back, and names stay names."""

import csv
import io
import re
from dataclasses import replace

import pytest

from evendistill.data.wording import shown
from evendistill.experiments.report.exported import as_csv
from evendistill.experiments.report.methods import printed_words
from evendistill.experiments.report.table import make_table

HOSTILE = ["=cmd|'/C calc'!A0", "+1", "-1", "@SUM(1)", "\tx", "\r=1", 'a,"b"\nc', "<b>", "猫", "50 % & $5_{x}"]


@pytest.fixture
def table(finished_sweep, plain):
    """A table with a baseline, uneven numbers, and a class that nothing has."""
    worst = {"standard": 1 / 7, "balanced": 2 / 3, "robust": 0.1 + 0.2}
    plain |= {"baselines": ["post-shift"]}

    def validation(spec):
        return [0.9, None, worst[spec.objective.name] + spec.order_seed / 11]

    return make_table(finished_sweep(plain, validation, lambda spec: [0.8, None, validation(spec)[2] / 3]))


def read(text):
    head, *lines = csv.reader(io.StringIO(text))
    assert {len(line) for line in lines} == {len(head)}
    return [dict(zip(head, line, strict=True)) for line in lines]


def test_the_spreadsheet_has_every_number_of_the_table_to_its_last_digit(table):
    rows, told = (*table.rows, *table.baselines), read(as_csv(table))
    assert len(told) == len(rows) == 5
    for row, line in zip(rows, told, strict=True):
        for split, found in (("test", row.test), ("validation", row.validation)):
            for name, estimate in (("worst", found.robust), ("average", found.average)):
                assert float(line[f"{split}_{name}"]) == estimate.mean
                assert float(line[f"{split}_{name}_se"]) == estimate.se
        assert [float(line[f"test_recall_{label}"]) for label in "02"] == [row.test.recalls[0], row.test.recalls[2]]
        assert line["test_recall_1"] == ""
        assert (line["combination"], line["teacher"], line["student"]) == (row.title, row.teacher, row.student)
        assert line["selected"] == str(row.selected)
        assert line["runs"].split() == row.folders
    assert [line["hyper_parameters"] for line in told] == ["", "T 3", "T 3", "T 3", ""]
    assert [line["validation_labels"] for line in told] == ["", "", "", "teacher", ""]


def test_what_was_printed_of_a_combination_stands_beside_it(finished_sweep, plain):
    network = {"kind": "resnet", "depth": 56}
    plain["teachers"]["network"] = plain["students"]["network"] = network
    plain |= {"baselines": ["standard-distillation", "post-shift"], "teacher_seed": {"fixed": 0}}
    made = make_table(finished_sweep(plain | {"published": "cifar10-lt"}, lambda spec: [0.9, 0.5]))
    told = {(line["teacher"], line["student"]): line for line in read(as_csv(made))}
    found = told["standard", "standard"]
    assert [
        float(found[f"printed_{what}"]) for what in ("worst", "worst_se", "average", "average_se")
    ] == pytest.approx([0.3667, 0.0028, 0.6950, 0.0013])
    assert found["printed_source"] in found["printed"]
    row = made.find("standard", "standard")
    assert row is not None
    assert found["printed"] == printed_words(row, made)
    for line in told.values():
        assert (line["printed"] == "") == (line["printed_source"] == "")
    assert not [name for name in read(as_csv(replace(made, published=None)))[0] if "printed" in name]


def test_one_seed_has_no_standard_error_in_the_spreadsheet(finished_sweep, plain):
    table = make_table(finished_sweep(plain | {"seeds": 1}, lambda spec: [0.9, 0.5]))
    assert {line["test_worst_se"] for line in read(as_csv(table))} == {""}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_cell_of_a_spreadsheet_is_a_formula_and_names_come_back(table, name):
    text = as_csv(replace(table, class_names=(name, "dog", "owl")))
    cells = list(csv.reader(io.StringIO(text)))
    assert f"test_recall_{shown(name)}" in cells[0]
    assert len(text.splitlines()) == len(cells) == 6
    assert not [cell for line in cells for cell in line if re.match(r"[=+\-@\t\r]", cell)]


@pytest.mark.parametrize("title", ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)"])
def test_titles_that_look_like_formulas_are_marked_as_text(table, monkeypatch, title):
    monkeypatch.setattr(type(table.rows[0]), "title", property(lambda _: title))
    assert {line["combination"] for line in read(as_csv(table))} == {f"'{title}"}
