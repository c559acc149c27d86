"""doctor, as a person meets it: fine here, and one line with a remedy for whatever is broken."""

import errno
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

from evendistill.cli.options import app
from evendistill.experiments.beginning import disk, health, installed, machine, rehearsal
from evendistill.training.checkpoint import Checkpoint

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
NAMES = ["python", "packages", "device", "processor", "folder", "locks", "leases", "disk", "training"]


@pytest.fixture
def quick(monkeypatch):
    """No run is rehearsed."""
    monkeypatch.setattr(rehearsal, "rehearse", lambda folder: rehearsal.Rehearsal("cpu", 0.0, True, True))


def examined(folder):
    return {check.name: check for check in health.examine(folder)}


def broken(checks):
    """The names of what is broken; each says how to mend it, in one line."""
    for check in checks.values():
        assert check.said
        assert "\n" not in check.said + check.mend
        assert (check.state == "fine") == (not check.mend)
    return [name for name, check in checks.items() if check.state == "broken"]


def test_this_machine_is_fine_and_nothing_is_left_behind(tmp_path):
    done = CliRunner().invoke(app, ["doctor", "--json", "--out", str(tmp_path / "not/yet")])
    assert done.exit_code == 0, done.stdout
    found = json.loads(done.stdout)
    assert found["fine"] is True
    assert [check["name"] for check in found["checks"] if not check["name"].startswith("extra ")] == NAMES
    for check in found["checks"]:
        assert set(check) == {"name", "state", "said", "mend", "facts"}
        assert check["state"] in ("fine", "note")
    facts = {check["name"]: check["facts"] for check in found["checks"]}
    assert facts["packages"]["versions"]["torch"] == metadata.version("torch")
    assert facts["processor"]["cores"] == len(os.sched_getaffinity(0))
    assert facts["training"]["is_repeatable"] is facts["training"]["resumes_exactly"] is True
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("verb", ["init", "doctor"])
def test_both_first_verbs_have_help_with_an_example(verb):
    done = CliRunner().invoke(app, [verb, "--help"])
    assert (done.exit_code, f"Example: evendistill {verb}" in done.stdout) == (0, True)


def test_people_get_a_line_for_each_check(tmp_path, quick):
    done = CliRunner().invoke(app, ["doctor", "--out", str(tmp_path)])
    lines = [line.split()[:2] for line in done.stdout.splitlines()]
    assert [name for state, name in lines if state in ("fine", "note", "BROKEN") and name != "extra"] == NAMES


def test_the_rehearsal_does_resume_and_notices_other_bits(tmp_path, monkeypatch):
    loaded, load, files = [], Checkpoint.load, rehearsal._files

    def spied(checkpoint):
        loaded.append(load(checkpoint))
        return loaded[-1]

    monkeypatch.setattr(Checkpoint, "load", spied)
    assert rehearsal.rehearse(tmp_path).resumes_exactly
    assert [state is not None for state in loaded] == [False, False, False, True]
    for odd, words in (("resumed", "cut off ends otherwise"), ("again", "twice ends otherwise")):
        monkeypatch.setattr(
            rehearsal, "_files", lambda spec, runs, odd=odd: [*files(spec, runs), odd if runs.name == odd else ""]
        )
        check = examined(tmp_path)["training"]
        assert (check.state, words in check.said) == ("broken", True)


def test_a_torch_that_does_not_load_is_one_line_with_a_remedy(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so: cannot open')")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    command = [sys.executable, "-m", "evendistill", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    lines = done.stdout.splitlines()
    (place,) = (row for row, line in enumerate(lines) if line.split()[:2] == ["BROKEN", "device"])
    assert "libcudart.so: cannot open" in lines[place]
    assert "mend: pip install --force-reinstall torch" in lines[place + 1]


def test_nothing_of_the_users_is_imported_and_nothing_is_asked_of_the_network(tmp_path, monkeypatch, quick):
    for name in ("ray", "submitit", "datasets", "pyarrow", "usercustomize", "networks"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("asked the network"))
    assert broken(examined(tmp_path / "runs")) == []


def test_packages_that_are_missing_or_too_old_are_named(tmp_path, monkeypatch, quick):
    told = [
        "torch>=2.6",
        "numpy (>=1.26)",
        "rich[extra]>=13.7",
        "pyarrow>=15; extra == 'hf'",
        "ray>=2.40; extra == 'ray'",
        "ruff; extra == 'dev'",
    ]
    versions = {"evendistill": "0.1.0", "torch": "2.10.0+cpu", "numpy": "1.9.3", "pyarrow": "15.0"}

    def version(name):
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "requires", lambda name: told)
    monkeypatch.setattr(metadata, "version", version)
    checks = examined(tmp_path)
    assert broken(checks) == ["packages"]
    assert checks["packages"].mend == "pip install 'numpy>=1.26' 'rich>=13.7'"
    del versions["pyarrow"]
    assert checks["packages"].facts["versions"] == {**versions, "rich": None}
    assert checks["extra hf"].state == "fine"
    assert "extra dev" not in checks
    assert (checks["extra ray"].state, checks["extra ray"].mend) == ("note", "pip install 'evendistill[ray]'")
    assert "without it no run --engine ray" in checks["extra ray"].said


