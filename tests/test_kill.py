"""kill -9 at random moments, then the same command: the same weights, and no finished run touched."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

RECIPE = """
name: killed
data: {source: digits, imbalance: 10}
training: {epochs: EPOCHS, batch_size: 32, update_every: 3, checkpoint_every: 0.05}
teachers:
  network: {kind: mlp, hidden: [32]}
  objectives: [standard, robust]
students:
  network: {kind: mlp, hidden: [16]}
  objectives: [robust]
seeds: 1
"""
RESULTS = ("model.safetensors", "validation.json", "test.json")


def command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "evendistill", "run", str(folder / "killed.yaml"), "--out", str(folder / "runs")]


def results(folder: Path) -> dict[str, bytes]:
    runs = folder / "runs"
    return {
        str(path.relative_to(runs)): path.read_bytes()
        for done in runs.glob("*/DONE")
        for path in (done.parent / name for name in RESULTS)
    }


def start(folder: Path, epochs: int) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    (folder / "killed.yaml").write_text(RECIPE.replace("EPOCHS", str(epochs)))
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command(folder), stdout=quiet, stderr=quiet, start_new_session=True)


def wait_for_training(folder: Path, running: subprocess.Popen[bytes]) -> None:
    """Until a checkpoint is written that was not there before."""
    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/checkpoint.pt")}
    while running.poll() is None:
        for path in folder.glob("runs/*/checkpoint.pt"):
            try:
                if path.stat().st_mtime_ns != before.get(path):
                    return
            except FileNotFoundError:  # that run has just finished
                continue
        time.sleep(0.01)


def survive(tmp_path: Path, kills: int, chance: random.Random, *, group: bool, epochs: int) -> None:
    folder, landed = tmp_path / "killed", 0
    for _ in range(kills):
        before = results(folder)
        stamps = {name: (folder / "runs" / name).stat().st_mtime_ns for name in before}
        running = start(folder, epochs)
        wait_for_training(folder, running)
        time.sleep(chance.uniform(0, 0.4))
        landed += running.poll() is None
        if running.poll() is None:
            (os.killpg if group else os.kill)(running.pid, signal.SIGKILL)
        running.wait()
        time.sleep(0.5)  # workers that are left notice that they are alone
        assert stamps == {name: (folder / "runs" / name).stat().st_mtime_ns for name in before}
    assert landed == kills
    assert len(results(folder)) < 3 * 6  # the kills came before the end
    straight, last = (start(tmp_path / name, epochs) for name in ("straight", "killed"))
    assert straight.wait(timeout=300) == last.wait(timeout=300) == 0
    assert results(folder) == results(tmp_path / "straight")
    assert len(results(folder)) == 3 * 6


@pytest.mark.parametrize("group", [True, False], ids=["driver and workers", "driver alone"])
def test_killed_runs_end_with_the_same_bits(tmp_path, group):
    survive(tmp_path, 2 if group else 1, random.Random(1), group=group, epochs=150)


@pytest.mark.slow
def test_runs_killed_25_times_end_with_the_same_bits(tmp_path):
    survive(tmp_path, 25, random.Random(2), group=True, epochs=600)
