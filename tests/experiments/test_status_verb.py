"""The verb status: what recipes ask for, JSON, and how little is imported for it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evendistill.experiments.status import expected_runs, read_status
from evendistill.experiments.sweep import Sweep
from evendistill.experiments.verbs import derived


def evendistill(*words):
    command = [sys.executable, "-m", "evendistill", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_a_missing_folder_is_refused_in_one_line(tmp_path):
    done = evendistill("status", tmp_path / "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"evendistill: {tmp_path / 'nowhere'}: there is no such folder of runs\n"
    (tmp_path / "file").write_text("")
    assert evendistill("status", tmp_path / "file").returncode == 2


def test_json_has_runs_counts_and_bytes_with_absolute_folders(make, tmp_path, write_recipe, plain):
    sweep = Sweep.read(write_recipe(plain), tmp_path / "runs")
    first, second, *waiting = (spec.folder_name for spec in sweep.needed.values())
    make(first, DONE="{}")
    make(second, FAILED='{"error": "x"}')
    (tmp_path / "runs" / "recipes").mkdir()
    shutil.copy(sweep.recipe, tmp_path / "runs" / "recipes" / "small.yaml")
    command = [sys.executable, "-m", "evendistill", "status", "runs", "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, cwd=tmp_path, check=True).stdout)
    names = [second, *sorted(waiting, key=lambda name: (name.partition("-")[2], name)), first]
    assert [run["folder"] for run in found["runs"]] == [str(tmp_path.resolve() / "runs" / name) for name in names]
    counts = {"running": 0, "failed": 1, "cut off": 0, "waiting": len(waiting), "finished": 1}
    assert found["counts"] == counts
    assert found["bytes"] == 2 + 2 + 2 + 14
    assert set(found) == {"runs", "counts", "bytes"}
    fields = {"folder", "state", "note", "step", "steps", "seconds_left", "bytes"}
    assert all(set(run) == fields for run in found["runs"])


def test_a_kept_recipe_that_cannot_be_read_is_no_harm(tmp_path, write_recipe, plain):
    kept = tmp_path / "runs" / "recipes"
    kept.mkdir(parents=True)
    (kept / "a-prose.yaml").write_text("just some words")
    (kept / "b-bytes.yaml").write_bytes(b"\xff\xfe\x00")
    (kept / "c-cut.yaml").write_text("name: [")
    (kept / "d-folder.yaml").mkdir()
    (kept / "e-dangling.yaml").symlink_to(tmp_path / "nowhere")
    (kept / "f-empty.yaml").write_text("")
    (kept / "g-large.yaml").write_text("#" * ((1 << 20) + 1))
    (kept / "not-a-recipe.txt").write_text(write_recipe(plain).read_text())
    assert expected_runs(tmp_path / "runs") == {}
    shutil.copy(write_recipe(plain), kept / "z-good.yaml")
    found = expected_runs(tmp_path / "runs")
    assert list(found) == [spec.folder_name for spec in Sweep.read(write_recipe(plain), tmp_path).needed.values()]
    assert [entry.state for entry in read_status(tmp_path / "runs", found)] == ["waiting"] * len(found)


def test_what_a_trial_left_behind_waits_for_nobody(tmp_path, write_recipe, plain):
    runs = tmp_path / "runs"
    real = write_recipe(plain)
    trial = derived(real, runs, None, smoke=True)
    assert trial.parent == runs / "recipes"
    assert expected_runs(runs) == {}
    shutil.copy(real, runs / "recipes" / "small.yaml")
    names = [spec.folder_name for spec in Sweep.read(real, runs).needed.values()]
    assert list(expected_runs(runs)) == names
    assert not {spec.folder_name for spec in Sweep.read(trial, runs).needed.values()} & set(names)


def test_an_own_recipe_is_no_trial_for_its_name_alone(tmp_path, write_recipe, plain):
    kept = tmp_path / "runs" / "recipes" / "no-smoke.yaml"
    kept.parent.mkdir(parents=True)
    shutil.copy(write_recipe(plain | {"name": "no-smoke"}), kept)
    assert len(expected_runs(tmp_path / "runs")) == len(Sweep.read(kept, tmp_path / "runs").needed)


def test_a_recipe_that_nobody_may_read_is_no_harm(tmp_path, monkeypatch):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "secret.yaml").write_text("name: x")

    def refuse(*_, **__):
        raise PermissionError("not yours")

    monkeypatch.setattr(Path, "read_text", refuse)
    assert expected_runs(tmp_path) == {}


@pytest.mark.parametrize("keeps", [False, True])
def test_recipes_are_expanded_only_if_some_are_kept_and_torch_is_never_imported(make, runs, write_recipe, plain, keeps):
    make("a-one", DONE="{}")
    make("b-two", FAILED="{}")
    if keeps:
        (runs / "recipes").mkdir()
        shutil.copy(write_recipe(plain), runs / "recipes")
    code = "import sys\nsys.argv = ['evendistill', 'status', sys.argv[1]]\nimport evendistill.cli as c\n"
    code += "try:\n    c.main()\nexcept SystemExit as end:\n    code = end.code\n"
    code += "print(code, *(name in sys.modules for name in ('torch', 'evendistill.experiments.sweep')))"
    done = subprocess.run([sys.executable, "-c", code, runs], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"0 False {keeps}"
