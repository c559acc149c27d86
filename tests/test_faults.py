"""What may befall a sweep from outside, signals apart: a lack of memory, and clocks that jump."""

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evendistill.experiments.engines.choice import How
from evendistill.experiments.sweep import Sweep

RECIPE = """
name: two
data: {source: digits, imbalance: 10}
training: {epochs: 150, batch_size: 32, update_every: 3, checkpoint_every: 1000}
teachers:
  network: {kind: mlp, hidden: [32]}
  objectives: [standard, robust]
seeds: 1
"""
HUNGRY = """
students:
  network: {kind: own, path: "hungry:network"}
  objectives: [standard, robust]
  validation_labels: [true]
"""
NETWORK = """
import os
import torch

class Network(torch.nn.Sequential):
    steps = 0

    def forward(self, images):
        self.steps += self.training and torch.is_grad_enabled()
        if self.steps == 20 and (hunger := os.environ.pop("HUNGER", None)):
            exec(hunger)
        return super().forward(images)

def network(num_classes):
    return Network(torch.nn.Flatten(), torch.nn.LazyLinear(num_classes))
"""
CLOCK = """
import itertools, os, time
real, replace, sign = time.time, os.replace, itertools.cycle([1, -1])
time.time = lambda: real() + next(sign) * 1e6

def noted(source, target):
    replace(source, target)
    if str(target).endswith("checkpoint.pt"):
        with open(os.environ["SAVES"], "a") as file:
            print(time.monotonic(), target, file=file)

os.replace = noted
"""
RESULTS = ("model.safetensors", "validation.json", "test.json")


def results(runs: Path) -> dict[str, bytes]:
    done = [path.parent for path in runs.glob("*/DONE")]
    return {f"{run.name}/{name}": (run / name).read_bytes() for run in done for name in RESULTS}


def events(folder: Path) -> set[tuple[str, ...]]:
    logs = [path.read_text().splitlines() for path in folder.glob("runs/*/log.jsonl")]
    return {tuple(json.loads(line)["event"] for line in log) for log in logs}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "two.yaml").write_text(RECIPE)
    Sweep.read(folder / "two.yaml", folder / "runs").train(How(pack=2))
    return results(folder / "runs")


@pytest.fixture
def evendistill(command_line, tmp_path):
    """The command line in an empty folder: exit code and standard error."""
    return lambda *words: command_line(tmp_path, *words)[::2]


@pytest.mark.parametrize(
    "hunger",
    [
        "raise MemoryError",
        "raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB.\\nGPU 0 has too little.')",
        "torch.empty(2**60, dtype=torch.uint8)",
    ],
    ids=["of Python", "of a GPU", "of a CPU"],
)
def test_a_run_that_lacks_memory_is_recorded_with_its_cause_and_the_rest_goes_on(
    evendistill, monkeypatch, tmp_path, hunger
):
    (tmp_path / "hungry.py").write_text(NETWORK)
    (tmp_path / "two.yaml").write_text((RECIPE + HUNGRY).replace("150", "3").replace("1000", "0"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "hungry", raising=False)
    assert evendistill("run", "two.yaml", "--out", "straight", "--pack", "2") == (
        0,
        "6 runs, 0 finished already, 6 to train\n",
    )
    monkeypatch.setenv("HUNGER", hunger)
    code, err = evendistill("run", "two.yaml", "--pack", "2")
    (mark,) = tmp_path.glob("runs/*/FAILED")
    assert (code, err.count("\n")) == (1, 2)
    assert f"failed: {mark.parent.name}: out of memory: " in err
    assert len(list(tmp_path.glob("runs/*/DONE"))) == 5
    code, err = evendistill("run", "two.yaml", "--pack", "2")
    assert (code, err.count("\n")) == (1, 3)
    cause = json.loads(mark.read_text())["error"]
    assert "memory" in cause.lower()
    assert f"failed earlier: {mark.parent.name}: {' '.join(cause.split())}\n" in err
    assert evendistill("run", "two.yaml", "--pack", "2", "--retry-failed")[0] == 0
    assert results(tmp_path / "runs") == results(tmp_path / "straight")
    assert events(tmp_path) == {("began", "finished"), ("began", "failed", "began", "finished")}


@pytest.mark.parametrize("jump", [1e6, -1e6])
def test_a_clock_that_jumps_neither_ends_a_sweep_early_nor_keeps_it_going(monkeypatch, tmp_path, undisturbed, jump):
    real, calls = time.time, itertools.count()
    monkeypatch.setattr(time, "time", lambda: real() + next(calls) * jump)
    (tmp_path / "two.yaml").write_text(RECIPE)
    sweep = Sweep.read(tmp_path / "two.yaml", tmp_path / "runs")
    assert {outcome.end for outcome in sweep.train(How(pack=2, minutes=0.001))} == {"cut off"}
    assert {outcome.end for outcome in sweep.train(How(pack=2, minutes=60))} == {"finished"}
    assert results(tmp_path / "runs") == undisturbed


def test_checkpoints_are_spaced_by_a_clock_that_does_not_jump(tmp_path, undisturbed):
    (tmp_path / "two.yaml").write_text(RECIPE.replace("1000", "0.1"))
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    told = os.environ | {"PYTHONPATH": path, "SAVES": str(tmp_path / "saves")}
    command = [sys.executable, "-m", "evendistill", "run", "two.yaml", "--pack", "2", "--minutes", "30"]
    subprocess.run(command, cwd=tmp_path, env=told, capture_output=True, check=True, timeout=300)
    saves: dict[str, list[float]] = {}
    for line in (tmp_path / "saves").read_text().splitlines():
        moment, name = line.split()
        saves.setdefault(name, []).append(float(moment))
    assert len(saves) == 2
    for moments in saves.values():
        assert len(moments) > 1
        assert all(later - earlier >= 0.099 for earlier, later in itertools.pairwise(moments))
    assert results(tmp_path / "runs") == undisturbed
