"""What a folder of runs holds is told by its files alone, whatever lies in it."""

import json
import os
import time
from pathlib import Path

import pytest

from evendistill.experiments import status
from evendistill.experiments.status import Entry, read_status
from evendistill.storage.owners import LEASE, LOCK

ELSEWHERE = {"host": "far", "boot": "another", "pid": 7, "step": 30, "steps": 120, "seconds_left": 45.0}


def states(runs, expected=()):
    return [(entry.state, entry.folder.name) for entry in read_status(runs, expected)]


def test_a_run_that_a_process_holds_is_running_until_that_is_killed(make, hold, runs):
    folder = make("a-one", metrics_jsonl="{}\n{}\n")
    holder = hold(folder)
    (entry,) = read_status(runs)
    assert (entry.state, entry.step, entry.steps) == ("running", 4, 10)
    assert entry.note is not None
    assert entry.note.startswith(f"process {holder.pid} on ")
    assert "silent" not in entry.note
    assert entry.seconds_left is not None
    assert 0.1 <= entry.seconds_left < 60  # six steps at two in 0.05 s or somewhat more
    holder.kill()
    holder.wait()
    (entry,) = read_status(runs)
    assert (entry.state, entry.note, entry.step, entry.seconds_left) == ("cut off", "2 epochs logged", None, None)
    assert (folder / LEASE).exists(), "who looks on takes nothing away"


def test_a_run_of_another_machine_is_running_and_its_silence_is_told(make, runs):
    folder = make("a-one", **{LEASE: json.dumps(ELSEWHERE)})
    (entry,) = read_status(runs)
    assert (entry.state, entry.note) == ("running", "process 7 on far")
    assert (entry.step, entry.steps, entry.seconds_left) == (30, 120, 45.0)
    assert entry.bytes == 2 + len(json.dumps(ELSEWHERE))
    os.utime(folder / LEASE, times=(time.time(), time.time() - 500))
    (entry,) = read_status(runs)
    assert entry.state == "running"
    assert entry.note is not None
    assert entry.note.startswith("process 7 on far, silent for 50")


def test_a_lease_of_this_machine_that_nobody_holds_is_no_run(make, runs):
    from evendistill.storage.owners import boot

    make("a-one", **{LEASE: json.dumps({**ELSEWHERE, "boot": boot()}), LOCK: ""})
    assert states(runs) == [("cut off", "a-one")]


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({}, (30, 120, 45.0)),
        ({"step": "[red]30", "steps": "[/red]"}, (None, None, 45.0)),
        ({"step": True, "steps": 1.5}, (None, None, 45.0)),
        ({"seconds_left": "soon"}, (30, 120, None)),
        ({"seconds_left": float("nan")}, (30, 120, None)),
        ({"seconds_left": float("inf"), "step": -1}, (None, 120, None)),
        ({"seconds_left": 10**400, "steps": 10**400}, (30, None, None)),
        ({"seconds_left": [1], "step": {"a": 1}}, (None, 120, None)),
    ],
)
def test_what_a_lease_says_of_its_steps_is_believed_only_if_it_is_a_number(make, runs, changed, shown):
    make("a-one", **{LEASE: json.dumps(ELSEWHERE | changed)})
    (entry,) = read_status(runs)
    assert (entry.step, entry.steps, entry.seconds_left) == shown
    json.dumps(entry.plain(), allow_nan=False)


LEASES = ["", "{}", "[]", "7", '{"host": "a", "boot": "b", "pid": Infinity}', "[" * 100_000, "\x80", '{"pid": 1}']
MARKS = ["", "{}", "[1]", "null", '"error"', "{", "[" * 100_000, b"\xff\xfe", b"\x80\x04."]


@pytest.mark.parametrize("lease", LEASES, ids=range(len(LEASES)))
def test_a_lease_that_cannot_be_read_is_no_lease(make, runs, lease):
    make("a-one", **{LEASE: lease})
    assert states(runs) == [("cut off", "a-one")]


def test_what_failed_says_why_in_one_line(make, runs):
    make("a-one", FAILED=json.dumps({"error": "it broke\n  on\tall lines ", "kind": "ValueError"}))
    (entry,) = read_status(runs)
    assert (entry.state, entry.note) == ("failed", "it broke on all lines")


@pytest.mark.parametrize("mark", MARKS, ids=range(len(MARKS)))
def test_a_damaged_mark_of_failure_is_still_one(make, runs, mark):
    make("a-one", FAILED=mark)
    (entry,) = read_status(runs)
    assert (entry.state, entry.note) == ("failed", "the file FAILED is damaged")


def test_what_was_cut_off_says_how_far_it_came(make, runs):
    make("a-begun")
    make("b-trained", metrics_jsonl="{}\n{}\n{}\n")
    make("b-kept", metrics_jsonl="{}\n", checkpoint_pt="state")
    going_on = "1 epoch logged, the same command goes on from its checkpoint"
    notes = ["0 epochs logged", going_on, "3 epochs logged"]
    assert [(entry.state, entry.note) for entry in read_status(runs)] == [("cut off", note) for note in notes]


def test_finished_is_what_has_its_mark_whatever_else_lies_there(make, runs):
    make("a-one", DONE="{}", FAILED="{}", **{LEASE: json.dumps(ELSEWHERE)})
    assert read_status(runs) == [Entry(runs / "a-one", "finished", bytes=6 + len(json.dumps(ELSEWHERE)))]


def test_the_bytes_are_those_of_the_files(make, runs):
    folder = make("a-one", DONE="{}", model_safetensors=b"0" * 1000, checkpoint_pt=b"0" * 70)
    big = runs / "elsewhere"
    big.write_bytes(b"0" * 100_000)
    (folder / "link").symlink_to(big)
    (entry,) = read_status(runs)
    assert entry.bytes == 2 + 2 + 1000 + 70 + (folder / "link").lstat().st_size


def test_what_needs_a_look_comes_first_then_by_name_past_the_hash(make, runs):
    make("1-z", DONE="{}")
    make("9-a", DONE="{}")
    make("5-b")
    make("4-c", FAILED='{"error": "x"}')
    make("3-d", FAILED='{"error": "x"}')
    make("2-x", **{LEASE: json.dumps(ELSEWHERE)})
    assert states(runs, ["0-w", "7-v", "9-a"]) == [
        *(("running", "2-x"), ("failed", "4-c"), ("failed", "3-d"), ("cut off", "5-b")),
        *(("waiting", "7-v"), ("waiting", "0-w"), ("finished", "9-a"), ("finished", "1-z")),
    ]


def test_what_is_no_run_folder_is_not_listed(make, runs):
    run = make("a-one", DONE="{}")
    (runs / "spec.json").write_text("{}")
    (runs / "recipes").mkdir()
    (runs / "reports" / "small").mkdir(parents=True)
    (runs / "reports" / "small" / "spec.json").write_text("{}")
    (runs / "empty").mkdir()
    (runs / "b-linked").symlink_to(run)
    (runs / "c-dangling").symlink_to(runs / "nowhere")
    make(".trash-0123", FAILED='{"error": "being deleted"}')
    assert states(runs) == [("finished", "a-one")]


def test_a_folder_that_vanishes_meanwhile_is_no_error(make, runs, monkeypatch):
    make("a-one", DONE="{}")
    make("b-two", DONE="{}")
    scandir = os.scandir

    def vanishing(path):
        if Path(path).name == "b-two":
            Path(path).rename(runs / ".trash-b")
        return scandir(path)

    monkeypatch.setattr(status.os, "scandir", vanishing)
    assert states(runs) == [("finished", "a-one")]
