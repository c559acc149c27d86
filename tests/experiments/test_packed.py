"""Runs that take turns in one process end as they would alone; a sweep that stops on time goes on from there."""

import itertools
from types import SimpleNamespace

import pytest
import torch

from evendistill.experiments.engines.choice import How
from evendistill.experiments.engines.packed import PackedEngine
from evendistill.experiments.sweep import Sweep
from evendistill.training.turns import Turn, drained, drained_until

RESULTS = ("model.safetensors", "validation.json", "test.json")
CPU = torch.device("cpu")


@pytest.fixture
def swept(plain, write_recipe, tmp_path):
    """A small sweep with batch norm on one side and a robust objective on both, laid over a new folder."""
    plain["teachers"] = {"network": {"kind": "convnet", "width": 2}, "objectives": ["standard", "robust"]}
    plain["training"] = {"epochs": 3, "batch_size": 64, "update_every": 3}
    path = write_recipe(plain)

    def lay(name):
        return Sweep.read(path, tmp_path / name)

    return lay


def results(sweep):
    return {
        (spec.folder_name, name): (sweep.runs / spec.folder_name / name).read_bytes()
        for spec in sweep.needed.values()
        for name in RESULTS
    }


def test_packed_runs_are_the_runs_alone_bit_for_bit(swept):
    alone, packed = swept("alone"), swept("packed")
    assert [outcome.error for outcome in alone.train(How(jobs=1, pack=1))] == [None] * len(alone.needed)
    assert len(packed.train(How(jobs=1, pack=5))) == len(packed.needed)
    assert results(packed) == results(alone)


def test_what_is_cut_off_by_the_clock_goes_on_bit_for_bit(swept, monkeypatch):
    undisturbed, stopped = swept("undisturbed"), swept("stopped")
    undisturbed.train(How(jobs=1, pack=3))
    ticks = itertools.count()  # a second passes whenever somebody looks at the clock
    monkeypatch.setattr("evendistill.experiments.sweep.time", SimpleNamespace(monotonic=lambda: next(ticks)))
    cut_off = 0
    for _ in range(100):
        outcomes = stopped.train(How(jobs=1, pack=3, minutes=2 / 60))
        folders = [stopped.runs / stopped.needed[each.hash].folder_name for each in outcomes if each.end == "cut off"]
        assert all((folder / "checkpoint.pt").is_file() for folder in folders if (folder / "metrics.jsonl").is_file())
        cut_off += len(folders)
        if not stopped.missing():
            break
    assert cut_off > 2
    assert results(stopped) == results(undisturbed)


def test_workers_stop_on_time_too(swept):
    sweep = swept("runs")
    outcomes = sweep.train(How(jobs=2, minutes=0))
    assert outcomes == []
    assert len(sweep.missing()) == len(sweep.needed)


def test_a_run_that_fails_takes_its_students_along_and_no_other(plain, write_recipe, tmp_path):
    plain["teachers"]["objectives"] = ["standard", "robust"]
    plain["teachers"]["training"] = {"epochs": 2, "learning_rate": 1e30}
    plain["students"]["objectives"] = ["standard"]
    sweep = Sweep.read(write_recipe(plain), tmp_path / "runs")
    outcomes = {outcome.hash: outcome for outcome in sweep.train(How(jobs=1, pack=3))}
    assert set(outcomes) == set(sweep.needed)
    for name, spec in sweep.needed.items():
        assert outcomes[name].is_input
        assert ("teacher failed" if spec.teacher else "the loss became") in (outcomes[name].error or "")


def test_a_pack_has_one_number_of_threads(plain, write_recipe, tmp_path):
    plain["students"]["training"] = {"epochs": 2, "threads": 2}
    sweep = Sweep.read(write_recipe(plain), tmp_path / "runs")
    with pytest.raises(ValueError, match="one number of threads"):
        PackedEngine(sweep.runs, sweep.needed, width=2)


@pytest.mark.parametrize("told", [{"pack": 2}, {"minutes": 1.0}])
def test_torchrun_neither_packs_nor_stops_on_time(swept, monkeypatch, told):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="leave engine, pack, minutes and cell out"):
        swept("runs").train(How(jobs=1, **told))


def numbers(count, saved):
    """Draws numbers from the global generator, one a step; notes what it had when it is closed."""
    drawn = []
    try:
        for _ in range(count):
            drawn.append(torch.rand(()).item())
            yield
    except GeneratorExit:
        saved.append(list(drawn))
        raise
    return drawn


def test_turns_have_random_numbers_of_their_own():
    torch.manual_seed(3)
    expected = drained(numbers(6, []))
    torch.manual_seed(3)
    turns = [Turn(numbers(6, []), CPU) for _ in range(2)]
    found = [None, None]
    while None in found:
        found = [turn.take(2) if result is None else result for turn, result in zip(turns, found, strict=True)]
    assert found == [expected, expected]
    assert torch.rand(()).item() == expected[0], "the caller's own random state is where it was"


def test_work_that_is_stopped_is_closed():
    saved = []
    assert drained_until(numbers(5, saved), lambda: True) is None
    assert len(saved[0]) == 1
    assert drained_until(numbers(5, saved), lambda: False) is not None
    turn = Turn(numbers(5, saved), CPU)
    assert turn.take(3) is None
    turn.close()
    assert len(saved[1]) == 3
