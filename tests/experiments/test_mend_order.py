"""Which runs a mend needs, in which order they are trained, and what becomes of a mend whose teachers fail."""

import pytest

from evendistill.experiments.driving import TEACHER_FAILED
from evendistill.experiments.engines.choice import How
from evendistill.experiments.grid import distinct_runs, every_run, expand
from evendistill.experiments.order import ready, without_teacher
from evendistill.experiments.sweep import Sweep

MEAN, ADJUSTED = {"kind": "mean", "others": ["balanced", "robust"]}, {"kind": "adjusted", "alpha": 0.5}
MEAN_NAME, ADJUSTED_NAME = "mean-of-standard-and-balanced-and-robust", "adjusted-0.5-of-standard"


@pytest.fixture
def mending(plain):
    """One teacher in the table and another that only mends need, two mends, one student of each, two seeds."""
    plain["teachers"] |= {"objectives": ["balanced"], "mended": [MEAN, ADJUSTED]}
    plain["students"]["objectives"] = ["standard"]
    return plain


def test_teachers_come_before_their_mends_and_mends_before_students(read_plain, mending):
    grid = read_plain(mending)
    for runs in (distinct_runs(expand(grid)), distinct_runs(expand(grid)[::-1]), every_run(grid)):
        trained = set()
        for name, run in runs.items():
            assert {each.hash for each in run.inputs} <= trained
            trained.add(name)
        assert len(trained) == 2 * (3 + 2 + 3)
        assert {run.objective.name for run in runs.values() if not run.inputs} == {"balanced", "standard", "robust"}


@pytest.mark.parametrize("told", ["matched", {"fixed": 7}])
def test_a_mend_and_all_its_teachers_are_of_one_seed(read_plain, mending, told):
    cells = expand(read_plain(mending | {"teacher_seed": told, "seeds": [4, 6]}))
    of = [cell.teacher.name for cell in cells if cell.teacher]
    assert of == 2 * ["balanced", MEAN_NAME, ADJUSTED_NAME]
    assert [[run.order_seed for run in cell.runs] for cell in cells] == [[4, 6]] * 6
    for cell, name in zip(cells[3:], of[3:], strict=True):
        for seed, run in zip((4, 6), cell.runs, strict=True):
            assert run.teacher is not None
            assert run.teacher.taught_as == name
            expected = seed if told == "matched" else 7
            needed = [run.teacher, *run.teacher.inputs]
            assert {each.order_seed for each in needed} == {each.initialisation_seed for each in needed} == {expected}


def by_kind(runs):
    """Hashes of the first seed's runs by what they are."""
    return {
        ("student of " if run.listening else "") + (run.teacher if run.listening else run).taught_as: name
        for name, run in runs.items()
        if run.order_seed == 0
    }


@pytest.fixture
def needed(read_plain, mending):
    return distinct_runs(expand(read_plain(mending | {"seeds": 1})))


def test_a_mean_waits_for_all_its_teachers_and_its_students_for_it(needed):
    names = by_kind(needed)
    ended = {}
    waiting = dict(needed)
    for teacher in ("standard", "robust", "balanced"):
        assert names[MEAN_NAME] not in ready(waiting, needed, ended)
        ended[names[teacher]] = True
        del waiting[names[teacher]]
    assert names[MEAN_NAME] in ready(waiting, needed, ended)
    assert names[f"student of {MEAN_NAME}"] not in ready(waiting, needed, ended)
    ended[names[MEAN_NAME]] = True
    assert names[f"student of {MEAN_NAME}"] in ready(waiting, needed, ended)
    assert names[MEAN_NAME] in ready(waiting, {name: needed[name] for name in waiting}, {})  # its teachers are trained


@pytest.mark.parametrize(
    ("failed", "lost"),
    [("standard", {MEAN_NAME, ADJUSTED_NAME}), ("robust", {MEAN_NAME}), ("balanced", {MEAN_NAME, "balanced"})],
)
def test_a_failed_teacher_takes_its_mends_and_their_students_along(needed, failed, lost):
    names = by_kind(needed)
    waiting, ended = dict(needed), {names[failed]: False}
    del waiting[names[failed]]
    orphans = without_teacher(waiting, ended)
    assert set(orphans) == {names[f"student of {each}"] for each in lost} | {names[each] for each in lost - {failed}}
    assert orphans == [name for name in needed if name in orphans]
    assert all(ended[name] is False for name in orphans)
    assert not set(orphans) & waiting.keys()
    assert without_teacher(waiting, ended) == []


def test_a_sweep_whose_teachers_fail_ends_and_says_so(mending, write_recipe, tmp_path):
    mending["teachers"]["training"] = {"epochs": 2, "learning_rate": 1e30}
    sweep = Sweep.read(write_recipe(mending | {"seeds": 1}), tmp_path / "runs")
    outcomes = {outcome.hash: outcome for outcome in sweep.train(How(jobs=1, pack=3))}
    assert set(outcomes) == set(sweep.needed)
    for name, spec in sweep.needed.items():
        assert (TEACHER_FAILED if spec.inputs else "the loss became") in (outcomes[name].error or "")