def test_every_extra_of_the_project_says_what_it_enables():
    extras = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]
    assert set(extras) == {*installed.ENABLES, *installed.DEVELOPING}


def test_a_python_that_is_too_old_is_broken(tmp_path, monkeypatch, quick):
    monkeypatch.setattr(installed, "python", lambda: ((3, 10, 9), (3, 11)))
    assert broken(examined(tmp_path)) == ["python"]


@pytest.mark.parametrize("below", ["", "deep/runs"])
def test_a_folder_that_is_a_file_is_broken(tmp_path, below):
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(app, ["doctor", "--json", "--out", str(tmp_path / "file" / below)])
    assert done.exit_code == 1
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert [name for name, check in checks.items() if check["state"] == "broken"] == ["folder", "training"]
    assert "file is a file" in checks["folder"]["said"]
    assert checks["folder"]["mend"] == checks["training"]["mend"] == "name another folder with --out"


@pytest.mark.parametrize(("free", "state"), [(99_000_000, "broken"), (1_900_000_000, "note"), (2_100_000_000, "fine")])
def test_space_that_runs_out_is_told(tmp_path, monkeypatch, quick, free, state):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    assert examined(tmp_path)["folder"].state == state


def test_a_file_system_without_locks_is_a_note_and_one_where_no_run_is_claimed_is_broken(tmp_path, monkeypatch, quick):
    def refused(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    def broke(*_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", refused)
        checks = examined(tmp_path)
        assert (broken(checks), checks["locks"].state, checks["locks"].facts) == ([], "note", {"flock": False})
    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", lambda *_: None)  # says yes to everyone
        assert examined(tmp_path)["locks"].state == "note"
    monkeypatch.setattr(os, "link", broke)
    checks = examined(tmp_path)
    assert broken(checks) == ["leases"]
    assert "Input/output error" in checks["leases"].said


def test_a_slow_disk_is_a_note(tmp_path, monkeypatch, quick):
    monkeypatch.setattr(disk, "SLOW", 0.0)
    checks = examined(tmp_path)
    assert (checks["disk"].state, broken(checks)) == ("note", [])
    assert checks["disk"].facts["milliseconds"] > 0


def test_gpus_are_told_with_memory_and_bf16(tmp_path, monkeypatch, quick):
    known = [SimpleNamespace(name="H200", total_memory=150_000_000_000, major=9)]
    known += [SimpleNamespace(name="T4", total_memory=16_000_000_000, major=7)]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", known.__getitem__)
    check = examined(tmp_path)["device"]
    assert check.said == "H200, 150 GB, bf16; T4, 16 GB, no bf16"
    assert check.facts["devices"][1] == {"name": "T4", "bytes": 16_000_000_000, "bf16": False}


def test_a_gpu_that_torch_cannot_use_and_a_quota_are_notes(tmp_path, monkeypatch, quick):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (tmp_path / "there").write_text("50000 100000\n")
    monkeypatch.setattr(machine, "DRIVER", tmp_path / "there")
    monkeypatch.setattr(machine, "QUOTA", tmp_path / "there")
    checks = examined(tmp_path)
    assert (checks["device"].state, checks["processor"].state) == ("note", "note")
    assert "only 0.5 of them" in checks["processor"].said
    assert checks["processor"].mend == "run with --jobs 1"
    (tmp_path / "there").write_text("max 100000\n")
    assert machine.quota() is None
