"""How far a sweep is, while it goes on."""

import json
import sys
import time
from collections import Counter

import pytest

from evendistill.experiments.report import going
from evendistill.experiments.report.going import begun, progress
from evendistill.experiments.sweep import Sweep


def lease(folder, **told):
    folder.mkdir(parents=True)
    (folder / "lease.json").write_text(json.dumps({"host": "a", "boot": "b", "pid": 1, **told}))


@pytest.mark.parametrize(
    ("told", "share"),
    [({"step": 50, "steps": 100}, 0.5), ({"step": 9, "steps": 4}, 1.0), ({}, 0.0), ({"step": "50", "steps": 0}, 0.0)],
)
def test_an_unfinished_run_counts_by_its_steps(tmp_path, told, share):
    lease(tmp_path / "run", **told)
    assert begun(tmp_path / "run") == share
    assert begun(tmp_path / "waiting") == 0.0


def test_elsewhere_than_on_a_terminal_a_line_tells_now_and_then_how_far_it_is(
    tmp_path, write_recipe, plain, monkeypatch, capsys
):
    sweep, told = Sweep.read(write_recipe(plain), tmp_path / "runs"), []
    with progress(sweep):
        pass  # over before there was anything to tell
    assert capsys.readouterr() == ("", "8 runs, 0 finished already, 8 to train\n")
    folders = [tmp_path / "runs" / spec.folder_name for spec in sweep.missing().values()]
    lease(folders[0], step=1, steps=4)
    folders[1].mkdir()
    monkeypatch.setattr(going.typer, "echo", lambda line, *, err: told.append((line, err)))
    monkeypatch.setattr(going, "EVERY_LINE", 0.01)
    with progress(sweep):
        (folders[1] / "DONE").touch()
        wait_until(lambda: len(told) > 2)
    assert told[-1] == ("1 of 8 trained, begun are 25%; 0.0 minutes", True)


def test_a_bar_follows_runs_on_a_terminal_and_looks_at_finished_ones_no_more(
    tmp_path, write_recipe, plain, monkeypatch
):
    sweep, told = Sweep.read(write_recipe(plain), tmp_path / "runs"), []
    folders = [tmp_path / "runs" / spec.folder_name for spec in sweep.missing().values()]
    lease(folders[0], step=1, steps=4)
    monkeypatch.setattr("rich.progress.Progress.update", lambda bar, task, completed: told.append(completed))
    monkeypatch.setattr(going, "EVERY", 0.01)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    looked = Counter()
    monkeypatch.setattr(going, "begun", lambda folder: looked.update([folder]) or begun(folder))
    with progress(sweep):
        wait_until(lambda: told)
        (folders[0] / "DONE").touch()
        wait_until(lambda: told[-1] == 1.0)
        seen = looked[folders[0]]
        wait_until(lambda: looked[folders[1]] > seen + 2)
    assert told[0] == 0.25
    assert looked[folders[0]] == seen


def wait_until(holds):
    """Until it does, for ten seconds at most."""
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)
