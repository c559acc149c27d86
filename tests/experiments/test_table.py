"""The table of a finished sweep: its numbers, and what it opens when."""

import json
import re
from dataclasses import replace

import pytest

from evendistill.experiments.report.layout import entry, grid_of, markdown
from evendistill.experiments.report.table import as_json, make_table
from evendistill.experiments.report.written import write_markdown
from evendistill.experiments.spec import ListeningSpec

WORST = {"standard": 0.2, "balanced": 0.6, "robust": 0.5}


def on_validation(spec):
    """The balanced student is best; seeds differ by 0.2, so the standard error of two is 0.1."""
    return [0.9, WORST[spec.objective.name] + 0.2 * spec.order_seed]


def on_test(spec):
    return [1.0, WORST[spec.objective.name] - 0.2 + 0.2 * spec.order_seed]


@pytest.fixture
def table(finished_sweep, plain):
    plain["teachers"]["objectives"] = ["standard", "robust"]
    return make_table(finished_sweep(plain, on_validation, on_test))


def test_a_row_tells_validation_and_test_apart(table):
    row = table.find("standard", "balanced")
    assert row.validation.robust.mean == pytest.approx(0.7)
    assert row.test.robust.mean == pytest.approx(0.5)
    assert row.test.average.mean == pytest.approx(0.75)
    assert row.test.robust.se == pytest.approx(0.1)
    assert row.test.recalls == pytest.approx((1.0, 0.5))


def test_one_student_is_selected_on_validation(table):
    assert [row.selected for row in table.rows].count(True) == 1
    assert table.selected.student == "balanced"
    assert table.selected.selected


def test_the_rows_are_the_teachers_and_then_their_students(table):
    assert [(row.teacher, row.student) for row in table.rows] == [
        (teacher, student)
        for students in (["none"], ["standard", "balanced", "robust"])
        for teacher in ("standard", "robust")
        for student in students
    ]
    assert [row.title for row in table.rows[:3]] == [
        "standard teacher alone",
        "robust teacher alone",
        "standard student of a standard teacher",
    ]
    assert table.find("robust", "robust").title == "robust, teacher-labelled student of a robust teacher"
    assert table.find("robust", "worst") is None


def test_the_table_knows_its_recipe(table):
    assert (table.name, table.seeds, table.robust_k, table.matched) == ("small", (0, 1), 1, True)
    assert len(table.class_names) == 2
    assert table.robust_name == "worst-class accuracy"


def test_a_fixed_teacher_and_worst_k_are_said(finished_sweep, plain):
    plain |= {"teacher_seed": {"fixed": 0}, "robust_k": 2}
    table = make_table(finished_sweep(plain, on_validation, on_test))
    assert (table.matched, table.robust_name) == (False, "worst-2 accuracy")
    row = table.find("standard", "balanced")
    assert row is not None
    assert row.test.robust.mean == pytest.approx(0.75)


def test_only_the_temperature_that_validation_chose_is_opened_on_test(finished_sweep, plain):
    plain["students"] |= {"temperatures": [1, 5], "objectives": ["standard"]}

    def validation(spec):
        return [0.9, 0.6 if spec.listening and spec.listening.temperature == 5 else 0.5]

    sweep = finished_sweep(plain, validation, lambda spec: [0.8, 1 - validation(spec)[1]])
    for spec in sweep.needed.values():
        if spec.listening and spec.listening.temperature == 1:
            (sweep.runs / spec.folder_name / "test.json").unlink()
    table = make_table(sweep)
    assert [row.student for row in table.rows] == ["none", "standard"]
    assert table.selected is not None
    assert table.selected.cell.listening == ListeningSpec(temperature=5)
    assert table.selected.test.robust.mean == pytest.approx(0.4)


def test_an_unfinished_sweep_has_no_table(finished_sweep, plain):
    sweep = finished_sweep(plain, on_validation)
    next(sweep.runs.glob("*/DONE")).unlink()
    with pytest.raises(ValueError, match="is not finished; run the recipe first"):
        make_table(sweep)


def test_markdown_shows_the_numbers_in_percent(table):
    expected = """\
| student | standard teacher | robust teacher |
| --- | --- | --- |
| none | 10.0 ± 10.0 (55.0 ± 5.0) | 40.0 ± 10.0 (70.0 ± 5.0) |
| standard | 10.0 ± 10.0 (55.0 ± 5.0) | 10.0 ± 10.0 (55.0 ± 5.0) |
| balanced | 50.0 ± 10.0 (75.0 ± 5.0) | 50.0 ± 10.0 (75.0 ± 5.0) |
| robust, teacher-labelled | 40.0 ± 10.0 (70.0 ± 5.0) | 40.0 ± 10.0 (70.0 ± 5.0) |
"""
    assert markdown(table).replace(" ★", "") == expected
    assert markdown(table).count("★") == 1
    (starred,) = (line for line in markdown(table).splitlines() if "★" in line)
    assert starred.startswith("| balanced |")


def test_markdown_matches_json_number_for_number(table, tmp_path):
    write_markdown(table, tmp_path / "table.md", command="evendistill demo")
    shown = re.findall(r"([\d.]+) ± ([\d.]+) \(([\d.]+) ± ([\d.]+)\)", (tmp_path / "table.md").read_text("utf-8"))
    told = {
        tuple(
            f"{100 * cell[metric][part]:.1f}"
            for metric in ("worst_class_accuracy", "average_accuracy")
            for part in ("mean", "se")
        )
        for cell in as_json(table)
    }
    assert len(shown) == 8
    assert set(shown) == told


