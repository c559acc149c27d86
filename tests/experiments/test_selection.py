"""Who ships is decided on validation alone, whatever the test results are."""

import builtins
import io
from pathlib import Path

import pytest

from evendistill.experiments import results
from evendistill.experiments.rules import AverageAbove, PaperRule
from evendistill.experiments.selection import best_of_each_group, on_validation, rivals, select


def choose(sweep, robust_k=1):
    """Names of the cells chosen in the first stage, and of the one chosen in the second."""
    found = on_validation(sweep.cells, sweep.runs, robust_k=robust_k)
    chosen = select(sweep.cells, found)
    first = [described(sweep.cells[position]) for position in best_of_each_group(sweep.cells, found)]
    return first, None if chosen is None else described(sweep.cells[chosen])


def described(cell):
    if cell.student is None:
        return f"{cell.teacher.name} teacher"
    return f"{cell.student.name} at {cell.listening.temperature:g}"


def by_objective(**worst):
    """Recalls whose least is told by objective; a teacher is better than any student."""
    return lambda spec: [0.95, worst[spec.objective.name]] if spec.role == "student" else [0.99, 0.98]


def test_the_student_with_the_best_robust_metric_on_validation_is_chosen(finished_sweep, plain):
    sweep = finished_sweep(plain, by_objective(standard=0.2, balanced=0.6, robust=0.5))
    first, chosen = choose(sweep)
    assert first == ["standard teacher", "standard at 3", "balanced at 3", "robust at 3"]
    assert chosen == "balanced at 3"


def test_the_test_results_change_no_selection_nor_does_their_absence(finished_sweep, plain):
    on_val = by_objective(standard=0.2, balanced=0.6, robust=0.5)
    told = choose(finished_sweep(plain, on_val, by_objective(standard=0.9, balanced=0.0, robust=0.1)))
    sweep = finished_sweep(plain, on_val, by_objective(standard=0.0, balanced=0.1, robust=0.9))
    assert choose(sweep) == told
    tests = sorted(sweep.runs.glob("*/test.json"))
    assert len(tests) == 8
    for path in tests:
        path.write_bytes(b"garbage")
    assert choose(sweep) == told
    for path in tests:
        path.unlink()
    assert choose(sweep) == told


def test_selection_opens_no_other_result_than_validation(finished_sweep, plain, monkeypatch):
    opened, really = set(), builtins.open

    def note(path, *told, **more):
        opened.add(Path(path).name)
        return really(path, *told, **more)

    sweep = finished_sweep(plain, by_objective(standard=0.2, balanced=0.6, robust=0.5))
    monkeypatch.setattr(builtins, "open", note)
    monkeypatch.setattr(io, "open", note)  # what Path opens with
    choose(sweep)
    assert opened == {"DONE", "validation.json"}
    results.read_split(next(iter(sweep.needed.values())), sweep.runs, "test")
    assert "test.json" in opened


def test_temperatures_are_chosen_on_validation_before_students_are_compared(finished_sweep, plain):
    plain["students"] |= {"temperatures": [1, 5], "objectives": ["standard", "robust"]}
    worst = {("standard", 1): 0.7, ("standard", 5): 0.3, ("robust", 1): 0.4, ("robust", 5): 0.6}

    def validation(spec):
        return [0.9, worst[spec.objective.name, spec.listening.temperature] if spec.listening else 0.99]

    def test(spec):
        return [0.9, 1 - validation(spec)[1]]

    first, chosen = choose(finished_sweep(plain, validation, test))
    assert first == ["standard teacher", "standard at 1", "robust at 5"]
    assert chosen == "standard at 1"


def test_repeats_are_averaged_and_never_selected_among(finished_sweep, plain):
    """The balanced student has the best seed of all, and the worst."""
    plain["students"]["objectives"] = ["balanced", "robust"]

    def validation(spec):
        if spec.objective.name == "balanced":
            return [0.95, 0.9 if spec.order_seed == 0 else 0.1]
        return [0.95, 0.55]

    assert choose(finished_sweep(plain, validation))[1] == "robust at 3"


@pytest.mark.parametrize("better", ["standard", "balanced", "robust"])
def test_a_tie_goes_to_the_higher_average(finished_sweep, plain, better):
    sweep = finished_sweep(plain, lambda spec: [0.9 if spec.objective.name == better else 0.8, 0.5])
    assert choose(sweep)[1] == f"{better} at 3"


@pytest.mark.parametrize("objectives", [["standard", "balanced", "robust"], ["robust", "balanced", "standard"]])
def test_a_tie_in_both_goes_to_the_smaller_hash(finished_sweep, plain, objectives):
    plain["students"]["objectives"] = objectives
    sweep = finished_sweep(plain, lambda spec: [0.9, 0.5])
    students = [cell for cell in sweep.cells if cell.student is not None]
    assert choose(sweep)[1] == described(min(students, key=lambda cell: cell.runs[0].hash))


