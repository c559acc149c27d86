"""What a folder of runs holds, told apart by the files alone."""

import json

import pytest

from evendistill.experiments.status import Entry, read_status


@pytest.fixture
def make(tmp_path):
    def write(name, **files):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        for file, text in {"spec.json": "{}", **{k.replace("__", "."): v for k, v in files.items()}}.items():
            (folder / file).write_text(text)
        return folder

    return write


def test_runs_are_finished_failed_or_started(make, tmp_path):
    make("b-failed", FAILED=json.dumps({"error": "the loss is not finite at step 3", "kind": "FloatingPointError"}))
    make("a-done", DONE="{}", metrics__jsonl="{}\n{}\n")
    make("d-begun")
    make("c-halfway", metrics__jsonl='{"epoch": 0}\n{"epoch": 1}\n')
    found = [(entry.folder.name, entry.state, entry.note) for entry in read_status(tmp_path / "runs")]
    assert found == [  # the finished last; within that by what follows the hash
        ("d-begun", "started", "0 epochs logged"),
        ("b-failed", "failed", "the loss is not finite at step 3"),
        ("c-halfway", "started", "2 epochs logged"),
        ("a-done", "finished", None),
    ]


def test_what_is_no_run_is_not_listed(make, tmp_path):
    make("run", DONE="{}")
    (tmp_path / "runs" / "reports").mkdir()
    (tmp_path / "runs" / "reports" / "index.html").write_text("")
    (tmp_path / "runs" / "notes.txt").write_text("")
    assert [entry.folder.name for entry in read_status(tmp_path / "runs")] == ["run"]


def test_folders_are_absolute_and_entries_plain(make, tmp_path, monkeypatch):
    make("run", DONE="{}")
    monkeypatch.chdir(tmp_path)
    (entry,) = read_status(tmp_path.joinpath("runs").relative_to(tmp_path))
    assert entry.folder.is_absolute()
    assert entry == Entry(tmp_path / "runs" / "run", "finished", None)
    assert entry.plain() == {"state": "finished", "note": None}


def test_an_empty_folder_has_no_runs_and_a_missing_one_is_an_error(tmp_path):
    (tmp_path / "runs").mkdir()
    assert read_status(tmp_path / "runs") == []
    with pytest.raises(ValueError, match="missing: there is no such folder of runs"):
        read_status(tmp_path / "missing")
