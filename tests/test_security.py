"""Nothing that a folder of runs holds is ever run: no pickle is loaded, no network of a user's own is imported."""

import io
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from evendistill.experiments.engines.choice import How
from evendistill.experiments.sweep import Sweep
from evendistill.storage import lease, watch
from evendistill.storage.files import digest, json_bytes, read_json
from evendistill.training.checkpoint import HEADER

RECIPE = {
    "name": "small",
    "data": {"source": "digits"},
    "training": {"epochs": 1, "batch_size": 64, "update_every": 8},
    "teachers": {"network": {"kind": "mlp", "hidden": [8]}, "objectives": ["standard"]},
    "students": {"network": {"kind": "mlp", "hidden": [4]}, "objectives": ["standard", "robust"], "alone": True},
    "seeds": 1,
}


class Bomb:
    """Whoever unpickles it makes a folder."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def bombs(mark):
    """The same, pickled plainly, and as torch saves it in its two formats."""
    payloads = [pickle.dumps(Bomb(mark))]
    for is_zip in (True, False):
        buffer = io.BytesIO()
        torch.save({"state": Bomb(mark)}, buffer, _use_new_zipfile_serialization=is_zip)
        payloads.append(buffer.getvalue())
    return payloads


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Path:
    """A recipe and its finished runs."""
    folder = tmp_path_factory.mktemp("secure")
    (folder / "small.yaml").write_text(yaml.safe_dump(RECIPE))
    outcomes = Sweep.read(folder / "small.yaml", folder / "runs").train(How(jobs=1, pack=2))
    assert [outcome.error for outcome in outcomes if outcome.error] == []
    return folder


@pytest.fixture
def sent(swept, tmp_path) -> Path:
    """A copy of it, as someone might have sent it."""
    return Path(shutil.copytree(swept, tmp_path / "sent"))


@pytest.fixture
def evendistill(command_line, monkeypatch, sent):
    """The command line beside the runs; nothing that is warned of ends it."""
    monkeypatch.setattr(watch, "SILENCE", 0.2)  # seconds for which a lease that cannot be read is respected
    monkeypatch.setattr(lease, "LOOK", 0.05)

    def call(*words):
        with warnings.catch_warnings(action="always"):
            return command_line(sent, *words)

    return call


def folder_of(runs, *, is_teacher):
    """A run folder that keeps scores for students, or that of a student."""
    found = [path for path in sorted(runs.glob("*-s0")) if bool(list(path.glob("scores-validation-*"))) == is_teacher]
    return next(path for path in found if is_teacher or "-from-" in path.name)


LOOK = (["select", "small.yaml"], ["frontier", "small.yaml"], ["report", "small.yaml"], ["diagnose", "small.yaml"])
RUN = ["run", "small.yaml", "--pack", "1"]


def go_through(evendistill, sent, mark, *more):
    """All that may be done with a folder that others sent."""
    for words in (*LOOK, ["diagnose", folder_of(sent / "runs", is_teacher=True)], *more):
        code, _, err = evendistill(*words)
        assert not mark.exists(), words
        assert code in (0, 1, 2), words
        assert "Traceback" not in err, (words, err)


def test_the_bomb_goes_off_where_pickles_are_loaded(tmp_path):
    for number, payload in enumerate(bombs(tmp_path / "mark")):
        load = pickle.loads if number == 0 else lambda raw: torch.load(io.BytesIO(raw), weights_only=False)
        load(payload)
        (tmp_path / "mark").rmdir()


def test_no_file_beside_the_results_is_unpickled(evendistill, sent, tmp_path):
    """One run is cut off, one failed, one finished, and each has a pickle for every file that it could have."""
    runs, mark = sent / "runs", tmp_path / "mark"
    student = folder_of(runs, is_teacher=False)
    (student / "DONE").unlink()
    failed = next(path for path in sorted(runs.glob("*robust*")) if "-from-" not in path.name)
    (failed / "DONE").unlink()
    plain, zipped, legacy = bombs(mark)
    for folder in (student, failed, folder_of(runs, is_teacher=True)):
        for name in ("lease.json", "metrics.jsonl", "env.json", "log.jsonl", ".lock", ".spec.json.0.tmp"):
            (folder / name).write_bytes(plain)
        (folder / "checkpoint.pt").write_bytes(HEADER + digest(zipped).encode() + b"\n" + zipped)
    (failed / "FAILED").write_bytes(plain)
    (failed / "checkpoint.pt").write_bytes(HEADER + digest(legacy).encode() + b"\n" + legacy)
    (runs / "recipes").mkdir(exist_ok=True)
    (runs / "recipes" / "small.yaml").write_bytes(plain)
    (runs / "recipes" / "tag.yaml").write_text(f"!!python/object/apply:os.mkdir ['{mark}']")
    status, clean = ["status", "runs", "--all"], ["clean", "runs"]
    go_through(evendistill, sent, mark, status, [*status, "--json"], clean, RUN, status, [*clean, "--yes"], RUN)
    assert all((folder / "DONE").is_file() for folder in (student, failed)), "they were trained anew"


@pytest.mark.parametrize("which", range(3), ids=["plain", "zip", "legacy"])
def test_a_checkpoint_with_more_than_numbers_is_named_and_not_loaded(evendistill, sent, tmp_path, which):
    student, payload = folder_of(sent / "runs", is_teacher=False), bombs(tmp_path / "mark")[which]
    (student / "DONE").unlink()
    (student / "checkpoint.pt").write_bytes(HEADER + digest(payload).encode() + b"\n" + payload)
    code, _, err = evendistill("run", "small.yaml", "--pack", "1")
    assert (code, (tmp_path / "mark").exists()) == (0, False)
    assert "checkpoint.pt is damaged; the run starts anew" in err
    assert "Traceback" not in err


def results_in(folder):
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    found = [name for name in names if name.endswith((".safetensors", ".json")) or name == "DONE"]
    assert {"DONE", "model.safetensors", "spec.json", "validation.json", "test.json", "data.json"} < set(found)
    return found


def test_no_result_is_unpickled(evendistill, sent, tmp_path):
    for folder in (sent / "runs").glob("*-s0"):
        for number, name in enumerate(results_in(folder)):
            (folder / name).write_bytes(bombs(tmp_path / "mark")[number % 3])
    go_through(evendistill, sent, tmp_path / "mark", RUN)


@pytest.mark.parametrize("is_teacher", [True, False], ids=["teacher", "student"])
def test_no_result_with_a_forged_checksum_is_unpickled(evendistill, sent, tmp_path, is_teacher):
    runs, mark = sent / "runs", tmp_path / "mark"
    results = results_in(folder_of(runs, is_teacher=is_teacher))
    assert not is_teacher or len([name for name in results if name.startswith("scores-")]) == 2
    runs.rename(sent / "kept")
    for number, name in enumerate(results):
        shutil.rmtree(runs, ignore_errors=True)
        shutil.copytree(sent / "kept", runs)
        folder, payload = folder_of(runs, is_teacher=is_teacher), bombs(mark)[number % 3]
        (folder / name).write_bytes(payload)
        if name in (done := read_json(sent / "kept" / folder.name / "DONE")):
            (folder / "DONE").write_bytes(json_bytes(done | {name: digest(payload)}))
        if is_teacher:  # so that its weights and scores are needed
            (folder_of(runs, is_teacher=False) / "DONE").unlink()
        go_through(evendistill, sent, mark, RUN)


@pytest.mark.parametrize("verb", ["evaluate", "diagnose"])
def test_no_file_of_scores_is_unpickled(evendistill, sent, tmp_path, verb):
    mark = tmp_path / "mark"
    boxed = np.array([Bomb(mark), None], dtype=object)
    np.save(sent / "a.npy", boxed, allow_pickle=True)
    np.savez(sent / "b.npz", scores=boxed, labels=np.zeros(2))
    for number, payload in enumerate(bombs(mark)):
        for suffix in ("npy", "npz", "csv", "parquet"):
            (sent / f"c{number}.{suffix}").write_bytes(payload)
    np.save(sent / "labels.npy", np.zeros(2, dtype=int))
    for path in sorted(sent.glob("[abc]*.*")):
        for more in ([], ["--labels", "labels.npy"], ["--labels", path.name]):
            code, out, err = evendistill(verb, path.name, *more)
            assert (code, out, err.count("\n"), mark.exists()) == (2, "", 1, False), (path.name, err)


OWN = """
import pathlib
pathlib.Path({mark!r}).mkdir()
from torch import nn
def small(num_classes, channels):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))
"""
SESSION = """
import os, sys
from evendistill import cli
mark = sys.argv[1]
for words in sys.argv[2:]:
    sys.argv = ["evendistill", *words.split()]
    try:
        cli.main()
    except SystemExit as end:
        print("ended", words, end.code or 0, os.path.exists(mark), "nets" in sys.modules, flush=True)
