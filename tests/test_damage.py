"""Files that are damaged, or another version's, between two commands: each is named, and what it held is made anew."""

import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from evendistill.experiments.engines.choice import How
from evendistill.experiments.sweep import Sweep

TEACHERS = """
name: small
data: {source: digits, imbalance: 10}
training: {epochs: 30, batch_size: 32, update_every: 3, checkpoint_every: 1000}
teachers:
  network: {kind: mlp, hidden: [32]}
  objectives: [standard, robust]
seeds: 2
"""
STUDENTS = """
students:
  network: {kind: mlp, hidden: [16]}
  objectives: [standard, robust]
  validation_labels: [true]
"""
RESULTS = ("model.safetensors", "validation.json", "test.json")


def evendistill(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evendistill", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300, check=False)
    assert "Traceback" not in done.stderr
    return done


def results(folder: Path) -> dict[str, bytes]:
    done = [path.parent for path in folder.glob("runs/*/DONE")]
    return {f"{run.name}/{name}": (run / name).read_bytes() for run in done for name in RESULTS}


def events(run: Path) -> list[str]:
    return [json.loads(line)["event"] for line in (run / "log.jsonl").read_text().splitlines()]


def lay(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "teachers.yaml").write_text(TEACHERS)
    (folder / "small.yaml").write_text(TEACHERS + STUDENTS)
    return folder


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def flipped(path: Path) -> None:
    """One bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def altered(path: Path) -> None:
    """Another number, in valid JSON."""
    path.write_text(json.dumps(json.loads(path.read_text()) | {"average_accuracy": 0.99}))


def assert_named(done: subprocess.CompletedProcess[str], damaged: list[Path]) -> None:
    """The command ends well, having named each file in one line and said nothing else but how many runs there are."""
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    for path in damaged:
        assert sum(f"{path.parent.name}/{path.name} " in line for line in lines) == 1, done.stderr
    assert len(lines) == len(damaged) + 1, done.stderr


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Path:
    """Finished teachers and students."""
    folder = lay(tmp_path_factory.mktemp("swept"))
    Sweep.read(folder / "small.yaml", folder / "runs").train(How(pack=2))
    assert len(results(folder)) == len(RESULTS) * 12
    return folder


DAMAGE: list[tuple[str, Callable[[Path], None]]] = [
    ("validation.json", cut),
    ("validation.json", altered),
    ("test.json", cut),
    ("test.json", altered),
    ("model.safetensors", cut),
    ("model.safetensors", flipped),
    ("test-predictions.safetensors", flipped),
    ("data.json", Path.unlink),
    ("DONE", emptied),
    ("DONE", cut),
]


def test_damaged_results_are_named_and_made_anew_and_no_other_run_is_touched(swept, tmp_path):
    shutil.copytree(swept / "runs", lay(tmp_path) / "runs")
    runs = sorted(path.parent for path in tmp_path.glob("runs/*/DONE"))
    damaged = [run / name for run, (name, _) in zip(runs, DAMAGE, strict=False)]
    for path, (_, damage) in zip(damaged, DAMAGE, strict=True):
        damage(path)
    others = {path: path.stat().st_mtime_ns for run in runs[len(DAMAGE) :] for path in run.iterdir()}
    assert len(others) > 20
    assert_named(evendistill(tmp_path, "run", "small.yaml", "--pack", "2"), damaged)
    assert results(tmp_path) == results(swept)
    for path in damaged:
        assert events(path.parent) == ["began", "finished", "reopened", "began", "finished"]
    assert others == {path: path.stat().st_mtime_ns for path in others}


def test_a_teacher_that_is_damaged_while_its_students_wait_fails_none_of_them_for_good(swept, tmp_path):
    sweep = Sweep.read(lay(tmp_path) / "small.yaml", tmp_path / "runs")

    def damage_once(outcome):
        spec = sweep.needed[outcome.hash]
        if spec.teacher is None and spec.order_seed == 0:
            cut(sweep.runs / spec.folder_name / "model.safetensors")

    outcomes = sweep.train(How(pack=1), on_outcome=damage_once)
    students = [each for each in outcomes if each.end == "failed"]
    assert len(students) == 4
    assert all(
        each.is_passing and "is not what the run wrote; the recipe's `run`" in str(each.error) for each in students
    )
    assert not list(tmp_path.rglob("FAILED"))
    damaged = [tmp_path / "runs" / run.folder_name / "model.safetensors" for run in sweep.needed.values()]
    damaged = [path for path, run in zip(damaged, sweep.needed.values(), strict=True) if not run.teacher]
    assert_named(evendistill(tmp_path, "run", "small.yaml", "--pack", "2"), damaged[::2])
    assert results(tmp_path) == results(swept)


def test_a_report_and_a_choice_from_damaged_results_are_refused_by_name(swept, tmp_path):
    cases = [
        ("report", "test.json", altered),
        ("report", "validation.json", cut),
        ("report", "DONE", emptied),
        ("select", "validation.json", altered),
        ("select", "DONE", cut),
    ]

    def refused(number: int) -> None:
        verb, name, damage = cases[number]
        folder = lay(tmp_path / str(number))
        shutil.copytree(swept / "runs", folder / "runs")
        damaged = sorted(folder.glob(f"runs/*/{name}"))[5]
        damage(damaged)
        done = evendistill(folder, verb, "small.yaml")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert f"{damaged.parent.name}/{name} is not " in done.stderr

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(refused, range(len(cases))))


def test_damaged_files_of_unfinished_runs_are_named_and_made_anew(swept, tmp_path, monkeypatch):
    ticks = itertools.count()  # a second passes whenever somebody looks at the clock
    monkeypatch.setattr("evendistill.experiments.sweep.time", SimpleNamespace(monotonic=lambda: next(ticks)))
    sweep = Sweep.read(lay(tmp_path) / "teachers.yaml", tmp_path / "runs")
    assert [outcome.end for outcome in sweep.train(How(pack=4, minutes=20 / 60))] == ["cut off"] * 4
    runs = sorted(path.parent for path in tmp_path.glob("runs/*/checkpoint.pt"))
    names = ("checkpoint.pt", "checkpoint.pt", "spec.json", "metrics.jsonl")
    damaged = [run / name for run, name in zip(runs, names, strict=True)]
    for path, damage in zip(damaged, (cut, flipped, cut, cut), strict=True):
        damage(path)
    assert_named(evendistill(tmp_path, "run", "teachers.yaml", "--pack", "2"), damaged)
    assert results(tmp_path).items() <= results(swept).items()
    assert [events(run) for run in runs] == [["began", "began", "finished"]] * 4
    for name in ("spec.json", "metrics.jsonl"):
        for run in runs:
            lines = (run / name).read_text(), (swept / "runs" / run.name / name).read_text()
            assert len(lines[0].splitlines()) == len(lines[1].splitlines())
    assert all(json.loads(line) for run in runs for line in (run / "metrics.jsonl").read_text().splitlines())


def test_damaged_score_caches_of_teachers_are_named_and_made_anew(swept, tmp_path):
    lay(tmp_path)
    for run in swept.glob("runs/*"):
        if (run / "DONE").is_file() and "-from-" not in run.name:
            shutil.copytree(run, tmp_path / "runs" / run.name)
    damaged = sorted(tmp_path.glob("runs/*/scores-*.safetensors"))
    assert len(damaged) == 8
    for path, damage in zip(damaged, itertools.cycle([cut, flipped, emptied]), strict=False):
        damage(path)
    assert_named(evendistill(tmp_path, "run", "small.yaml", "--jobs", "1"), damaged)
    assert results(tmp_path) == results(swept)
    for path in damaged:
        assert path.read_bytes() == (swept / path.relative_to(tmp_path)).read_bytes()


def test_a_folder_of_another_version_is_refused_by_name_and_status_still_shows_it(tmp_path):
    spec, *_ = Sweep.read(lay(tmp_path) / "teachers.yaml", tmp_path / "runs").needed.values()
    theirs = tmp_path / "runs" / spec.folder_name / "spec.json"
    theirs.parent.mkdir(parents=True)
    theirs.write_text(json.dumps(spec.canonical() | {"schema_version": 2}))
    done = evendistill(tmp_path, "run", "teachers.yaml", "--pack", "4")
    _, line = done.stderr.splitlines()
    assert (done.returncode, line.split(":")[:2]) == (2, ["failed", f" {spec.folder_name}"])
    assert "its schema_version is 2, asked for is 1" in line
    assert {path.name for path in theirs.parent.iterdir()} == {"spec.json", ".lock"}
    assert json.loads(theirs.read_text())["schema_version"] == 2
    counts = json.loads(evendistill(tmp_path, "status", "runs", "--json").stdout)["counts"]
    assert {state: count for state, count in counts.items() if count} == {"cut off": 1, "finished": 3}
