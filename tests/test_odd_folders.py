"""A run folder that is none, or whose spec is damaged, concerns its own run alone, and is named in one line."""

import json
import shutil
import warnings
from pathlib import Path

import pytest

from evendistill.experiments.engines.choice import How
from evendistill.experiments.sweep import Sweep

RECIPE = """
name: odd
data: {source: digits, imbalance: 10}
training: {epochs: 1, batch_size: 64, update_every: 8}
teachers:
  network: {kind: mlp, hidden: [8]}
  objectives: [standard, balanced, robust]
seeds: 1
"""
GOES_ON = "move it away, and the same command goes on"


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("swept")
    (folder / "odd.yaml").write_text(RECIPE)
    Sweep.read(folder / "odd.yaml", folder / "runs").train(How(pack=1))
    assert len(list(folder.glob("runs/*/DONE"))) == 3
    return folder


@pytest.fixture
def there(swept, tmp_path) -> Path:
    return Path(shutil.copytree(swept, tmp_path / "there"))


@pytest.fixture
def evendistill(command_line, there):
    """The command line in that folder; nothing that is warned of ends it."""

    def call(*words):
        with warnings.catch_warnings(action="always"):
            return command_line(there, *words)

    return call


def counts(evendistill):
    found = json.loads(evendistill("status", "runs", "--json")[1])["counts"]
    return {state: count for state, count in found.items() if count}


def to_file(folder: Path) -> str:
    shutil.rmtree(folder)
    folder.write_text("mine")
    return " is a file in the place of a folder"


def to_link(folder: Path) -> str:
    (folder / "DONE").unlink()
    folder.symlink_to(folder.rename(folder.parent.parent / "elsewhere"))
    return " is a link, which is not followed"


def to_folder(name: str):
    def made(folder: Path) -> str:
        for each in ("DONE", name):
            (folder / each).unlink(missing_ok=True)
        (folder / name).mkdir()
        return f"/{name} is a folder in the place of a file"

    return made


ODD = [to_file, to_link, *map(to_folder, ["lease.json", "DONE", "FAILED", ".lock", "spec.json", "test.json"])]


@pytest.mark.parametrize("engine", [["--pack", "2"], ["--pack", "1", "--retry-failed"]], ids=["plain", "again"])
@pytest.mark.parametrize("make_odd", ODD, ids=["file", "link", "lease", "DONE", "FAILED", "lock", "spec", "test"])
def test_an_odd_run_folder_fails_its_own_run_in_one_line_and_the_rest_is_trained(
    evendistill, there, swept, make_odd, engine
):
    odd, other, done = sorted(path.parent for path in there.glob("runs/*/DONE"))
    shutil.rmtree(other)
    line = f"failed: {odd.name}: runs/{odd.name}{make_odd(odd)}; {GOES_ON}"
    before = sorted(there.glob("elsewhere/*"))
    for missing in (2, 1):
        code, _, err = evendistill("run", "odd.yaml", *engine)
        assert (code, err.splitlines()) == (2, [f"3 runs, {3 - missing} finished already, {missing} to train", line])
        assert counts(evendistill) == {"failed": 1, "finished": 2}
    assert sorted(there.glob("elsewhere/*")) == before
    assert evendistill("clean", "runs")[0] == 0
    odd.rename(there / "moved")
    assert evendistill("run", "odd.yaml", *engine)[0] == 0
    for run in (odd, other, done):
        assert (run / "test.json").read_bytes() == (swept / "runs" / run.name / "test.json").read_bytes()


def test_processes_of_their_own_fail_at_an_odd_folder_likewise(evendistill, there):
    odd, other, _ = sorted(path.parent for path in there.glob("runs/*/DONE"))
    shutil.rmtree(other)
    line = f"failed: {odd.name}: runs/{odd.name}{to_folder('lease.json')(odd)}; {GOES_ON}"
    code, _, err = evendistill("run", "odd.yaml", "--jobs", "1")
    assert (code, err.splitlines()[1:]) == (2, [line])
    assert (other / "DONE").is_file()


@pytest.mark.parametrize("damaged", [None, b"", b"{", b"[]", b"\xff"], ids=["lost", "empty", "cut", "list", "bytes"])
def test_a_damaged_spec_of_a_finished_run_is_named_and_written_anew(evendistill, there, damaged):
    run, *_ = sorted(path.parent for path in there.glob("runs/*/DONE"))
    spec = run / "spec.json"
    whole = spec.read_bytes()
    spec.unlink()
    if damaged is not None:
        spec.write_bytes(damaged)
    times = {path: path.stat().st_mtime_ns for path in there.glob("runs/*/*") if path != spec}
    assert counts(evendistill) == {"finished": 3}
    code, _, err = evendistill("run", "odd.yaml")
    told = f"warning: runs/{run.name}/spec.json is not what the run was told; it is written anew"
    assert (code, err.splitlines()) == (0, [told, "3 runs, 3 finished already, 0 to train"])
    assert spec.read_bytes() == whole
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert "spec.json" not in evendistill("run", "odd.yaml")[2]
    assert counts(evendistill) == {"finished": 3}


def test_a_spec_that_tells_of_another_run_is_named_and_left(evendistill, there):
    run, other, _ = sorted(path.parent for path in there.glob("runs/*/DONE"))
    shutil.copy(other / "spec.json", run / "spec.json")
    code, _, err = evendistill("run", "odd.yaml")
    first, last = err.splitlines()
    assert (code, last) == (0, "3 runs, 3 finished already, 0 to train")
    assert first.startswith(f"warning: runs/{run.name} holds another run: its objective")
    assert first.endswith("take another folder or delete this one")
    assert (run / "spec.json").read_bytes() == (other / "spec.json").read_bytes()


def test_a_spec_that_cannot_be_written_anew_stops_nothing(evendistill, there):
    run, *_ = sorted(path.parent for path in there.glob("runs/*/DONE"))
    (run / "spec.json").unlink()
    (run / "spec.json").mkdir()
    code, _, err = evendistill("run", "odd.yaml")
    path = f"runs/{run.name}/spec.json"
    told = f"{path} is damaged, and is not written anew: {path} is a folder in the place of a file; {GOES_ON}"
    assert (code, err.splitlines()[:1]) == (0, [f"warning: {told}"])


def test_of_a_finished_run_that_is_a_link_nothing_is_mended(evendistill, there):
    run, *_ = sorted(path.parent for path in there.glob("runs/*/DONE"))
    elsewhere = run.rename(there / "elsewhere")
    run.symlink_to(elsewhere)
    assert evendistill("run", "odd.yaml")[0] == 0
    assert counts(evendistill) == {"finished": 3}
    (elsewhere / "spec.json").write_text("{")
    (elsewhere / "test.json").write_text("{")
    before = {path.name: path.read_bytes() for path in elsewhere.iterdir()}
    code, _, err = evendistill("run", "odd.yaml")
    why = f"runs/{run.name} is a link, which is not followed; {GOES_ON}"
    told = f"warning: runs/{run.name}/test.json is not what the run wrote, and is not made anew: {why}"
    assert (code, err.splitlines()[0]) == (2, told)
    assert {path.name: path.read_bytes() for path in elsewhere.iterdir()} == before
