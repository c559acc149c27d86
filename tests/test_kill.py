"""kill -9 at random moments, then the same command: the same results, each run finished once and not touched after."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.alone

RECIPE = """
name: killed
data: {source: digits, imbalance: 10}
training: {epochs: EPOCHS, batch_size: 32, update_every: 3, checkpoint_every: 0.05}
teachers:
  network: {kind: mlp, hidden: [32]}
  objectives: [standard, robust]
students:
  network: {kind: mlp, hidden: [16]}
  objectives: [OBJECTIVES]
  validation_labels: [true]
seeds: SEEDS
"""
SIX = {"EPOCHS": "60", "OBJECTIVES": "standard, robust", "SEEDS": "1"}
SIXTY = {"EPOCHS": "80", "OBJECTIVES": "standard, balanced, robust, {alpha: 0.3}, {alpha: 0.7}", "SEEDS": "5"}
RESULTS = ("model.safetensors", "validation.json", "test.json")


def start(folder: Path, told: dict[str, str], *words: str) -> subprocess.Popen[bytes]:
    """The command at the head of a process group of its own; what it says goes to a file."""
    folder.mkdir(exist_ok=True)
    text = RECIPE
    for name, value in told.items():
        text = text.replace(name, value)
    (folder / "killed.yaml").write_text(text)
    command = [sys.executable, "-m", "evendistill", "run", "killed.yaml", *(words or ("--jobs", "2"))]
    with open(folder / "said", "w") as said:
        return subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True, cwd=folder)


def results(folder: Path) -> dict[str, bytes]:
    done = [path.parent for path in folder.glob("runs/*/DONE")]
    return {f"{run.name}/{name}": (run / name).read_bytes() for run in done for name in RESULTS}


def stamps(folder: Path) -> dict[str, dict[str, int]]:
    """When the folder of each finished run, and each file in it, was last written."""
    done = [path.parent for path in folder.glob("runs/*/DONE")]
    return {run.name: {path.name: path.stat().st_mtime_ns for path in (run, *run.iterdir())} for run in done}


def events(folder: Path) -> dict[str, list[str]]:
    """What happened to each run, by its log."""
    logs = folder.glob("runs/*/log.jsonl")
    return {log.parent.name: [json.loads(line)["event"] for line in log.read_text().splitlines()] for log in logs}


def living(session: int) -> list[str]:
    """The processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, own = path.read_text().rpartition(")")[2].split()[:4]
            found += [path.parent.name] if state != "Z" and int(own) == session else []
    return found


def worker_at(run: Path, driver: int) -> int | None:
    """The process that trains in a folder, by its lease, if it is a living child of the driver."""
    try:
        pid = json.loads((run / "lease.json").read_text())["pid"]
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (OSError, ValueError):
        return None
    return pid if state != "Z" and int(parent) == driver else None


def wait_for_training(folder: Path, running: subprocess.Popen[bytes]) -> Path | None:
    """Until a checkpoint is written that was not there before; its run, None if the command has ended instead."""
    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/checkpoint.pt")}
    while running.poll() is None:
        for path in folder.glob("runs/*/checkpoint.pt"):
            with contextlib.suppress(FileNotFoundError):  # that run has just finished
                if path.stat().st_mtime_ns != before.get(path):
                    return path.parent
        time.sleep(0.01)
    return None


def kill(folder: Path, running: subprocess.Popen[bytes], *, group: bool) -> None:
    """Nothing that was finished before this command was touched by it, nor by its end."""
    assert running.poll() is None, (folder / "said").read_text()
    (os.killpg if group else os.kill)(running.pid, signal.SIGKILL)
    running.wait()
    until = time.monotonic() + 10
    while living(running.pid):  # workers that are left notice that they are alone
        assert time.monotonic() < until
        time.sleep(0.01)


def assert_like(folder: Path, undisturbed: Path, runs: int) -> None:
    """The same results, every run finished exactly once by its log."""
    assert results(folder) == results(undisturbed)
    assert len(results(folder)) == len(RESULTS) * runs
    logs = events(folder).values()
    assert len(logs) == runs
    assert all(set(log[:-1]) == {"began"} and log[-1] == "finished" for log in logs), logs


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert start(folder, SIX).wait(timeout=300) == 0
    assert set(map(tuple, events(folder).values())) == {("began", "finished")}
    return folder


def test_killed_runs_end_with_the_same_bits(tmp_path, undisturbed):
    for finished, group in enumerate((True, False)):
        before = stamps(tmp_path)
        running = start(tmp_path, SIX)
        while len(stamps(tmp_path)) < finished and running.poll() is None:
            time.sleep(0.01)
        wait_for_training(tmp_path, running)
        kill(tmp_path, running, group=group)
        assert {name: stamps(tmp_path)[name] for name in before} == before
    before = stamps(tmp_path)
    assert 0 < len(before) < 6
    assert start(tmp_path, SIX).wait(timeout=300) == 0
    assert {name: stamps(tmp_path)[name] for name in before} == before
    assert_like(tmp_path, undisturbed, 6)
    assert max(log.count("began") for log in events(tmp_path).values()) > 1


