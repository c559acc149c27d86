"""How far a sweep is, while it goes on."""

import json
import sys

from evendistill.experiments.report import going
from evendistill.experiments.report.going import progress, trained
from evendistill.experiments.sweep import Sweep


def lease(folder, **told):
    folder.mkdir()
    (folder / "lease.json").write_text(json.dumps({"host": "a", "boot": "b", "pid": 1, **told}))


def test_runs_count_by_their_steps(tmp_path):
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "DONE").write_text("{}")
    lease(tmp_path / "half", step=50, steps=100)
    lease(tmp_path / "begun")
    lease(tmp_path / "odd", step="50", steps=0)
    names = ("done", "half", "begun", "odd", "waiting")
    assert trained([tmp_path / name for name in names]) == 1.5


def test_a_bar_follows_the_steps_on_a_terminal_and_elsewhere_there_is_none(
    tmp_path, write_recipe, plain, monkeypatch, capsys
):
    sweep = Sweep.read(write_recipe(plain), tmp_path / "runs")
    with progress(sweep) as on_outcome:
        on_outcome(None)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "8 runs, 0 finished already, 8 to train\n"
    seen = []
    monkeypatch.setattr(going, "EVERY", 0.01)
    monkeypatch.setattr(going, "trained", lambda folders: seen.append(len(folders)) or len(seen) / 100)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress(sweep):
        while len(seen) < 3:
            pass
    assert set(seen) == {8}
