"""``evendistill tensorboard``: event files say what metrics.jsonl says, number by number, whatever happened between."""

import importlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorboard")

from evendistill.experiments import eventfile, mirror
from evendistill.experiments.mirror import NAME, Mirror

RECIPE = """
name: watched
data: {source: digits, imbalance: 5}
training: {epochs: 3, batch_size: 128, update_every: 2, iterate: best}
teachers:
  network: {kind: mlp, hidden: [8]}
  objectives: [standard]
  mended: [class-temperatures]
students:
  network: {kind: mlp, hidden: [4]}
  objectives: [{alpha: 0.5}]
  validation_labels: [true]
seeds: 1
"""


def evendistill(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evendistill", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300, check=False)


def shown(folder: Path) -> dict[str, list[tuple[int, float, float]]]:
    """What TensorBoard's own reader finds: step, time and value by name."""
    reader = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    tags = events.Tags()
    assert not any(tags[kind] for kind in ("images", "audio", "histograms", "tensors"))
    found = {tag: [(each.step, each.wall_time, each.value) for each in events.Scalars(tag)] for tag in tags["scalars"]}
    return {tag: values for tag, values in found.items() if values}  # of what was taken back the name stays


def logged(source: Path) -> dict[str, list[tuple[int, float, float]]]:
    """The same from the lines of a log, in the single precision of event files."""
    found: dict[str, list[tuple[int, float, float]]] = {}
    for line in source.read_text().splitlines():
        record = json.loads(line)
        for name, value in record.items():
            if name in ("epoch", "step", "time"):
                continue
            values = {f"{name}/{place}": each for place, each in enumerate(value)} if isinstance(value, list) else {}
            for tag, each in (values or {name: value}).items():
                if each is not None:
                    found.setdefault(tag, []).append((record["step"], record["time"], float(np.float32(each))))
    return found


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("watched")
    (folder / "watched.yaml").write_text(RECIPE)
    done = evendistill("run", "watched.yaml", "--out", "runs", "--jobs", "1", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_each_number_of_each_run_is_the_logged_one(swept):
    done = evendistill("tensorboard", "runs", "--to", "board", cwd=swept)
    assert done.returncode == 0, done.stderr
    logs = sorted((swept / "runs").glob("*/metrics.jsonl"))
    assert len(logs) == 3  # a teacher and two students; the mended teacher logs nothing
    assert done.stdout == "9 new records of 3 runs; look at them with: tensorboard --logdir board\n"
    assert sorted(path.name for path in (swept / "board").iterdir()) == [log.parent.name for log in logs]
    names: set[str] = set()
    for log in logs:
        found = shown(swept / "board" / log.parent.name)
        assert found == logged(log)
        names |= set(found)
    both = {f"{name}/{label}" for name in ("multipliers", "class_errors") for label in range(10)}
    judged = {"validation_average_accuracy", "validation_worst_class_accuracy"}
    assert names == {"loss", "learning_rate", "gap"} | both | judged


def test_a_second_time_writes_nothing(swept):
    assert evendistill("tensorboard", "runs", "--to", "board", cwd=swept).returncode == 0
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (swept / "board").glob("*/*")}
    assert len(before) == 3
    done = evendistill("tensorboard", "runs", "--to", "board", "--json", cwd=swept)
    assert json.loads(done.stdout) == {"records": 0, "runs": 3, "to": str((swept / "board").resolve())}
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (swept / "board").glob("*/*")}


def test_one_run_folder_will_do(swept, tmp_path):
    (one, *_) = sorted((swept / "runs").glob("*/metrics.jsonl"))
    assert Mirror(one.parent, tmp_path).refresh() == 3
    assert [path.name for path in tmp_path.iterdir()] == [one.parent.name]


def line(epoch: int, loss: float, when: float = 0.0) -> str:
    errors = [0.25, None, loss / 3]
    told = {"epoch": epoch, "step": 7 * epoch, "loss": loss, "class_errors": errors, "time": 1.7e9 + epoch + when}
    return json.dumps(told) + "\n"


class Run:
    """A run folder whose log is written by hand, and its event file."""

    def __init__(self, folder: Path) -> None:
        self.runs, self.board = folder / "runs", folder / "board"
        self.log = self.runs / "a" / "metrics.jsonl"
        self.log.parent.mkdir(parents=True)
        (self.log.parent / "spec.json").write_text("{}")
        self.file = self.board / "a" / NAME
        self.mirror = Mirror(self.runs, self.board)

    def write(self, *lines: str) -> None:
        self.log.write_text("".join(lines))

    def agrees(self) -> None:
        assert shown(self.board / "a") == logged(self.log)


@pytest.fixture
def run(tmp_path) -> Run:
    return Run(tmp_path)


@pytest.mark.parametrize("is_new", [False, True], ids=["one process", "a process each"])
def test_new_lines_are_appended(run, is_new):
    before = b""
    for count in range(1, 5):
        run.write(*(line(epoch, 1 / epoch) for epoch in range(1, count + 1)))
        looking = Mirror(run.runs, run.board) if is_new else run.mirror
        assert looking.refresh() == 1
        assert run.file.read_bytes().startswith(before)
        assert looking.refresh() == 0
        before = run.file.read_bytes()
        run.agrees()
    assert "class_errors/1" not in shown(run.board / "a")


def test_a_line_in_the_writing_waits(run):
    run.write(line(1, 0.5), line(2, 0.25)[:-1])
    assert run.mirror.refresh() == 1
    run.write(line(1, 0.5), line(2, 0.25))
    assert run.mirror.refresh() == 1
    run.agrees()