def test_teachers_are_not_shipped(finished_sweep, plain):
    sweep = finished_sweep(plain, by_objective(standard=0.1, balanced=0.1, robust=0.2))
    assert choose(sweep)[1] == "robust at 3"
    del plain["students"]
    assert choose(finished_sweep(plain, lambda spec: [0.9, 0.5])) == (["standard teacher"], None)


def rival_of(sweep, rule=None):
    position = next(iter(rivals(sweep.cells, on_validation(sweep.cells, sweep.runs, robust_k=1), rule)), None)
    if position is None:
        return None
    cell = sweep.cells[position]
    return cell.baseline.kind if cell.baseline else f"{cell.student.name} of {cell.teacher and cell.teacher.name}"


@pytest.fixture
def measured(finished_sweep, plain):
    """A sweep with students alone and a baseline; their recalls, and those of the grid's students, are told."""
    plain["students"] |= {"alone": True, "objectives": ["standard", "robust"]}

    def make(alone, baseline, students, standard=(0.9, 0.1)):
        def found(spec):
            if spec.mend is not None:
                return baseline
            if spec.role == "student":
                return standard if spec.objective.name == "standard" else students
            return alone if spec.network.hidden == (4,) and spec.objective.name == "robust" else [0.9, 0.0]

        return finished_sweep(plain | {"baselines": ["costs-afterwards", "post-shift"]}, found)

    return make


def test_what_the_rule_would_rather_choose_is_found_among_what_the_grid_is_measured_against(measured):
    assert rival_of(measured([0.9, 0.6], [0.9, 0.5], [0.9, 0.4])) == "robust of None"
    found = rival_of(measured([0.9, 0.4], [0.9, 0.5], [0.9, 0.3]))
    assert found == "costs-afterwards"  # and not post-shift, which is a teacher's network
    assert rival_of(measured([0.9, 0.4], [0.9, 0.5], [0.9, 0.6])) is None


def test_it_must_meet_the_rule_as_any_other(measured):
    rule = PaperRule(rule="paper")
    assert rival_of(measured([0.5, 0.6], [0.9, 0.0], [0.9, 0.2], standard=(0.9, 0.3)), rule) is None
    assert rival_of(measured([0.7, 0.6], [0.9, 0.0], [0.9, 0.2], standard=(0.9, 0.3)), rule) == "robust of None"
    assert (
        rival_of(measured([0.9, 0.6], [0.9, 0.7], [0.9, 0.4]), AverageAbove(rule="average-above", robust_floor=0.9))
        is None
    )


def test_a_baseline_that_is_a_student_of_the_grid_is_no_rival(finished_sweep, plain):
    sweep = finished_sweep(
        plain | {"baselines": ["balanced-student"]}, by_objective(standard=0.2, balanced=0.6, robust=0.5)
    )
    assert choose(sweep)[1] == "balanced at 3"
    assert rival_of(sweep) is None


def test_nor_is_one_that_the_grid_has_at_another_temperature(finished_sweep, plain):
    plain["students"] |= {"temperatures": [1, 3], "objectives": ["standard"]}

    def found(spec):
        if spec.role == "teacher":
            return [0.9, 0.9]
        return [0.9, 0.3] if spec.listening.temperature == 1 else [0.4, 0.4]

    sweep = finished_sweep(plain | {"baselines": ["standard-distillation"]}, found)
    assert choose(sweep)[1] == "standard at 3"
    assert rival_of(sweep, AverageAbove(rule="average-above", robust_floor=0.2)) is None


def test_the_robust_metric_may_be_the_mean_of_several_classes(finished_sweep, plain):
    recalls = {"standard": [0.1, 0.9, 0.9], "balanced": [0.3, 0.4, 0.9], "robust": [0.2, 0.2, 0.9]}
    sweep = finished_sweep(plain, lambda spec: recalls[spec.objective.name])
    assert choose(sweep, robust_k=1)[1] == "balanced at 3"
    assert choose(sweep, robust_k=2)[1] == "standard at 3"


def test_an_absent_class_does_not_make_a_student_look_bad(finished_sweep, plain):
    recalls = {"standard": [None, 0.6], "balanced": [0.5, 0.9], "robust": [0.5, 0.9]}
    sweep = finished_sweep(plain, lambda spec: recalls[spec.objective.name])
    assert choose(sweep)[1] == "standard at 3"


def test_an_unfinished_run_stops_the_choice(finished_sweep, plain):
    sweep = finished_sweep(plain, lambda spec: [0.9, 0.5])
    next(sweep.runs.glob("*/DONE")).unlink()
    with pytest.raises(ValueError, match="is not finished"):
        choose(sweep)
