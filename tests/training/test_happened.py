"""Every finished run has one line that says so, wherever it was killed before."""

import json
from pathlib import Path

import pytest

from evendistill.training import folder as folders
from evendistill.training.folder import RunFolder
from evendistill.training.happened import NAME, note, take_back_finished

SPEC = {"seed": 1}
RESULTS = {"model.safetensors": b"weights", "test.json": b"{}"}


class KilledError(BaseException):
    """What a kill does: nothing after it happens."""


def train(path: Path) -> RunFolder:
    folder = RunFolder(path)
    with folder.locked():
        folder.begin(SPEC)
        folder.finish(RESULTS)
    return folder


def events(path: Path) -> list[str]:
    return [json.loads(line)["event"] for line in (path / NAME).read_text().splitlines()]


@pytest.mark.parametrize("killed_at", range(1, 8))
def test_wherever_it_is_killed_the_finished_run_has_one_line_that_says_so(tmp_path, monkeypatch, killed_at):
    """Killed before each write of a file, a line or a mark in turn."""
    steps = iter(range(1, 100))

    def until_killed(write):
        def call(*told, **more):
            if next(steps) == killed_at:
                raise KilledError
            return write(*told, **more)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(folders, "write_bytes", until_killed(folders.write_bytes))
        patched.setattr(folders, "note", until_killed(folders.note))
        with pytest.raises(KilledError):
            train(tmp_path)
    assert not (tmp_path / "DONE").exists()
    train(tmp_path)
    assert events(tmp_path) == ["began"] * (1 + (killed_at > 3)) + ["finished"]


def test_a_run_that_is_killed_right_after_its_mark_has_its_line(tmp_path, monkeypatch):
    def killed_after(path, payload):
        write(path, payload)
        if path.name == "DONE":
            raise KilledError

    write = folders.write_bytes
    monkeypatch.setattr(folders, "write_bytes", killed_after)
    with pytest.raises(KilledError):
        train(tmp_path)
    assert RunFolder(tmp_path).finished
    assert events(tmp_path) == ["began", "finished"]


def test_what_was_finished_and_reopened_keeps_its_lines(tmp_path):
    folder = train(tmp_path)
    (tmp_path / "test.json").write_bytes(b"damaged")
    folder.reopen("test.json")
    train(tmp_path)
    assert events(tmp_path) == ["began", "finished", "reopened", "began", "finished"]


@pytest.mark.parametrize("last", [b"", b"no JSON\n", b"[1]\n", b'"finished"\n', b"{}\n", b"\xff\n", b"[" * 100_000])
def test_a_log_that_others_wrote_is_left_as_it_is(tmp_path, last):
    note(tmp_path, "finished")
    before = (tmp_path / NAME).read_bytes() + (last or b"\n")
    (tmp_path / NAME).write_bytes(before)
    take_back_finished(tmp_path)
    assert (tmp_path / NAME).read_bytes() == before
