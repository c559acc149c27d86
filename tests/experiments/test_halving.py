"""Trials of successive halving, and which students go on after them."""

import json
import sys
import warnings

import pytest
import yaml

from evendistill import cli
from evendistill.experiments.grid import every_run
from evendistill.experiments.halving import ranked, shortened, survivors, trials
from evendistill.experiments.report.table import make_table
from evendistill.experiments.results import Estimate, Found, is_finished
from evendistill.experiments.sweep import Sweep
from evendistill.training.recipe import Recipe

STEPS = {"epochs": 40, "schedule": "step", "milestones": [12, 24, 36], "warmup_epochs": 8}
# validation average and least recall of the trials of (teacher, student); the layers were found by hand
TRIED = {
    ("standard", "standard"): (0.9, 0.1),  # first layer
    ("standard", "balanced"): (0.7, 0.5),  # first layer
    ("standard", "robust"): (0.6, 0.5),  # second: as the one above, at a lower average
    ("robust", "standard"): (0.85, 0.05),  # second
    ("robust", "balanced"): (0.55, 0.45),  # third
    ("robust", "robust"): (0.5, 0.4),  # fourth
}
ORDER = [("standard", "balanced"), ("standard", "standard"), ("standard", "robust"), ("robust", "standard")]
ORDER += [("robust", "balanced"), ("robust", "robust")]


@pytest.fixture
def searching(plain):
    """Two teachers and three students, two seeds, one baseline with a teacher of its own and one without."""
    plain["teachers"]["objectives"] = ["standard", "robust"]
    told = {"training": STEPS, "search": {"epochs": 0.25, "keep": 0.34}}
    return plain | told | {"baselines": ["post-shift", "reweighted"]}


def recalls(average, worst):
    return [(10 * average - worst) / 9] * 9 + [worst]


def tried(spec):
    if spec.listening is None:
        return [0.9, 0.8, 0.7]
    return recalls(*TRIED[spec.teacher.objective.name, spec.objective.name])


def pair(cell):
    return cell.teacher.name, cell.student.name


def students(cells):
    return [pair(cell) for cell in cells if cell.is_student]


def test_a_trial_is_the_first_seed_of_a_student_for_a_share_of_its_epochs(read_plain, searching, tmp_path):
    grid = read_plain(searching)
    cells = Sweep.read(tmp_path / "recipe.yaml", tmp_path / "runs").cells
    assert students(cells) == list(TRIED)
    for cell in cells:
        (run,) = cell.runs
        assert (run.order_seed, run.initialisation_seed, cell.baseline) == (0, 0, None)
        assert (run.training.epochs, run.training.milestones, run.training.warmup_epochs) == (10, (3, 6, 9), 2)
        assert run.teacher is not None
        assert (run.teacher.training.epochs, run.teacher.training.milestones) == (40, (12, 24, 36))
    assert trials(grid.model_copy(update={"search": None}), cells) == ()


@pytest.mark.parametrize(
    ("told", "share", "expected"),
    [
        (STEPS, 0.25, (10, (3, 6, 9), 2, "step")),
        (STEPS, 1.0, (40, (12, 24, 36), 8, "step")),
        (STEPS, 0.05, (2, (1,), 0, "step")),
        (STEPS, 0.01, (1, (), 0, "constant")),
        ({"epochs": 3, "warmup_epochs": 2}, 0.5, (2, (), 1, "cosine")),
        ({"epochs": 10, "schedule": "constant"}, 0.34, (3, (), 0, "constant")),
    ],
)
def test_the_whole_schedule_fits_into_the_share(told, share, expected):
    full = Recipe(**{**told, "gain": "cross_entropy"})
    short = shortened(full, share)
    assert (short.epochs, short.milestones, short.warmup_epochs, short.schedule) == expected
    assert (short.gain, short.batch_size, short.learning_rate) == ("cross_entropy", 128, 0.1)


def found(average, robust):
    return Found(Estimate(average, None), Estimate(robust, None), ())


def test_students_are_ranked_by_frontiers_and_then_by_the_robust_metric(finished_sweep, searching):
    cells = finished_sweep(searching, tried).cells
    order = ranked(cells, [found(*TRIED[pair(cell)]) for cell in cells])
    assert [pair(cells[at]) for at in order] == ORDER


def test_equals_are_ranked_by_hash_and_what_is_no_number_last(finished_sweep, searching):
    cells = finished_sweep(searching, tried).cells
    order = ranked(cells, [found(0.5, 0.5)] * 5 + [found(float("nan"), 0.9)])
    assert order[-1] == 5
    assert order[:-1] == sorted(range(5), key=lambda at: cells[at].runs[0].hash)


def test_the_recipe_is_tried_first_and_trains_the_rest_then(finished_sweep, searching):
    before = finished_sweep(searching, tried)
    assert before.is_trial
    assert len(before.needed) == 2 + 6  # teachers of the first seed, students of the first seed
    assert before.epochs() == 2 * 40 + 6 * 10
    after = Sweep.read(before.recipe, before.runs)
    assert not after.is_trial
    assert students(after.cells) == [each for each in TRIED if each in ORDER[:3]]  # the better third of six, rounded up
    assert after.tried.keys() == before.needed.keys()
    # trials, teachers, students of two seeds, reweighted; the shifts train nothing, the first teachers count once
    assert after.epochs() == 6 * 10 + (2 + 1) * 40 + 3 * 2 * 40 + 2 * 40
    missing = list(after.missing().values())
    assert {run.training.epochs for run in missing} == {40}
    assert sum(run.listening is not None for run in missing) == 3 * 2


