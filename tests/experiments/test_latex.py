"""The tables for papers: names stay names, and every table of the page is there."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evendistill.experiments.report.latex import MOST_CLASSES, as_latex, latex
from evendistill.experiments.report.layout import caption, entry, grid_of
from evendistill.experiments.report.methods import methods_lines, printed_beside
from evendistill.experiments.report.recalls import recall_lines
from evendistill.experiments.report.table import make_table

HOSTILE = ['a,"b"\nc', "<b>", "猫", "50 % & $5_{x}", "▲ ▼ ★ ±"]
COMMANDS: dict[str, str] = {
    r"\textbackslash{}": "\\",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    r"$\pm$": "±",
    r"$\star$": "★",
    r"$\uparrow$": "▲",
    r"$\downarrow$": "▼",
}


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


def tables(text):
    """What LaTeX would set: of each table its caption, its columns and its lines."""
    begun, ended = (re.findall(rf"\\{what}\{{(\w+)\}}", text) for what in ("begin", "end"))
    count = text.count(r"\begin{table}")
    assert begun == ["table", "tabular"] * count
    assert ended == ["tabular", "table"] * count
    found = []
    for part in text.split(r"\begin{table}")[1:]:
        rules = [part.index(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")]
        assert rules == sorted(rules)
        (columns,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", part)
        rows = [line.removesuffix(r" \\").split(" & ") for line in part.splitlines() if line.endswith(r" \\")]
        assert {len(row) for row in rows} == {len(columns)}
        (said,) = re.findall(r"\\caption\{(.*)\}\n", part)
        found.append((unset(said), columns, [[unset(cell) for cell in row] for row in rows]))
    return found


def test_the_paper_s_table_has_a_column_for_each_teacher_and_the_entries_of_the_page(finished_sweep, plain):
    plain["teachers"]["objectives"] = ["standard", "robust"]
    table = make_table(finished_sweep(plain, lambda spec: [0.9, 0.5 + 0.1 * (spec.objective.name == "robust")]))
    head, lines = grid_of(table)
    (said, columns, rows), recalls = tables(as_latex(table))
    assert said == caption(table)
    assert columns == "l" + "r" * (len(head) - 1)
    assert rows == [head, *([title, *map(entry, entries)] for title, entries in lines)]
    assert sum("★" in cell for row in rows for cell in row) == 1
    assert "50.0 ± 0.0 (70.0 ± 0.0)" in rows[1]
    assert recalls[0].startswith(
        "Recall of each class on test, in percent, mean over seeds. Brackets hold the 95 % Stu"
    )


def test_what_was_printed_the_methods_and_the_recalls_are_further_tables(finished_sweep, plain):
    network = {"kind": "resnet", "depth": 56}
    plain["teachers"]["network"] = plain["students"]["network"] = network
    plain |= {"baselines": "all", "published": "cifar10-lt", "teacher_seed": {"fixed": 0}}
    table = make_table(finished_sweep(plain, lambda spec: [0.9, 0.5 + 0.1 * (spec.objective.name == "robust")]))
    _, beside, methods, recalls = tables(as_latex(table))
    assert beside[1] == "lll"
    assert beside[2][1:] == [list(line) for line in printed_beside(table)]
    head, lines = methods_lines(table)
    assert methods[1] == "lrrrll"
    assert methods[2] == [head, *([row.title + " ★" * row.selected, *entries] for row, entries in lines)]
    head, body = recall_lines(table)
    assert recalls[2] == [head, *body]
    assert recalls[2][0][-1] == "points over standard distillation"
    assert recalls[2][2][2] == "60.0"


def test_more_classes_than_fit_on_a_page_are_left_out_and_a_comment_says_so(finished_sweep, plain):
    table = make_table(finished_sweep(plain, lambda spec: [0.5] * MOST_CLASSES))
    assert len(tables(as_latex(table))) == 2
    table = make_table(finished_sweep(plain, lambda spec: [0.5] * (MOST_CLASSES + 1)))
    text = as_latex(replace(table, kind="group"))
    assert len(tables(text)) == 1
    assert (
        len(re.findall(r"(?m)^% 31 lines are too many for a page, and left out here: Recall of each group", text)) == 1
    )


def test_what_is_counted_in_percent_is_no_comment_in_latex(finished_sweep, plain):
    rule = {"rule": "average-above", "robust_floor": 0.4}
    text = as_latex(make_table(finished_sweep(plain | {"selection": rule}, lambda spec: [0.9, 0.5])))
    assert r"a robust metric of at least 40 \%" in text
    assert not re.search(r"(?<!\\)%", text)
