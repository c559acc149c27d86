"""Rules of selection on validation numbers made by hand, and what is said where none of them can choose."""

import sys
import warnings

import pytest
from pydantic import TypeAdapter

from evendistill import cli
from evendistill.experiments.report.page import write_report
from evendistill.experiments.report.table import make_table, to_ship
from evendistill.experiments.report.verdict import verdict
from evendistill.experiments.rules import (
    AverageAbove,
    BestRobust,
    PaperRule,
    RobustAbove,
    Rule,
    WeightedSum,
    in_words,
    told,
)
from evendistill.experiments.selection import NothingSelected, on_validation, select

MIDDLE = {"alpha": 0.5}
# on validation: least recall, average; the two seeds of standard distillation differ, so its standard error is 0.05
FOUND = {"standard": (0.1, 0.60), "tradeoff-0.5": (0.2, 0.61), "balanced": (0.25, 0.57), "robust": (0.3, 0.54)}
RULES = [
    ({"rule": "best-robust"}, "robust"),
    ({"rule": "paper", "factor": 0}, "tradeoff-0.5"),
    ({"rule": "paper"}, "balanced"),
    ({"rule": "paper", "factor": 2}, "robust"),
    ({"rule": "weighted-sum", "weight": 1}, "robust"),
    ({"rule": "weighted-sum", "weight": 0}, "tradeoff-0.5"),
    ({"rule": "weighted-sum", "weight": 0.4}, "tradeoff-0.5"),
    ({"rule": "weighted-sum"}, "robust"),
    ({"rule": "average-above", "robust_floor": 0.22}, "balanced"),
    ({"rule": "average-above", "robust_floor": 0}, "tradeoff-0.5"),
    ({"rule": "robust-above", "average_floor": 0.605}, "tradeoff-0.5"),
    ({"rule": "robust-above", "average_floor": 0.55}, "balanced"),
]


@pytest.fixture
def four(plain):
    plain["students"]["objectives"] = ["standard", "balanced", MIDDLE, "robust"]
    return plain


def recalls(worst, average):
    """Ten recalls with this least and this average."""
    return [(10 * average - worst) / 9] * 9 + [worst]


def on_val(spec):
    if spec.role == "teacher":
        return [0.99] * 3
    worst, average = FOUND[spec.objective.name]
    off = 0.05 * (2 * spec.order_seed - 1) if spec.objective.name == "standard" else 0.0
    return recalls(worst, average + off)


def rule_of(plain) -> Rule:
    return TypeAdapter(Rule).validate_python(plain)


def choose(sweep, rule):
    position = select(sweep.cells, on_validation(sweep.cells, sweep.runs, robust_k=1), rule_of(rule))
    assert position is not None
    return sweep.cells[position]


@pytest.mark.parametrize(("rule", "expected"), RULES)
def test_each_rule_chooses_what_it_says(finished_sweep, four, rule, expected):
    assert choose(finished_sweep(four, on_val), rule).student.name == expected
    table = make_table(finished_sweep(four | {"selection": rule}, on_val))
    assert table.selected is not None
    assert (table.selected.student, table.why_not) == (expected, "")


@pytest.mark.parametrize(("rule", "expected"), RULES)
def test_test_results_change_nothing_under_any_rule_nor_does_their_absence(finished_sweep, four, rule, expected):
    sweep = finished_sweep(four, on_val, lambda spec: [0.9, 0.9, 0.1 if spec.objective.name == expected else 0.9])
    assert choose(sweep, rule).student.name == expected
    for path in sweep.runs.glob("*/test.json"):
        path.write_bytes(b"garbage")
    assert choose(sweep, rule).student.name == expected
    for path in sweep.runs.glob("*/test.json"):
        path.unlink()
    assert choose(sweep, rule).student.name == expected


@pytest.mark.parametrize(
    "rule", [{"rule": "best-robust"}, {"rule": "paper"}, {"rule": "robust-above", "average_floor": 0.25}]
)
def test_a_tie_goes_to_the_higher_average(finished_sweep, four, rule):
    tied = {"standard": [0.5, 0.5], "balanced": [0.75, 0.5], "tradeoff-0.5": [1.0, 0.5], "robust": [0.625, 0.5]}
    sweep = finished_sweep(four, lambda spec: tied[spec.objective.name])
    assert choose(sweep, rule).student.name == "tradeoff-0.5"