"""


def test_networks_of_ones_own_are_imported_to_train_and_never_to_look(tmp_path):
    mark, out = tmp_path / "mark", tmp_path / "runs"
    (tmp_path / "nets.py").write_text(OWN.format(mark=str(mark)))
    own = {"kind": "own", "path": "nets:small"}
    recipe = {part: {**RECIPE[part], "network": own} for part in ("teachers", "students")}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(RECIPE | recipe))
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])

    def session(*lines):
        command = [sys.executable, "-c", SESSION, str(mark), *lines]
        found = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": paths}, "capture_output": True, "text": True}
        done = subprocess.run(command, check=True, timeout=300, **found)
        return [line.split()[-3:] for line in done.stdout.splitlines() if line.startswith("ended")]

    look = ["status runs", "report own.yaml", "select own.yaml", "frontier own.yaml", "diagnose own.yaml", "clean runs"]
    assert session(*look[1:5], "run own.yaml --dry-run") == [["2", "False", "False"]] * 4 + [["0", "False", "False"]]
    assert session("run own.yaml --pack 2") == [["0", "True", "True"]]
    mark.rmdir()
    folder = folder_of(out, is_teacher=True)
    again = session(
        *look, f"diagnose {folder}", f"diagnose {folder} --to a.svg", "run own.yaml", "run own.yaml --dry-run"
    )
    assert again == [["0", "False", "False"]] * 10
