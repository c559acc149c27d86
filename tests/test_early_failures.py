"""Runs that fail before they have a folder of their own: the cause is kept and shown, and may be cleaned away.

What a command can find by itself it finds before anything is trained; so here all is well when it looks, and no longer
so where the runs are trained, as on another machine.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

RECIPE = """
name: early
data: {source: DATA, imbalance: 5}
training: {epochs: 1, batch_size: 64, update_every: 4}
teachers:
  network: {kind: own, path: "early_net:network"}
  objectives: [standard]
students:
  network: {kind: mlp, hidden: [8]}
  objectives: [robust]
  validation_labels: [true]
seeds: 1
"""
NETWORK = """
import os
import torch

def network(num_classes, width=None):
    if "LOOKED" in os.environ:
        LATER
    else:
        os.environ["LOOKED"] = "yes"
        FIRST
    last = torch.nn.Linear(width, num_classes) if width else torch.nn.LazyLinear(num_classes)
    return torch.nn.Sequential(torch.nn.Flatten(), last)
"""
NOT_IMPORTABLE = "from evendistill.models.own import imported; imported('no_such:network')"
CAUSE = "'no_such:network': no_such cannot be imported"


@pytest.fixture
def evendistill(tmp_path):
    def call(*words):
        command, told = [sys.executable, "-m", "evendistill", *words], {"PYTHONPATH": _path(tmp_path)}
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | told, timeout=300, check=False
        )

    return call


def _path(folder):
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


def _folder(folder: Path) -> str:
    """Of the only run that failed."""
    (mark,) = folder.glob("runs/*/FAILED")
    return mark.parent.name


def write(folder: Path, later: str = "pass", first: str = "pass", data: str = "digits") -> None:
    (folder / "early.yaml").write_text(RECIPE.replace("DATA", data))
    (folder / "early_net.py").write_text(NETWORK.replace("LATER", later).replace("FIRST", first))
    labels = np.arange(100) % 10
    np.savez(folder / "digits.npz", x=np.eye(10, 64, dtype=np.float32)[labels].reshape(-1, 1, 8, 8), y=labels)


def told(evendistill):
    """The states of the runs, and the notes of those that failed."""
    runs = json.loads(evendistill("status", "runs", "--json").stdout)["runs"]
    return [run["state"] for run in runs], [run["note"] for run in runs if run["state"] == "failed"]


@pytest.mark.parametrize(
    ("trouble", "cause"),
    [
        ({"later": NOT_IMPORTABLE}, CAUSE),
        ({"later": "width = 63"}, "mat1 and mat2 shapes cannot be multiplied"),
        (
            {"data": "./digits.npz", "first": "os.remove('digits.npz')"},
            "./digits.npz: there is no such file or folder",
        ),
    ],
    ids=["not importable", "of another width", "no data"],
)
@pytest.mark.parametrize("engine", [("--jobs", "1"), ("--pack", "2")], ids=" ".join)
def test_the_cause_is_shown_and_it_is_not_tried_again_by_itself(evendistill, tmp_path, trouble, cause, engine):
    write(tmp_path, **trouble)
    first = evendistill("run", "early.yaml", *engine)
    assert cause in first.stderr
    states, (note,) = told(evendistill)
    assert states == ["failed", "waiting"]
    assert cause in note
    assert "\n" not in note
    assert cause in " ".join(evendistill("status", "runs").stdout.split())
    write(tmp_path, data=trouble.get("data", "digits"))
    again = evendistill("run", "early.yaml", *engine)
    assert again.returncode == first.returncode != 0
    assert "what has failed before was not tried again; --retry-failed does that" in again.stderr
    assert f"failed earlier: {_folder(tmp_path)}: {note}" in again.stderr


def test_it_is_tried_again_if_that_is_asked_for(evendistill, tmp_path):
    write(tmp_path, NOT_IMPORTABLE)
    evendistill("run", "early.yaml", "--jobs", "1")
    write(tmp_path)
    done = evendistill("run", "early.yaml", "--jobs", "1", "--retry-failed")
    assert done.returncode == 0, done.stderr
    assert told(evendistill) == (["finished", "finished"], [])


def test_a_trial_tries_again_what_failed(evendistill, tmp_path):
    write(tmp_path, NOT_IMPORTABLE)
    assert CAUSE in evendistill("run", "early.yaml", "--smoke", "--jobs", "1").stderr
    write(tmp_path)
    done = evendistill("run", "early.yaml", "--smoke", "--jobs", "1")
    assert done.returncode == 0, done.stderr


def test_it_may_be_cleaned_away(evendistill, tmp_path):
    write(tmp_path, NOT_IMPORTABLE)
    evendistill("run", "early.yaml", "--jobs", "1")
    (found,) = json.loads(evendistill("clean", "runs", "--yes", "--json").stdout)["removed"]
    assert found["kind"] == "failed"
    assert told(evendistill) == (["waiting", "waiting"], [])


def test_a_cut_off_run_that_cannot_go_on_says_why_and_keeps_what_it_has(evendistill, tmp_path):
    write(tmp_path)
    assert evendistill("run", "early.yaml", "--jobs", "1").returncode == 0
    (student,) = tmp_path.glob("runs/*-from-*")
    (teacher,) = {path.parent for path in tmp_path.glob("runs/*/DONE")} - {student}
    for folder in (teacher, student):
        (folder / "DONE").unlink()
    (teacher / "checkpoint.pt").write_bytes(b"as far as it came")
    write(tmp_path, NOT_IMPORTABLE)
    evendistill("run", "early.yaml", "--jobs", "1")
    states, (note,) = told(evendistill)
    assert states == ["failed", "cut off"]
    assert CAUSE in note
    assert (teacher / "checkpoint.pt").read_bytes() == b"as far as it came"


def test_processes_that_share_a_run_keep_its_cause_too(evendistill, tmp_path):
    write(tmp_path, NOT_IMPORTABLE)
    (tmp_path / "early.yaml").write_text(
        (tmp_path / "early.yaml").read_text().replace("epochs: 1", "epochs: 1, processes: 2")
    )
    together = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*together, "-m", "evendistill", "run", "early.yaml"]
    env = os.environ | {"PYTHONPATH": _path(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=300, check=False)
    assert done.returncode == 1
    states, (note,) = told(evendistill)
    assert states == ["failed"]
    assert CAUSE in note
