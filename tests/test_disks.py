"""Disks that are full or may only be read: one line that says so, nothing half-written, and later it goes on."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evendistill.experiments.engines.choice import How
from evendistill.experiments.sweep import Sweep

RECIPE = """
name: small
data: {source: digits, imbalance: 10}
training: {epochs: 12, batch_size: 32, update_every: 3, checkpoint_every: 0}
teachers:
  network: {kind: mlp, hidden: [32]}
  objectives: [standard, robust]
students:
  network: {kind: mlp, hidden: [16]}
  objectives: [robust]
seeds: 1
"""
RESULTS = ("model.safetensors", "validation.json", "test.json")


def evendistill(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evendistill", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300, check=False)
    assert "Traceback" not in done.stderr
    return done


def results(runs: Path) -> dict[str, bytes]:
    done = [path.parent for path in runs.glob("*/DONE")]
    return {f"{run.name}/{name}": (run / name).read_bytes() for run in done for name in RESULTS}


def mounted(*words: object) -> None:
    """Mount something, or skip the test."""
    if shutil.which("mount") is None:
        pytest.skip("there is no command to mount a disk")
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A small disk, with room for forty files."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted("-t", "tmpfs", "-o", "size=32m,nr_inodes=40", "tmpfs", folder)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Path:
    """A finished sweep."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "small.yaml").write_text(RECIPE)
    (folder / "other.yaml").write_text(RECIPE.replace("seeds: 1", "seeds: 2"))
    outcomes = Sweep.read(folder / "small.yaml", folder / "runs").train(How(pack=2))
    assert {outcome.end for outcome in outcomes} == {"finished"}
    return folder


@pytest.fixture
def sealed(swept, tmp_path) -> Iterator[Path]:
    """The same on a disk that may only be read."""
    shutil.copytree(swept, tmp_path / "sealed")
    runs = tmp_path / "sealed" / "runs"
    mounted("--bind", runs, runs)
    try:
        mounted("-o", "remount,bind,ro", runs)
        yield runs.parent
    finally:
        subprocess.run(["umount", "-l", runs], check=True)


def leave(disk: Path, size: int) -> None:
    """Fill the disk up to so many bytes."""
    ballast = disk / "ballast"
    ballast.unlink(missing_ok=True)
    there = os.statvfs(disk)
    ballast.write_bytes(bytes(max(0, there.f_bavail * there.f_frsize - size)))


def assert_whole(runs: Path) -> None:
    """Nothing is half-written or left behind, and no run is marked as failed."""
    for path in runs.rglob("*"):
        assert path.suffix != ".tmp", path
        assert path.name not in ("FAILED", "lease.json"), path
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.suffix == ".jsonl":
            assert all(json.loads(line) and line.endswith("\n") for line in path.read_text().splitlines(keepends=True))
        elif path.name == "DONE":
            for name, checksum in json.loads(path.read_bytes()).items():
                assert hashlib.sha256((path.parent / name).read_bytes()).hexdigest() == checksum


def assert_full(done: subprocess.CompletedProcess[str], runs: Path) -> None:
    assert done.returncode == 1
    assert sum("No space left" in line for line in done.stderr.splitlines()) == 1, done.stderr
    assert len(done.stderr.splitlines()) <= 3, done.stderr  # how many there are, students without a teacher, the cause
    assert_whole(runs)


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(disk, swept, tmp_path):
    (tmp_path / "small.yaml").write_text(RECIPE)
    run = ("run", "small.yaml", "--out", disk / "runs")
    assert_full(evendistill(tmp_path, *run, "--jobs", 2), disk / "runs")  # it has no room for files
    mounted("-o", "remount,size=32m,nr_inodes=10000", disk)
    for kilobytes in (0, 80):
        leave(disk, kilobytes << 10)
        assert_full(evendistill(tmp_path, *run, "--pack", 2), disk / "runs")
    assert 0 < len(results(disk / "runs")) < 3 * 6
    (disk / "ballast").unlink()
    assert evendistill(tmp_path, *run, "--pack", 2).returncode == 0
    assert_whole(disk / "runs")
    assert results(disk / "runs") == results(swept / "runs")


def test_a_disk_that_may_only_be_read_can_be_read(sealed, tmp_path):
    reading = [
        ("status", "runs"),
        ("select", "small.yaml"),
        ("frontier", "small.yaml", "--to", tmp_path / "frontier.svg"),
        ("diagnose", "small.yaml"),
        ("report", "small.yaml", "--to", tmp_path / "report"),
    ]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda words: evendistill(sealed, *words), reading))
    assert [(each.args[3], each.returncode) for each in done] == [(words[0], 0) for words in reading]
    assert {each.stderr for each in done} == {"", f"written: {tmp_path / 'frontier.svg'}\n"}
    assert (tmp_path / "report" / "index.html").is_file()


@pytest.mark.parametrize("recipe", ["small.yaml", "other.yaml"], ids=["finished", "unfinished"])
def test_a_disk_that_may_only_be_read_is_one_line_for_who_would_write(sealed, recipe):
    done = evendistill(sealed, "run", recipe)
    why = f"{sealed / 'runs'} is on a disk that may only be read; --out writes elsewhere"
    assert (done.returncode, done.stderr) == (2, f"evendistill: runs cannot be written: {why}\n")