def test_a_tied_sum_goes_to_the_higher_average(finished_sweep, four):
    tied = {"standard": [0.5, 0.5], "balanced": [0.875, 0.375], "tradeoff-0.5": [1, 0.1], "robust": [0.625, 0.4375]}
    sweep = finished_sweep(four, lambda spec: tied[spec.objective.name])
    weight = {"rule": "weighted-sum", "weight": 0.5}  # all but the third have a sum of 0.5 at averages 0.5 to 0.625
    assert choose(sweep, weight).student.name == "balanced"


@pytest.mark.parametrize("rule", [each for each, _ in RULES if "floor" not in str(each)])
def test_a_tie_in_all_goes_to_the_smaller_hash(finished_sweep, four, rule):
    sweep = finished_sweep(four, lambda spec: [0.75, 0.25])
    students = [cell for cell in sweep.cells if cell.is_student]
    assert choose(sweep, rule) is min(students, key=lambda cell: cell.runs[0].hash)


def test_average_above_breaks_its_ties_by_hash_and_not_by_the_robust_metric(finished_sweep, four):
    tied = {"standard": [1.0, 0.5], "balanced": [0.875, 0.625], "tradeoff-0.5": [0.75, 0.75], "robust": [1.0, 0.5]}
    sweep = finished_sweep(four, lambda spec: tied[spec.objective.name])
    students = [cell for cell in sweep.cells if cell.is_student]
    chosen = choose(sweep, {"rule": "average-above", "robust_floor": 0.5})  # a floor that is just met is met
    assert chosen is min(students, key=lambda cell: cell.runs[0].hash)


def test_the_paper_s_rule_measures_from_the_temperature_that_validation_prefers(finished_sweep, four):
    four["students"] |= {"temperatures": [1, 5], "objectives": ["standard", "robust"]}
    found = {("standard", 1): (0.2, 0.5), ("standard", 5): (0.1, 0.9), ("robust", 1): (0.4, 0.6), ("robust", 5): (0, 0)}
    at = lambda spec: found[spec.objective.name, spec.listening.temperature] if spec.listening else (0.9, 0.9)  # noqa: E731
    chosen = choose(finished_sweep(four, lambda spec: recalls(*at(spec))), {"rule": "paper"})
    assert (chosen.student.name, chosen.listening.temperature) == ("robust", 1)


@pytest.mark.parametrize(("factor", "expected"), [(0, "tradeoff-0.5"), (1, "balanced"), (2, "robust")])
def test_standard_distillation_may_be_among_the_baselines_alone(finished_sweep, four, factor, expected):
    four["students"]["objectives"] = ["balanced", MIDDLE, "robust"]
    rule = {"rule": "paper", "factor": factor}
    sweep = finished_sweep(four | {"baselines": ["standard-distillation"]}, on_val)
    assert choose(sweep, rule).student.name == expected
    with pytest.raises(NothingSelected, match="add standard to teachers and students, or standard-distillation to"):
        choose(finished_sweep(four | {"baselines": ["balanced-student"]}, on_val), rule)


def test_a_baseline_is_never_chosen(finished_sweep, four):
    four["students"]["objectives"] = ["standard"]
    four["baselines"] = ["robust-student", "standard-distillation"]
    chosen = choose(finished_sweep(four, on_val), {"rule": "best-robust"})
    assert (chosen.student.name, chosen.baseline) == ("standard", None)


UNMET = [
    ({"rule": "average-above", "robust_floor": 0.9}, "a robust metric on validation of 90.0 %", "robust", "30.0"),
    ({"rule": "robust-above", "average_floor": 0.62}, "an average accuracy on validation of 62.0 %", MIDDLE, "61.0"),
]