def test_the_processes_that_train_know_every_trial_and_every_run(finished_sweep, searching):
    before = finished_sweep(searching, tried)
    after = Sweep.read(before.recipe, before.runs)
    assert every_run(before.grid).keys() >= before.needed.keys() | after.needed.keys()
    assert sum(run.training.epochs == 10 for run in every_run(before.grid).values()) == 6


def test_teachers_without_students_drop_out_and_baselines_stay(finished_sweep, searching):
    before = finished_sweep(searching, tried)
    cells = Sweep.read(before.recipe, before.runs).cells
    teachers = [cell.teacher for cell in cells if cell.student is None and cell.baseline is None]
    assert [teacher.name for teacher in teachers if teacher] == ["standard"]
    assert [cell.baseline.kind for cell in cells if cell.baseline] == ["post-shift", "reweighted"]
    assert [len(cell.runs) for cell in cells] == [2] * 6


def test_a_baseline_keeps_the_teacher_that_its_students_have_lost(finished_sweep, searching):
    told = [{"kind": "post-shift", "teacher": "robust"}]
    before = finished_sweep(searching | {"baselines": told}, tried)
    after = Sweep.read(before.recipe, before.runs)
    assert [cell.teacher.name for cell in after.cells if cell.teacher and not cell.student] == ["standard", "robust"]
    assert [run.teacher.objective.name for run in after.needed.values() if run.mend and run.teacher] == ["robust"] * 2


def test_one_unfinished_trial_keeps_everything_open(finished_sweep, searching):
    before = finished_sweep(searching, tried)
    last = list(before.needed.values())[-1]
    (before.runs / last.folder_name / "DONE").unlink()
    again = Sweep.read(before.recipe, before.runs)
    assert again.is_trial
    assert list(again.missing()) == [last.hash]
    with pytest.raises(ValueError, match="is not finished"):
        make_table(again)
    with pytest.raises(ValueError, match="is not finished"):
        survivors(again.grid, (*again.cells, again.cells[0]), again.runs)


@pytest.mark.parametrize(("keep", "count"), [(0.01, 1), (0.34, 3), (0.5, 3), (0.51, 4), (1.0, 6)])
def test_the_best_share_is_rounded_up(finished_sweep, searching, keep, count):
    before = finished_sweep(searching | {"search": {"keep": keep}}, tried)
    after = Sweep.read(before.recipe, before.runs)
    assert set(students(after.cells)) == set(ORDER[:count])


def test_a_trial_of_all_epochs_is_the_first_seed_itself(finished_sweep, searching):
    before = finished_sweep(searching | {"search": {"epochs": 1, "keep": 1}}, tried)
    after = Sweep.read(before.recipe, before.runs)
    assert before.needed.keys() < after.needed.keys()
    assert after.epochs() == 40 * (2 * 2 + 6 * 2 + 2)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"keep": 0}, "search.keep: must be above 0, got 0"),
        ({"epochs": 1.5}, "search.epochs: must be at most 1"),
        ({"keeps": 0.5}, "unknown field search.keeps; did you mean keep?"),
    ],
)
def test_a_search_that_cannot_be_is_refused(read_plain, searching, told, words):
    with pytest.raises(ValueError, match=r"recipe\.yaml: ") as error:
        read_plain(searching | {"search": told})
    assert words in str(error.value)


@pytest.fixture
def run_json(monkeypatch, capsys):
    """``evendistill run`` in this process: what it printed, read."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["evendistill", "run", *map(str, words), "--pack", "4", "--json"])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert not ended.value.code, err
        return json.loads(out)

    return call


def test_a_search_trains_trials_and_survivors_and_nothing_else(run_json, plain, tmp_path):
    plain["teachers"]["objectives"] = ["standard", "robust"]
    changes = {"training": {"epochs": 4, "batch_size": 128, "update_every": 8}, "seeds": 1}
    path = tmp_path / "search.yaml"
    told = {"search": {"epochs": 0.25, "keep": 0.34}, "data": {"source": "digits", "imbalance": 3}}
    path.write_text(yaml.safe_dump(plain | changes | told))
    first = run_json(path, "--out", tmp_path / "runs")
    sweep = Sweep.read(path, tmp_path / "runs")
    runs = sweep.tried | sweep.needed
    assert len(sweep.tried) == 2 + 6
    assert len(students(sweep.cells)) == 3
    assert first["trained"] == len(runs) == 8 + 3
    assert all(is_finished(spec, sweep.runs) for spec in runs.values())
    assert {path.parent.name for path in sweep.runs.glob("*/DONE")} == {spec.folder_name for spec in runs.values()}
    found_at = {path: path.stat().st_mtime_ns for path in sweep.runs.glob("*-*/*")}
    again = run_json(path, "--out", tmp_path / "runs")
    assert (again["trained"], again["cells"]) == (0, first["cells"])
    assert found_at == {path: path.stat().st_mtime_ns for path in sweep.runs.glob("*-*/*")}
