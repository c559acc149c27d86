"""The tables for spreadsheets and papers: every number comes back, and names stay names."""

import csv
import io
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evendistill.data.wording import shown
from evendistill.experiments.report.exported import as_csv, as_latex, latex
from evendistill.experiments.report.layout import grid_of
from evendistill.experiments.report.table import make_table

HOSTILE = ["=cmd|'/C calc'!A0", "+1", "-1", "@SUM(1)", "\tx", "\r=1", 'a,"b"\nc', "<b>", "猫", "50 % & $5_{x}"]
COMMANDS: dict[str, str] = {
    r"\textbackslash{}": "\\",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    r"$\pm$": "±",
    r"$\star$": "★",
}


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


def unset(text):
    """What LaTeX would set: the text, if nothing in it is a command that was not meant."""
    pattern = "|".join(map(re.escape, COMMANDS)) + r"|\\[&%$#_{}]|[^\\~^&%$#_{}]"
    found = re.findall(pattern, text, flags=re.DOTALL)
    assert "".join(found) == text
    return "".join(COMMANDS.get(each) or each[-1] for each in found)


@given(st.text())
def test_latex_sets_any_text_as_it_is(text):
    assert unset(latex(text)) == text


@pytest.mark.parametrize("name", HOSTILE)
def test_latex_sets_hostile_names_as_they_are(name):
    assert unset(latex(name)) == name


def test_the_paper_s_table_has_a_column_for_each_teacher_and_the_entries_of_the_page(finished_sweep, plain):
    plain["teachers"]["objectives"] = ["standard", "robust"]
    table = make_table(finished_sweep(plain, lambda spec: [0.9, 0.5 + 0.1 * (spec.objective.name == "robust")]))
    text = as_latex(table)
    head, lines = grid_of(table)
    assert re.findall(r"\\begin\{tabular\}\{(\w+)\}", text) == ["l" + "r" * (len(head) - 1)]
    begun, ended = (re.findall(rf"\\{what}\{{(\w+)\}}", text) for what in ("begin", "end"))
    assert begun == ended[::-1] == ["table", "tabular"]
    rules = [text.index(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")]
    assert rules == sorted(rules)
    rows = [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.endswith(r" \\")]
    assert len(rows) == 1 + len(lines)
    assert {len(row) for row in rows} == {len(head)}
    assert [unset(cell) for cell in rows[0]] == head
    assert [unset(row[0]) for row in rows[1:]] == [title for title, _ in lines]
    assert sum(r"$\star$" in cell for row in rows for cell in row) == 1
    assert r"50.0 $\pm$ 0.0 (70.0 $\pm$ 0.0)" in rows[1]


def test_what_is_counted_in_percent_is_no_comment_in_latex(finished_sweep, plain):
    rule = {"rule": "average-above", "robust_floor": 0.4}
    text = as_latex(make_table(finished_sweep(plain | {"selection": rule}, lambda spec: [0.9, 0.5])))
    assert r"a robust metric of at least 40 \%" in text
    assert not re.search(r"(?<!\\)%", text)
