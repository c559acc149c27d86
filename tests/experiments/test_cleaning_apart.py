"""Who else is at a folder of runs, or what its links lead to, is left alone by who cleans."""

import json
import os
import shutil

import pytest

from evendistill.experiments.cleaning import Removable, removable, remove
from evendistill.storage.lease import held
from evendistill.storage.owners import LEASE, LOCK, boot

DEAD = json.dumps({"host": "here", "boot": boot(), "pid": 7})
FAR = json.dumps({"host": "far", "boot": "another", "pid": 7})


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


def test_a_run_that_is_being_trained_is_not_even_listed(make, runs, hold, clean):
    folder = make("1-held", FAILED='{"error": "earlier"}', checkpoint_pt="state")
    holder = hold(folder)
    before = tree(runs)
    assert told(runs) == []
    assert json.loads(clean("--yes", "--json")[1]) == {"removed": []}
    assert tree(runs) == before
    holder.kill()
    holder.wait()
    assert told(runs)[0][:2] == ("failed", "1-held")


@pytest.mark.parametrize("mark", ["FAILED", "metrics.jsonl"])
def test_a_run_that_was_taken_up_since_it_was_listed_stays(make, runs, hold, mark):
    folder = make("1-a", **{mark: "{}\n"})
    (item,) = removable(runs)
    hold(folder)
    before = tree(runs)
    assert not remove(item)
    assert tree(runs) == before


def test_a_run_that_became_finished_since_it_was_listed_stays(make, runs):
    folder = make("1-a")
    (item,) = removable(runs)
    (folder / "DONE").write_text("{}")
    before = tree(runs)
    assert not remove(item)
    assert tree(runs) == before


def test_what_was_reopened_since_it_was_listed_keeps_its_checkpoint_and_its_lease(make, runs, hold):
    folder = make("1-a", DONE="{}", checkpoint_pt="old", **{LEASE: DEAD, LOCK: ""})
    items = removable(runs)
    assert [item.path.name for item in items] == ["checkpoint.pt", LEASE]
    (folder / "DONE").unlink()
    assert [remove(item) for item in items] == [False, False]
    hold(folder)
    (folder / "checkpoint.pt").write_text("new")
    before = tree(runs)
    assert [remove(item) for item in items] == [False, False]
    assert tree(runs) == before


def test_what_is_gone_already_is_not_made_again(make, runs):
    items = [*_removable(make("1-a"), runs), *_removable(make("2-b", DONE="{}", checkpoint_pt=""), runs)]
    shutil.rmtree(runs)
    runs.mkdir()
    assert [remove(item) for item in items] == [False] * len(items)
    assert list(runs.iterdir()) == []


def _removable(folder, runs):
    return [item for item in removable(runs) if folder.name in str(item.path)]


def test_a_lease_that_lives_or_is_of_another_machine_is_no_leftover(make, runs, hold):
    make("1-far", DONE="{}", **{LEASE: FAR})
    hold(make("2-here", DONE="{}"))
    assert told(runs) == []


def test_the_trash_of_two_who_clean_at_once_is_no_error(make, runs):
    make(".trash-01", a="x")
    first, second = removable(runs), removable(runs)
    assert [remove(item) for item in first + second] == [True, True]
    assert list(runs.iterdir()) == []


def test_who_cleans_holds_the_folder(make, runs):
    folder = make("1-a")
    with held(folder):
        assert not remove(Removable(folder, "cut off", 2))
    assert remove(Removable(folder, "cut off", 2))
    assert not folder.exists()


def test_nothing_outside_the_folder_is_touched_through_links(make, runs, tmp_path, clean):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "spec.json").write_text("{}")
    (outside / "FAILED").write_text('{"error": "mine"}')
    precious = outside / "precious"
    precious.write_text("not to be emptied")
    make("1-cut").joinpath("data").symlink_to(outside)
    (runs / "2-linked").symlink_to(outside)
    (runs / ".trash-linked").symlink_to(outside)
    (make(".trash-folder") / "inside").symlink_to(outside)
    finished = make("3-done", DONE="{}")
    (finished / "checkpoint.pt").symlink_to(precious)
    (finished / ".model.tmp").symlink_to(outside)
    os.utime(finished / ".model.tmp", (0, 0), follow_symlinks=False)
    before = tree(outside)
    found = told(runs)
    assert sorted(name for _, name, _ in found) == [
        *(".trash-folder", ".trash-linked", "1-cut", "3-done/.model.tmp", "3-done/checkpoint.pt"),
    ]
    assert all(size < 500 for *_, size in found), "what links lead to is not counted"
    assert clean("--yes")[0] == 0
    assert tree(outside) == before
    assert sorted(path.name for path in runs.iterdir()) == ["2-linked", "3-done"]
    assert sorted(path.name for path in finished.iterdir() if path.name != LOCK) == ["DONE", "spec.json"]


@pytest.mark.parametrize("kind", ["failed", "leftover"])
def test_a_lock_that_is_a_link_empties_no_file(make, runs, tmp_path, clean, kind):
    precious = tmp_path / "precious"
    precious.write_text("not to be emptied")
    folder = make("1-a", **({"FAILED": "{}"} if kind == "failed" else {"DONE": "{}", "checkpoint_pt": "state"}))
    (folder / LOCK).symlink_to(precious)
    code, _, err = clean("--yes")
    assert code != 0
    assert "Traceback" not in err
    assert precious.read_text() == "not to be emptied"


def test_a_folder_that_became_a_link_since_it_was_listed_is_left_alone(make, runs, tmp_path):
    folder = make("1-a", FAILED="{}")
    (item,) = removable(runs)
    folder.rename(tmp_path / "outside")
    folder.symlink_to(tmp_path / "outside")
    before = tree(tmp_path)
    assert not remove(item)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["lease.json", "DONE", "FAILED", "spec.json"])
def test_a_run_with_a_folder_in_the_place_of_a_file_goes_like_others(make, runs, clean, name):
    folder = make("1-odd", metrics_jsonl="{}\n")
    (folder / name).unlink(missing_ok=True)
    (folder / name / "inner").mkdir(parents=True)
    make("2-cut")
    make("3-done", DONE="{}")
    assert sorted(each[:2] for each in told(runs)) == [("cut off", "2-cut"), ("failed", "1-odd")]
    code, _, err = clean("--yes")
    assert (code, err) == (0, "deleted\n")
    assert [path.name for path in runs.iterdir()] == ["3-done"]


def test_a_run_whose_lock_is_a_folder_stays_and_the_others_go(make, runs, clean):
    (make("1-odd") / LOCK).mkdir()
    make("2-cut")
    code, out, err = clean("--yes")
    assert (code, err) == (0, "deleted\n")
    assert out.splitlines()[-1].startswith("0 failed, 1 cut off, 0 leftover: ")
    assert [path.name for path in runs.iterdir()] == ["1-odd"]
