"""Recipes and run folders made by hand, so that nothing is trained here, and a process that holds a folder."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml

from evendistill.experiments.recipe import read_recipe
from evendistill.experiments.sweep import Sweep
from evendistill.storage.files import digest, json_bytes


def found(recalls):
    """What a run found on one split, as far as tables and selection read it."""
    present = [recall for recall in recalls if recall is not None]
    names = [f"{label}" for label in range(len(recalls))]
    return {"recalls": list(recalls), "average_accuracy": sum(present) / len(present), "class_names": names}


def finish(spec, runs, *, validation, test):
    """Write the folder of a finished run with these recalls."""
    folder = runs / spec.folder_name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.json").write_bytes(json_bytes(spec.canonical()))
    results = {"validation.json": json_bytes(found(validation)), "test.json": json_bytes(found(test))}
    for name, payload in results.items():
        (folder / name).write_bytes(payload)
    (folder / "DONE").write_bytes(json_bytes({name: digest(payload) for name, payload in results.items()}))
    return folder


@pytest.fixture
def plain():
    """A recipe as YAML has it: one teacher, three students, two seeds."""
    return {
        "name": "small",
        "data": {"source": "digits", "imbalance": 20},
        "training": {"epochs": 2},
        "teachers": {"network": {"kind": "mlp", "hidden": [8]}, "objectives": ["standard"]},
        "students": {
            "network": {"kind": "mlp", "hidden": [4]},
            "objectives": ["standard", "balanced", "robust"],
            "temperatures": [3.0],
            "validation_labels": ["teacher"],
        },
        "seeds": [0, 1],
    }


@pytest.fixture
def write_recipe(tmp_path):
    """Put a recipe, as plain values or as text, into a file."""

    def write(content) -> Path:
        path = tmp_path / "recipe.yaml"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
        return path

    return write


@pytest.fixture
def read_plain(write_recipe):
    """A recipe, read."""
    return lambda content: read_recipe(write_recipe(content))


@pytest.fixture
def finished_sweep(write_recipe, tmp_path):
    """A sweep whose runs are all finished; two functions say what each run recalled on validation and on test."""

    def make(content, validation, test=None) -> Sweep:
        sweep = Sweep.read(write_recipe(content), tmp_path / "runs")
        for spec in sweep.needed.values():
            finish(spec, sweep.runs, validation=validation(spec), test=(test or validation)(spec))
        return sweep

    return make


@pytest.fixture
def finish_run(tmp_path):
    """Write one finished run into the folder ``runs``."""
    return lambda spec, validation, test: finish(spec, tmp_path / "runs", validation=validation, test=test)


@pytest.fixture
def runs(tmp_path):
    """The folder of all runs."""
    return tmp_path / "runs"


@pytest.fixture
def make(runs):
    """Write the folder of a run, with further files."""

    def made(name, **files):
        folder = runs / name
        folder.mkdir(parents=True)
        for file, content in {"spec.json": "{}", **files}.items():
            (folder / file.replace("_", ".")).write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    return made


HOLDER = """
import sys, time
from pathlib import Path
from evendistill.storage.lease import held
with held(Path(sys.argv[1])) as lease:
    lease.tell(2, 10)
    time.sleep(0.05)
    lease.tell(4, 10)
    lease.beat()
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def hold():
    """Let another process hold a folder, until it is killed."""
    holders = []

    def held_there(folder):
        command = [sys.executable, "-c", HOLDER, str(folder)]
        holders.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert holders[-1].stdout.readline() == "held\n"
        return holders[-1]

    yield held_there
    for holder in holders:
        holder.kill()
        holder.communicate()


@pytest.fixture
def clean(command_line, runs, tmp_path):
    """The verb ``clean`` on the folder of runs: exit code, standard output and error."""
    return partial(command_line, tmp_path, "clean", runs)
