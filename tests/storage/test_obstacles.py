"""What stands in the place of a run's folder or of its files is named with its path; what a run writes never is."""

import os
import re

import pytest

from evendistill.storage.files import json_bytes
from evendistill.storage.obstacles import obstacle
from evendistill.training.folder import RunFolder, finish_once
from evendistill.training.turns import drained

GOES_ON = "move it away, and the same command goes on"
OF_RECIPE = {"schema_version": 1, "seed": 1}


def work():
    yield from ()
    return {"model.safetensors": b"weights"}


def test_where_nothing_is_or_only_what_a_run_writes_nothing_is_in_the_way(tmp_path):
    assert obstacle(tmp_path / "not" / "there") is None
    assert drained(finish_once(RunFolder(tmp_path / "run"), OF_RECIPE, work)) is True
    (tmp_path / "run" / "mine").mkdir()
    (tmp_path / "run" / ".plots").symlink_to(tmp_path)
    assert obstacle(tmp_path / "run") is None


@pytest.mark.parametrize("name", ["lease.json", ".lock", "log.jsonl", "scores-train-0.safetensors", "checkpoint.pt"])
@pytest.mark.parametrize(
    ("put", "what"),
    [
        (lambda path: path.mkdir(), "a folder"),
        (lambda path: path.symlink_to(path.parent), "a link"),
        (lambda path: path.symlink_to(path.parent / "nowhere"), "a link"),
        (os.mkfifo, "something else"),
    ],
    ids=["folder", "link", "dangling", "pipe"],
)
def test_what_is_in_the_place_of_a_file_is_refused_before_any_work_and_nothing_is_written(tmp_path, name, put, what):
    put(tmp_path / name)
    line = f"{tmp_path / name} is {what} in the place of a file; {GOES_ON}"
    with pytest.raises(ValueError, match=re.escape(line)) as refused:
        drained(finish_once(RunFolder(tmp_path), OF_RECIPE, lambda: pytest.fail("it was begun")))
    assert str(refused.value) == line == obstacle(tmp_path)
    RunFolder(tmp_path).give_up(OF_RECIPE, ValueError(line))
    with pytest.raises(OSError, match=re.escape(line)):
        RunFolder(tmp_path).give_up(OF_RECIPE, ValueError("another cause"))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(ValueError, match=f"run is a file in the place of a folder; {GOES_ON}"):
        drained(finish_once(RunFolder(tmp_path / "run"), OF_RECIPE, work))
    assert (tmp_path / "run").read_text() == "mine"


def test_of_a_recipe_no_folder_may_be_a_link_and_in_python_the_user_s_own_may(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(ValueError, match=f"run is a link, which is not followed; {GOES_ON}"):
        drained(finish_once(folder, OF_RECIPE, work))
    with pytest.raises(OSError, match="run is a link, which is not followed"):
        folder.give_up(OF_RECIPE, ValueError("another cause"))
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert drained(finish_once(folder, {"role": "train", "seed": 1}, work)) is True
    assert (tmp_path / "elsewhere" / "spec.json").read_bytes() == json_bytes({"role": "train", "seed": 1})


def test_the_folder_of_all_runs_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "runs").symlink_to(tmp_path / "disk")
    assert drained(finish_once(RunFolder(tmp_path / "runs" / "one"), OF_RECIPE, work)) is True
    assert (tmp_path / "disk" / "one" / "DONE").is_file()
