"""Folders of runs that are malformed: each concerns its own run alone, and is shown with what is in the way."""

import pytest

from evendistill.experiments.status import read_status


def states(runs, expected=()):
    return [(entry.state, entry.folder.name) for entry in read_status(runs, expected)]


FILES = (
    "DONE",
    "FAILED",
    "lease.json",
    ".lock",
    "spec.json",
    "log.jsonl",
    "metrics.jsonl",
    "checkpoint.pt",
    "test.json",
)


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_the_place_of_a_file_concerns_its_own_run_alone(make, runs, name):
    folder = make("a-odd")
    (folder / name).unlink(missing_ok=True)
    (folder / name).mkdir()
    make("b-cut")
    (failed, cut) = read_status(runs)
    assert (failed.state, failed.folder, cut.state) == ("failed", folder, "cut off")
    assert failed.note == f"{name} is a folder in the place of a file; move it away, and the same command goes on"


def test_an_expected_run_whose_folder_is_a_link_or_a_file_does_not_wait(make, runs):
    make("a-one", DONE="{}")
    (runs / "b-linked").symlink_to(make("../elsewhere"))
    (runs / "c-dangling").symlink_to(runs / "nowhere")
    (runs / "d-moved").symlink_to(make("../finished", DONE="{}"))
    (runs / "e-file").write_text("")
    found = {
        entry.folder.name: (entry.state, entry.note)
        for entry in read_status(runs, ["b-linked", "c-dangling", "d-moved", "e-file", "f-not-there"])
    }
    goes_on = "move it away, and the same command goes on"
    assert found == {
        "a-one": ("finished", None),
        "b-linked": ("failed", f"is a link, which is not followed; {goes_on}"),
        "c-dangling": ("failed", f"is a link, which is not followed; {goes_on}"),
        "d-moved": ("finished", None),
        "e-file": ("failed", f"is a file in the place of a folder; {goes_on}"),
        "f-not-there": ("waiting", None),
    }


@pytest.mark.parametrize("spec", [None, "", "{", '{"seed": 2}'], ids=["lost", "empty", "cut", "another"])
def test_finished_is_what_has_its_mark_whatever_its_spec_says(make, runs, spec):
    folder = make("0123456789ab-one", DONE="{}", **({} if spec is None else {"spec.json": spec}))
    if spec is None:
        (folder / "spec.json").unlink()
    assert states(runs, [folder.name]) == [("finished", folder.name)]


def test_what_others_keep_beside_the_runs_is_no_run_for_having_something_called_done(tmp_path):
    (tmp_path / "tasks" / "DONE").mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "DONE").write_text("")
    assert states(tmp_path) == []
