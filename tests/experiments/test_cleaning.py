"""What may go, goes only if it is told to; what is finished, held or elsewhere stays."""

import json
import os
import time

import pytest

from evendistill.experiments.cleaning import KINDS, OLD, removable
from evendistill.storage.owners import LEASE, LOCK, boot

DEAD = json.dumps({"host": "here", "boot": boot(), "pid": 7})
FAR = json.dumps({"host": "far", "boot": "another", "pid": 7})


@pytest.fixture
def mixed(make):
    """A folder of runs with one of everything."""
    make("1-done", DONE="{}", model_safetensors="weights", **{LOCK: ""})
    make("2-left", DONE="{}", checkpoint_pt="state", **{LEASE: DEAD, LOCK: "", ".DONE.0123.tmp": "half"})
    age(make("3-failed", FAILED='{"error": "x"}', checkpoint_pt="state"))
    make("4-cut", metrics_jsonl="{}\n", **{LEASE: DEAD, LOCK: ""})
    make(".trash-0123", metrics_jsonl="{}\n")
    age(make("5-fresh", DONE="{}", **{".model.0123.tmp": "being written"}), 0)
    make("6-far", **{LEASE: FAR})


def age(folder, seconds=2 * OLD):
    for path in folder.iterdir():
        os.utime(path, times=(time.time(), time.time() - seconds))


def tree(folder):
    """Every file with its content, every link with where it leads; locks come and go."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        elif path.is_file() and path.name != LOCK:
            found[name] = path.read_bytes()
    return found


def told(runs):
    return [(item.kind, str(item.path.relative_to(runs.resolve())), item.bytes) for item in removable(runs)]


LEFT = [("leftover", "2-left/checkpoint.pt"), ("leftover", f"2-left/{LEASE}"), ("leftover", ".trash-0123")]
UNFINISHED = [("failed", "3-failed"), ("cut off", "4-cut")]


def test_what_may_go_is_listed_with_its_kind_and_size(mixed, runs):
    found = told(runs)
    assert sorted(each[:2] for each in found) == sorted(LEFT + UNFINISHED)
    sizes = {name: size for _, name, size in found}
    assert sizes["3-failed"] == len("{}") + len('{"error": "x"}') + len("state")
    assert sizes["2-left/checkpoint.pt"] == len("state")
    assert sizes[".trash-0123"] == len("{}") + len("{}\n")


def test_without_yes_nothing_is_deleted(mixed, runs, clean):
    before = tree(runs)
    code, out, err = clean()
    assert (code, err) == (0, "nothing was deleted; --yes deletes\n")
    assert len(out.splitlines()) == len(LEFT + UNFINISHED) + 1
    assert out.splitlines()[-1] == "1 failed, 1 cut off, 3 leftover: " + out.splitlines()[-1].split(": ")[1]
    assert tree(runs) == before


def test_with_yes_all_that_may_go_goes_and_nothing_else(mixed, runs, clean):
    gone = [name for _, name in LEFT + UNFINISHED]
    stays = {name: content for name, content in tree(runs).items() if not name.startswith(tuple(gone))}
    assert "1-done/model.safetensors" in stays
    code, out, err = clean("--yes")
    assert (code, err) == (0, "deleted\n")
    assert len(out.splitlines()) == len(gone) + 1
    assert tree(runs) == stays
    assert sorted(path.name for path in runs.iterdir()) == ["1-done", "2-left", "5-fresh", "6-far"]
    assert clean("--yes")[1].splitlines() == ["0 failed, 0 cut off, 0 leftover: 0 B"]


def test_json_says_what_would_go_and_what_went(mixed, runs, clean):
    found = json.loads(clean("--json")[1])
    assert {(item["kind"], item["path"]) for item in found["removable"]} == {
        (kind, str(runs.resolve() / name)) for kind, name in LEFT + UNFINISHED
    }
    assert json.loads(clean("--json", "--yes")[1]) == {"removed": found["removable"]}
    assert json.loads(clean("--json", "--yes")[1]) == {"removed": []}


@pytest.mark.parametrize(
    ("words", "kinds"),
    [(["failed"], {"failed"}), (["cut-off"], {"cut off"}), (["leftover"], {"leftover"}), (["failed", "cut off"], None)],
)
def test_only_the_kinds_that_are_named_go(mixed, runs, clean, words, kinds):
    kinds = kinds or {"failed", "cut off"}
    found = json.loads(clean(*(each for word in words for each in ("--only", word)), "--yes", "--json")[1])["removed"]
    assert {item["kind"] for item in found} == kinds
    assert {kind for kind, *_ in told(runs)} == set(KINDS) - kinds


@pytest.mark.parametrize("word", ["finished", "", "running", "all", "\x1b[31m"])
def test_a_kind_that_there_is_not_is_refused_and_nothing_goes(mixed, runs, clean, word):
    before = tree(runs)
    code, out, err = clean("--only", word, "--yes")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"evendistill: there is nothing called {word!r} to clean")
    assert tree(runs) == before


def test_a_missing_folder_is_refused_in_one_line(clean, runs):
    assert clean("--yes") == (2, "", f"evendistill: {runs}: there is no such folder of runs\n")


def test_of_a_finished_run_no_folder_and_no_fresh_file_goes(make, runs):
    folder = make("1-a", DONE="{}", **{".model.safetensors.01.tmp": "being written", "notes.tmp": "mine", ".mine": "x"})
    (folder / ".mine.tmp").mkdir()
    (folder / ".mine.tmp" / "file").write_text("x")
    assert told(runs) == []
    age(folder)
    assert [name for _, name, _ in told(runs)] == ["1-a/.model.safetensors.01.tmp"]
