"""Signals: every run is saved within five seconds, one line says so, and the same command goes on."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evendistill.experiments.engines.choice import How
from evendistill.experiments.sweep import Sweep

pytestmark = pytest.mark.alone

RECIPE = """
name: two
data: {source: digits, imbalance: 10}
training: {epochs: 300, batch_size: 32, update_every: 3, checkpoint_every: 1000}
teachers:
  network: {kind: mlp, hidden: [32]}
  objectives: [standard, robust]
seeds: 1
"""
STUCK = """
import pathlib, time, torch

class Network(torch.nn.Flatten):
    def forward(self, images):
        if self.training and torch.is_grad_enabled():
            pathlib.Path("stuck").touch()
            time.sleep(60)
        return super().forward(images)[:, :10]

def network(num_classes):
    return Network()
"""
RESULTS = ("model.safetensors", "validation.json", "test.json")
INTERRUPTED = "evendistill: interrupted; the same command goes on from here"


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """The command at the head of a process group of its own; what it says to people goes to a file."""
    command = [sys.executable, "-m", "evendistill", "run", "two.yaml", *words]
    with open(folder / "said", "wb") as said:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True, cwd=folder)


def said(folder: Path) -> list[str]:
    return (folder / "said").read_text().splitlines()


def results(runs: Path) -> dict[str, bytes]:
    done = [path.parent for path in runs.glob("*/DONE")]
    return {f"{run.name}/{name}": (run / name).read_bytes() for run in done for name in RESULTS}


def events(folder: Path) -> set[tuple[str, ...]]:
    logs = [path.read_text().splitlines() for path in folder.glob("runs/*/log.jsonl")]
    return {tuple(json.loads(line)["event"] for line in log) for log in logs}


def workers(driver: int) -> list[int]:
    """The worker processes that a driver has begun and that live, by the session that they share with it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            session = path.read_text().rpartition(")")[2].split()[3]
            is_worker = int(session) == driver and b"spawn_main" in (path.parent / "cmdline").read_bytes()
            found += [int(path.parent.name)] if is_worker else []
    return found


def epochs(folder: Path) -> list[int]:
    return [path.read_bytes().count(b"\n") for path in sorted(folder.glob("runs/*/metrics.jsonl"))]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "two.yaml").write_text(RECIPE)
    Sweep.read(folder / "two.yaml", folder / "runs").train(How(pack=2))
    return results(folder / "runs")


@pytest.fixture
def prompt() -> Iterator[Path]:
    """A folder in memory where there is one: what is promised within seconds is not promised for a disk that stalls."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        (Path(folder) / "two.yaml").write_text(RECIPE)
        yield Path(folder)


def test_a_signal_saves_every_run_within_five_seconds_and_the_same_command_goes_on(prompt, undisturbed):
    first = []
    for way, number in itertools.product(("--jobs", "--pack"), (signal.SIGTERM, signal.SIGINT)):
        before = epochs(prompt) or [0, 0]
        running = start(prompt, way, "2")
        while len(epochs(prompt)) < 2 or any(now <= then for now, then in zip(epochs(prompt), before, strict=True)):
            assert running.poll() is None, said(prompt)
            time.sleep(0.01)
        since = time.monotonic()
        (os.kill if number == signal.SIGTERM else os.killpg)(running.pid, number)
        code, seconds = running.wait(timeout=60), time.monotonic() - since
        assert (code, seconds < 5) == (128 + number, True), f"{way}: {seconds:.1f} s, {said(prompt)}"
        assert said(prompt) == ["2 runs, 0 finished already, 2 to train", INTERRUPTED]
        assert len(list(prompt.glob("runs/*/checkpoint.pt"))) == 2
        assert not list(prompt.glob("runs/*/lease.json"))
        assert not workers(running.pid)
        logs = [path.read_text().splitlines()[0] for path in sorted(prompt.glob("runs/*/metrics.jsonl"))]
        assert logs == (first := first or logs), "the first epoch was trained anew"
    assert start(prompt, "--pack", "2").wait(timeout=300) == 0
    assert events(prompt) == {("began",) * 5 + ("finished",)}
    assert results(prompt / "runs") == undisturbed


@pytest.mark.parametrize(("way", "words"), [("--jobs", INTERRUPTED), ("--pack", "evendistill: interrupted before all")])
def test_a_run_that_does_not_answer_is_not_waited_for(prompt, way, words):
    (prompt / "stuck.py").write_text(STUCK)
    (prompt / "two.yaml").write_text(RECIPE.replace("kind: mlp, hidden: [32]", "kind: own, path: 'stuck:network'"))
    running = start(prompt, way, "2")
    while not (prompt / "stuck").exists():
        assert running.poll() is None, said(prompt)
        time.sleep(0.01)
    since = time.monotonic()
    running.terminate()
    code, seconds = running.wait(timeout=60), time.monotonic() - since
    assert (code, seconds < 5) == (143, True), f"{seconds:.1f} s, {said(prompt)}"
    assert len(said(prompt)) == 2
    assert said(prompt)[-1].startswith(words)
    assert not workers(running.pid)


def test_ctrl_c_is_for_the_driver_alone_however_young_its_workers_are(prompt, undisturbed):
    running = start(prompt, "--jobs", "2")
    while not epochs(prompt) and running.poll() is None:
        for worker in workers(running.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGINT)
        time.sleep(0.005)
    assert running.wait(timeout=300) == 0, said(prompt)
    assert said(prompt) == ["2 runs, 0 finished already, 2 to train"]
    assert events(prompt) == {("began", "finished")}
    assert results(prompt / "runs") == undisturbed
