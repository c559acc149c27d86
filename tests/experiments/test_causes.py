"""The cause of a failure ends in the folder of the run, once, and only where it says something against the run."""

import errno
import json

import pytest

from evendistill.experiments.causes import keep_cause
from evendistill.experiments.engines.engine import Outcome, outcome_of
from evendistill.experiments.results import Failure, failure_of
from evendistill.experiments.sweep import Sweep
from evendistill.storage.lease import held
from evendistill.training.folder import RunFolder, WrongStartError


@pytest.fixture
def spec(write_recipe, plain, tmp_path):
    return next(iter(Sweep.read(write_recipe(plain), tmp_path / "runs").needed.values()))


@pytest.fixture
def keep(spec, tmp_path):
    return lambda error: keep_cause(outcome_of(spec.hash, error), spec, tmp_path)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("there is no\n  such column"), Failure("there is no such column", True)),
        (ImportError("no module"), Failure("no module", False)),
        (
            FileNotFoundError(errno.ENOENT, "not there", "weights.pt"),
            Failure("[Errno 2] not there: 'weights.pt'", False),
        ),
        (MemoryError("40 GB"), Failure("out of memory: 40 GB", False)),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_speaks_against_the_run_is_kept_with_what_it_was_told(keep, spec, tmp_path, error, told):
    assert keep(error).error == told.error
    assert failure_of(spec, tmp_path) == told
    assert json.loads((tmp_path / spec.folder_name / "spec.json").read_text()) == spec.canonical()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EIO, "the server does not answer"),
        PermissionError(errno.EACCES, "not yours"),
        BlockingIOError("it is being trained"),
        WrongStartError("two processes are needed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_passes_leaves_nothing_behind(keep, tmp_path, error):
    keep(error)
    assert not list(tmp_path.glob("*-*"))


@pytest.mark.parametrize("end", ["finished", "cut off"])
def test_of_a_run_that_did_not_fail_nothing_is_kept(spec, tmp_path, end):
    outcome = Outcome(spec.hash, end)
    assert keep_cause(outcome, spec, tmp_path) is outcome
    assert not list(tmp_path.glob("*-*"))


def test_a_run_that_has_said_so_itself_is_believed(keep, spec, tmp_path):
    folder = RunFolder(tmp_path / spec.folder_name)
    folder.path.mkdir()
    folder.begin(spec.canonical())
    folder.fail(MemoryError("40 GB"))
    before = {path: path.read_bytes() for path in folder.path.iterdir()}
    keep(MemoryError("40 GB"))
    assert before == {path: path.read_bytes() for path in folder.path.iterdir()}
    keep(ValueError("another cause, when it was tried again"))
    assert folder.failure == "another cause, when it was tried again"


def test_a_run_that_another_process_is_at_is_left_to_it(keep, spec, tmp_path):
    with held(tmp_path / spec.folder_name):
        assert keep(ValueError("not importable here")).error == "not importable here"
    assert failure_of(spec, tmp_path) is None


def test_a_folder_that_cannot_be_written_is_told(keep, spec, tmp_path):
    (tmp_path / spec.folder_name).write_text("in the way")
    assert keep(ValueError("too wide")).error.startswith("too wide; and it could not be marked: ")