def test_workers_do_not_outlive_their_driver(tmp_path):
    running = start(tmp_path, SIX | {"EPOCHS": "20000"})
    wait_for_training(tmp_path, running)
    kill(tmp_path, running, group=False)  # which waits for them, not as long as they would train
    assert not stamps(tmp_path)


def pace(folder: Path, since: float) -> tuple[float, float]:
    """Seconds until a sweep began its first run, and from one run to the next."""
    logs = [path.read_text().splitlines() for path in folder.glob("runs/*/log.jsonl")]
    began, ended = ([json.loads(log[place])["time"] for log in logs] for place in (0, -1))
    return min(began) - since, (max(ended) - min(began)) / len(logs)


@pytest.mark.slow
def test_a_sweep_of_sixty_runs_killed_25_times_ends_with_the_same_bits(tmp_path):
    straight, since = tmp_path / "straight", time.time()
    assert start(straight, SIXTY).wait(timeout=1800) == 0
    starting, a_run = pace(straight, since)  # however fast this machine is, runs are left at the end
    chance, folder, begun = random.Random(2), tmp_path / "killed", 0
    for _ in range(25):
        before = stamps(folder)
        running = start(folder, SIXTY)
        if chance.random() < 0.7:
            begun += wait_for_training(folder, running) is not None
            time.sleep(chance.uniform(0, 2 * a_run))
        else:
            time.sleep(chance.uniform(0, starting))
        kill(folder, running, group=True)
        assert {name: stamps(folder)[name] for name in before} == before
    assert begun > 12
    assert 0 < len(stamps(folder)) < 60
    before = stamps(folder)
    assert start(folder, SIXTY).wait(timeout=1800) == 0
    assert {name: stamps(folder)[name] for name in before} == before
    assert_like(folder, straight, 60)
    assert max(log.count("began") for log in events(folder).values()) > 2


def test_a_worker_that_is_killed_is_replaced_and_its_run_goes_on(tmp_path, undisturbed):
    running = start(tmp_path, SIX)
    victim = wait_for_training(tmp_path, running)
    assert victim is not None
    worker = worker_at(victim, running.pid)
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    assert running.wait(timeout=300) == 0
    assert "Traceback" not in (tmp_path / "said").read_text()
    assert_like(tmp_path, undisturbed, 6)
    assert events(tmp_path).pop(victim.name) == ["began", "began", "finished"]
    assert sum(log.count("began") for log in events(tmp_path).values()) == 7


def test_a_run_whose_worker_dies_each_time_is_given_up_until_it_is_asked_for(tmp_path, undisturbed):
    name = next(name for name in events(undisturbed) if "-robust-from-standard-" in name)
    running, killed = start(tmp_path, SIX), list[int]()
    while running.poll() is None:
        worker = worker_at(tmp_path / "runs" / name, running.pid)
        if worker is not None and events(tmp_path).get(name, []).count("began") > len(killed):
            os.kill(worker, signal.SIGKILL)
            killed.append(worker)
        time.sleep(0.005)
    assert (running.returncode, len(killed)) == (1, 3)
    cause = "its process died 3 times, last by signal 9 (Killed); often that is a lack of memory"
    said = (tmp_path / "said").read_text().splitlines()
    assert said == ["6 runs, 0 finished already, 6 to train", f"failed: {name}: {cause}"]
    logs = events(tmp_path)
    assert logs.pop(name) == ["began"] * 3 + ["failed"]
    assert set(map(tuple, logs.values())) == {("began", "finished")}
    status = [sys.executable, "-m", "evendistill", "status", "runs", "--json"]
    found = json.loads(subprocess.run(status, cwd=tmp_path, capture_output=True, check=True).stdout)["runs"]
    assert [(run["state"], run["note"]) for run in found if run["folder"].endswith(name)] == [("failed", cause)]
    assert start(tmp_path, SIX, "--pack", "1").wait(timeout=300) == 1
    assert "what has failed before was not tried again; --retry-failed does that" in (tmp_path / "said").read_text()
    assert events(tmp_path)[name] == ["began"] * 3 + ["failed"]
    assert start(tmp_path, SIX, "--pack", "1", "--retry-failed").wait(timeout=300) == 0
    assert events(tmp_path)[name] == ["began"] * 3 + ["failed", "began", "finished"]
    assert results(tmp_path) == results(undisturbed)