@pytest.mark.parametrize(("rule", "words", "nearest", "value"), UNMET)
def test_a_floor_that_nobody_meets_names_who_came_nearest(finished_sweep, four, rule, words, nearest, value):
    sweep = finished_sweep(four, on_val)
    with pytest.raises(NothingSelected) as error:
        choose(sweep, rule)
    wants = f"the rule {rule['rule']} wants the {in_words(TypeAdapter(Rule).validate_python(rule))}"
    name = "tradeoff-0.5" if nearest is MIDDLE else nearest
    (cell,) = (cell for cell in sweep.cells if cell.student is not None and cell.student.name == name)
    folder = cell.runs[0].folder_name
    assert str(error.value) == f"no student reaches {words}; nearest is {folder} with {value} %; {wants}"


@pytest.mark.parametrize(("rule", "words", "nearest", "value"), UNMET)
def test_a_report_says_that_nothing_was_selected(finished_sweep, four, rule, words, nearest, value, tmp_path):
    sweep = finished_sweep(four | {"selection": rule, "baselines": ["post-shift"]}, on_val)
    table = make_table(sweep)
    assert table.selected is None
    page = write_report(table, tmp_path / "report", runs=sweep.runs, command="evendistill report recipe.yaml")
    said = f"Nothing was selected: no student reaches {words}; nearest is "
    assert verdict(table).startswith(said)
    assert said in page.read_text("utf-8")
    shown = page.with_name("table.md").read_text("utf-8")
    assert said in shown
    assert "★" not in shown.split("Test worst-class accuracy")[0]
    assert to_ship(table) == "There is no student to ship."


@pytest.fixture
def evendistill(monkeypatch, capsys):
    """The command line in this process: its exit code and what it printed."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["evendistill", *map(str, words)])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, *capsys.readouterr()

    return call


def test_select_ends_with_2_and_one_line_where_report_goes_on(finished_sweep, four, evendistill):
    rule = {"rule": "robust-above", "average_floor": 0.62}
    sweep = finished_sweep(four | {"selection": rule}, on_val)
    told_of = (sweep.recipe, "--out", sweep.runs)
    code, out, err = evendistill("select", *told_of)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("evendistill: no student reaches an average accuracy on validation of 62.0 %; nearest is ")
    assert evendistill("select", *told_of, "--rule", "average-above", "--floor", 0.22)[0] == 0
    code, out, _ = evendistill("report", *told_of)
    assert code == 0
    assert "Nothing was selected: no student reaches" in " ".join(out.split())
    assert (sweep.runs / "reports" / "recipe" / "table.md").is_file()


def test_a_rule_is_told_with_its_number():
    assert told(None, None, None, None) is None
    assert told("best-robust", None, None, None) == BestRobust()
    assert told("paper", None, None, None) == PaperRule(rule="paper", factor=1)
    assert told("paper", 3.5, None, None) == PaperRule(rule="paper", factor=3.5)
    assert told("weighted-sum", None, 0.0, None) == WeightedSum(rule="weighted-sum", weight=0)
    assert told("average-above", None, None, 0.5) == AverageAbove(rule="average-above", robust_floor=0.5)
    assert told("robust-above", None, None, 1.0) == RobustAbove(rule="robust-above", average_floor=1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((None, None, None, 0.5), "floor belongs to a rule; name it with --rule"),
        ((None, 1.0, 0.5, None), "factor, weight belongs to a rule"),
        (("best", None, None, None), "rule must be one of paper, best-robust, weighted-sum, average-above, robust-ab"),
        (("best-robust", 1.0, None, None), "rule best-robust takes no number, got factor"),
        (("paper", None, None, 0.5), "rule paper takes factor, got floor"),
        (("robust-above", None, None, None), "rule robust-above needs a floor from 0 to 1"),
        (("average-above", None, None, 1.01), r"must lie in \[0, 1\]"),
        (("weighted-sum", None, -0.1, None), r"must lie in \[0, 1\]"),
        (("weighted-sum", None, float("nan"), None), r"must lie in \[0, 1\]"),
        (("paper", -1.0, None, None), "a factor be at least 0"),
        (("paper", float("nan"), None, None), "a factor be at least 0"),
        (("paper", float("inf"), None, None), "a factor be at least 0"),
    ],
)
def test_a_rule_that_is_told_wrongly_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        told(*given)


@pytest.mark.parametrize("rule", [each for each, _ in RULES])
def test_every_rule_has_words(rule):
    assert in_words(rule_of(rule)).startswith("best ")