def test_a_run_that_has_logged_nothing_has_no_file(run):
    run.write()
    assert run.mirror.refresh() == 0
    assert not run.file.exists()


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_after_a_resume_it_says_what_the_log_says_now(run, kept):
    """Lines past the checkpoint are dropped, and come again at other times."""
    first = [line(epoch, 1 / epoch) for epoch in (1, 2, 3)]
    again = [line(epoch, 1 / epoch, when=100.0) for epoch in (1, 2, 3, 4)]
    for cut in ([*first[:kept]], [*first[:kept], *again[kept:]], [*first[:kept]], [*first[:kept], *again[kept:]]):
        run.write(*first)
        Mirror(run.runs, run.board).refresh()
        before = run.file.read_bytes()
        run.write(*cut)
        Mirror(run.runs, run.board).refresh()
        assert run.file.read_bytes().startswith(before)
        run.agrees()
        assert Mirror(run.runs, run.board).refresh() == 0


def test_what_a_killed_writer_left_of_a_record_is_mended(run):
    run.write(line(1, 0.5), line(2, 0.25))
    run.mirror.refresh()
    whole = run.file.read_bytes()
    for length in range(len(whole)):
        run.file.write_bytes(whole[:length])
        Mirror(run.runs, run.board).refresh()
        assert run.file.read_bytes() == whole


def test_a_damaged_file_is_made_anew(run):
    run.write(line(1, 0.5), line(2, 0.25))
    for content in (b"not at all an event file, but long enough", b"\x04" + bytes(11) + b"\xff\xff\xff\xff" + bytes(4)):
        run.file.parent.mkdir(parents=True, exist_ok=True)
        run.file.write_bytes(content)
        assert Mirror(run.runs, run.board).refresh() == 2
        run.agrees()


def test_a_line_that_is_no_record_is_named(run):
    run.write(line(1, 0.5), "{}\n")
    found = evendistill("tensorboard", run.runs, "--to", run.board)
    assert found.returncode == 2
    assert found.stderr.strip().endswith("metrics.jsonl, line 2: no record with a step and a time")


def test_following_waits_for_what_is_unfinished_and_sees_the_last_line(run, monkeypatch):
    refresh, naps = run.mirror.refresh, []
    run.write(line(1, 0.5))

    def refresh_just_before_the_end() -> int:
        written = refresh()
        if len(naps) == 1:
            run.write(line(1, 0.5), line(2, 0.25))
            (run.log.parent / "DONE").write_text("{}")
        return written

    monkeypatch.setattr(run.mirror, "refresh", refresh_just_before_the_end)
    monkeypatch.setattr(mirror.time, "sleep", naps.append)
    assert list(run.mirror.follow()) == [1, 0, 1]
    assert naps == [mirror.EVERY] * 2
    run.agrees()


def test_following_waits_for_runs_that_a_recipe_asks_for(run, monkeypatch):
    run.write(line(1, 0.5))
    (run.log.parent / "FAILED").write_text('{"error": "it broke"}')
    asked = {"a": None, "b": None}
    monkeypatch.setattr(mirror, "expected_runs", lambda runs: asked)
    monkeypatch.setattr(mirror.time, "sleep", lambda seconds: asked.pop("b"))
    assert list(run.mirror.follow()) == [1, 0]


def test_following_waits_for_the_first_run(run, monkeypatch):
    (run.log.parent / "spec.json").unlink()
    naps = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        run.write(line(1, 0.5))
        for name in ("spec.json", "DONE"):
            (run.log.parent / name).write_text("{}")

    monkeypatch.setattr(mirror.time, "sleep", nap)
    assert list(run.mirror.follow()) == [0, 1]
    assert len(naps) == 1


def test_ctrl_c_ends_the_following_in_peace(run):
    run.write(line(1, 0.5))
    command = [sys.executable, "-m", "evendistill", "tensorboard", str(run.runs), "--to", str(run.board), "--follow"]
    following = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        while not run.file.is_file() and following.poll() is None:
            time.sleep(0.05)
        os.kill(following.pid, signal.SIGINT)
        out, errors = following.communicate(timeout=60)
    finally:
        following.kill()
    assert following.returncode == 0, errors
    assert out.startswith("1 new records of 1 runs")
    run.agrees()


def test_without_tensorboard_one_line_says_what_to_install(run, tmp_path):
    (tmp_path / "tensorboard.py").write_text("raise ImportError")
    found = evendistill("tensorboard", run.runs, "--to", run.board, cwd=tmp_path)
    assert found.returncode == 2
    line = "evendistill: event files need tensorboard: pip install 'evendistill[tensorboard]'"
    assert found.stderr.strip() == line
    assert not run.board.exists()


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    found = evendistill("tensorboard", tmp_path / "none", "--to", tmp_path / "board")
    assert (found.returncode, "no such folder of runs" in found.stderr) == (2, True)
    assert not (tmp_path / "board").exists()


def test_numbers_that_single_precision_does_not_have_are_rounded_and_no_others():
    record = {"step": 1, "time": 2.0, "epoch": 1, "loss": 1 / 3, "multipliers": [0.5, None], "name": "x"}
    assert dict(eventfile.scalars(record)) == {"loss": 1 / 3, "multipliers/0": 0.5}
    assert math.isclose(float(np.float32(1 / 3)), 1 / 3, rel_tol=1e-7)


def test_the_verb_is_listed_with_an_example() -> None:
    said: dict[str, Any] = {words: evendistill(*words.split()) for words in ("--help", "tensorboard --help")}
    assert "tensorboard" in said["--help"].stdout
    assert "Example: evendistill tensorboard" in said["tensorboard --help"].stdout