def test_json_holds_fractions_and_says_what_was_selected(table):
    cells = json.loads(json.dumps(as_json(table), allow_nan=False))
    assert table.selected is not None
    assert len(cells) == 8
    (selected,) = (cell for cell in cells if cell["selected"])
    assert (selected["teacher"], selected["student"], selected["seeds"]) == (table.selected.teacher, "balanced", [0, 1])
    assert selected["worst_class_accuracy"] == {"mean": pytest.approx(0.5), "se": pytest.approx(0.1)}
    assert selected["validation_worst_class_accuracy"]["mean"] == pytest.approx(0.7)
    assert selected["average_accuracy"]["mean"] == pytest.approx(0.75)
    assert selected["validation_average_accuracy"]["mean"] == pytest.approx(0.8)
    labels = {cell["student"]: cell["validation_labels"] for cell in cells}
    assert labels == {"none": None, "standard": None, "balanced": None, "robust": "teacher"}


def test_one_seed_is_shown_without_an_error(finished_sweep, plain):
    table = make_table(finished_sweep({**plain, "seeds": 1}, on_validation, on_test))
    assert "| balanced | 40.0 (70.0) ★ |" in markdown(table)
    assert as_json(table)[0]["worst_class_accuracy"]["se"] is None


def test_teachers_stand_across_and_kinds_of_students_down(table):
    head, lines = grid_of(table)
    assert head == ["student", "standard teacher", "robust teacher"]
    assert [title for title, _ in lines] == ["none", "standard", "balanced", "robust, teacher-labelled"]
    assert all([row and row.teacher for row in rows] == ["standard", "robust"] for _, rows in lines)
    assert entry(None) == ""


def many_teachers(plain, count, students=("standard", "balanced")):
    plain["teachers"]["objectives"] = [{"alpha": number / 10} for number in range(1, 1 + count)]
    plain["students"]["objectives"] = list(students)
    return plain


def of_both(spec):
    """Recalls that differ with the teacher and with the student."""
    return [0.9, 0.5 * spec.objective.alpha + (0.2 * spec.teacher.objective.alpha if spec.teacher else 0.1)]


def test_more_teachers_than_fit_across_stand_down(finished_sweep, plain):
    table = make_table(finished_sweep(many_teachers(plain, 7), of_both))
    head, lines = grid_of(table)
    assert head == ["teacher", "alone", "standard student", "balanced student"]
    teachers = [f"tradeoff-0.{number}" for number in range(1, 8)]
    assert [title for title, _ in lines] == [f"{name} teacher" for name in teachers]
    for name, (_, rows) in zip(teachers, lines, strict=True):
        assert [(row.teacher, row.student) for row in rows if row] == [
            (name, "none"),
            (name, "standard"),
            (name, "balanced"),
        ]
    entries = [row for _, rows in lines for row in rows]
    assert sorted(entry(row) for row in entries) == sorted(entry(row) for row in table.rows)
    shown = markdown(table).splitlines()
    assert shown[0] == "| teacher | alone | standard student | balanced student |"
    assert shown[4] == f"| tradeoff-0.3 teacher | {' | '.join(entry(row) for row in lines[2][1])} |"
    assert len(shown) == 2 + 7


@pytest.mark.parametrize(
    ("count", "students"),
    [(6, ("standard",)), (7, ["standard", "balanced", *({"alpha": number / 10} for number in (3, 4, 5, 6))])],
    ids=["six and two kinds of students", "seven and seven"],
)
def test_teachers_stand_across_while_they_fit_or_are_no_more_than_the_kinds_of_students(
    finished_sweep, plain, count, students
):
    table = make_table(finished_sweep(many_teachers(plain, count, students), of_both))
    head, lines = grid_of(table)
    assert head == ["student", *(f"tradeoff-0.{number} teacher" for number in range(1, 1 + count))]
    assert len(lines) == 1 + len(students)


def test_a_combination_that_is_not_there_is_left_empty_whichever_way_the_table_stands(finished_sweep, plain):
    table = make_table(finished_sweep(many_teachers(plain, 7), of_both))
    rows = tuple(row for row in table.rows if (row.teacher, row.student) != ("tradeoff-0.2", "standard"))
    _, lines = grid_of(replace(table, rows=rows))
    assert [[row is None for row in line] for _, line in lines] == [[False, name == "2", False] for name in "1234567"]


def test_a_student_without_a_teacher_stands_in_the_line_of_those_whose_multipliers_true_labels_move(
    finished_sweep, plain
):
    plain["students"] |= {"objectives": ["balanced", "robust"], "validation_labels": ["teacher", "true"], "alone": True}
    head, lines = grid_of(make_table(finished_sweep(plain, on_validation)))
    assert head == ["student", "standard teacher", "no teacher"]
    assert [(title, *(row is not None for row in rows)) for title, rows in lines] == [
        ("none", True, False),
        ("balanced", True, True),
        ("robust, teacher-labelled", True, False),
        ("robust, true-labelled", True, True),
    ]
