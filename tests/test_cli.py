"""The command line as a person meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

RECIPE = """
name: small
data: {source: digits, imbalance: 5}
training: {epochs: 2, batch_size: 64, update_every: 4}
teachers:
  network: {kind: mlp, hidden: [16]}
  objectives: [standard, robust]
students:
  network: {kind: mlp, hidden: [8]}
  objectives: [standard, robust]
  validation_labels: [true]
seeds: 2
"""


def evendistill(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evendistill", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300, check=False)


def refused(done: subprocess.CompletedProcess[str], *words: str) -> str:
    """One clear line, exit code 2, no traceback; gives the line."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    line = done.stderr.strip().splitlines()[-1]
    for word in words:
        assert word in line, line
    return line


def test_every_verb_has_help_with_an_example():
    verbs = ("demo", "run", "status", "evaluate")
    listed = evendistill("--help").stdout
    for verb in verbs:
        assert verb in listed
        shown = evendistill(verb, "--help")
        assert shown.returncode == 0
        assert f"Example: evendistill {verb}" in shown.stdout


def test_the_import_needs_no_torch_and_help_nothing_that_is_slow():
    slow = {"torch", "numpy", "pydantic", "yaml", "plotly", "matplotlib"}
    help_alone = "sys.argv = ['evendistill', '--help']; import evendistill.cli as c; c.main()"
    for code, never in (("import evendistill", {"torch"}), (help_alone, slow)):
        probe = (
            f"import sys\ntry:\n    exec({code!r})\nexcept SystemExit:\n    pass\n"
            + f"assert not {never} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True)


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Path:
    """A finished small sweep."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "small.yaml").write_text(RECIPE)
    done = evendistill("run", "small.yaml", "--out", "runs", "--jobs", "2", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "chosen on validation" in " ".join(done.stdout.split())
    return folder


def without_torch(words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    told = ["evendistill", *words.split()]
    hidden = f"import sys\nsys.modules['torch'] = None\nsys.argv = {told}\nimport evendistill.cli as c\nc.main()"
    return subprocess.run([sys.executable, "-c", hidden], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", ["report small.yaml --out runs", "select small.yaml --out runs", "status runs"])
def test_verbs_that_read_need_no_torch(swept, words):
    done = without_torch(words, swept)
    assert (done.returncode, done.stderr) == (0, "")


def test_who_has_others_train_needs_no_torch_either(tmp_path):
    (tmp_path / "small.yaml").write_text(RECIPE.replace("seeds: 2", "seeds: 1"))
    done = without_torch("run small.yaml --out runs --jobs 1", tmp_path)
    assert (done.returncode, done.stderr) == (0, "6 runs, 0 finished already, 6 to train\n")


def test_a_recipe_is_expanded_trained_and_reported(swept):
    done = evendistill("run", "small.yaml", "--out", "runs", "--json", cwd=swept)
    found = json.loads(done.stdout)
    assert found["trained"] == 0
    assert Path(found["report"]).is_absolute()
    assert Path(found["report"]).is_file()
    assert len(found["cells"]) == 6
    assert sum(cell["selected"] for cell in found["cells"]) == 1
    cell = next(cell for cell in found["cells"] if (cell["teacher"], cell["student"]) == ("standard", "robust"))
    assert cell["validation_labels"] == "true"
    assert 0 <= cell["worst_class_accuracy"]["mean"] <= cell["average_accuracy"]["mean"] <= 1
    assert cell["seeds"] == [0, 1]


def test_a_second_run_touches_nothing(swept):
    before = {path: path.stat().st_mtime_ns for path in (swept / "runs").glob("*-*/*")}
    assert len(before) > 60
    assert evendistill("run", "small.yaml", "--out", "runs", cwd=swept).returncode == 0
    assert before == {path: path.stat().st_mtime_ns for path in (swept / "runs").glob("*-*/*")}


def test_each_teacher_is_trained_once_for_all_its_students(swept):
    folders = [path.name for path in (swept / "runs").glob("*-*")]
    assert len(folders) == 12
    assert sum("-from-" not in name for name in folders) == 4


def test_jobs_change_no_bit(swept, tmp_path):
    (tmp_path / "small.yaml").write_text(RECIPE)
    assert evendistill("run", "small.yaml", "--out", "runs", "--jobs", "1", cwd=tmp_path).returncode == 0
    for one in (swept / "runs").glob("*-*"):
        for name in ("model.safetensors", "validation.json", "test.json"):
            assert (one / name).read_bytes() == (tmp_path / "runs" / one.name / name).read_bytes()


def test_dry_run_names_what_is_missing_and_trains_nothing(tmp_path):
    (tmp_path / "small.yaml").write_text(RECIPE)
    done = evendistill("run", "small.yaml", "--out", "runs", "--dry-run", "--json", cwd=tmp_path)
    plan = json.loads(done.stdout)
    assert plan["runs"] == len(plan["missing"]) == 12
    assert "seconds" not in plan
    done = evendistill("run", "small.yaml", "--dry-run", "--time", "--jobs", "3", cwd=tmp_path)
    assert "12 of 12 runs to train, about " in done.stderr
    assert " with --jobs 3 on this machine\n" in done.stderr
    assert "--time goes with --dry-run" in evendistill("run", "small.yaml", "--time", cwd=tmp_path).stderr
    assert not (tmp_path / "runs").exists()


def test_status_tells_finished_from_failed_and_cut_off(swept, tmp_path):
    found = json.loads(evendistill("status", swept / "runs", "--json").stdout)["runs"]
    assert [run["state"] for run in found] == ["finished"] * 12
    assert all(Path(run["folder"]).is_absolute() for run in found)
    for name, file, content in (("a", "FAILED", '{"error": "it broke"}'), ("b", "metrics.jsonl", "{}\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "spec.json").write_text("{}")
        (tmp_path / name / file).write_text(content)
    shown = [line.split() for line in evendistill("status", tmp_path).stdout.splitlines()]
    assert ["failed", "a", "it", "broke"] in shown
    assert ["cut", "off", "b", "1", "epoch", "logged"] in shown
    assert shown[-1][:6] == ["1", "failed,", "1", "cut", "off,", "0"]
    refused(evendistill("status", tmp_path / "nowhere"), "nowhere", "no such folder")


def test_a_loss_that_diverges_is_marked_and_the_rest_goes_on(tmp_path):
    recipe = RECIPE.replace("epochs: 2", "epochs: 2, learning_rate: 1.0e+30").replace("seeds: 2", "seeds: 1")
    (tmp_path / "wild.yaml").write_text(recipe)
    done = evendistill("run", "wild.yaml", "--out", "runs", cwd=tmp_path)
    refused(done, "the loss became", "training step", "learning_rate")
    assert "4 students were not trained, since their teacher failed" in done.stderr
    counts = json.loads(evendistill("status", tmp_path / "runs", "--json").stdout)["counts"]
    assert {state: count for state, count in counts.items() if count} == {"failed": 2, "waiting": 4}
    again = evendistill("run", "wild.yaml", "--out", "runs", cwd=tmp_path)
    refused(again, "the loss became")
    assert "--retry-failed" in again.stderr
    (log,) = {len(path.read_text().splitlines()) for path in tmp_path.glob("runs/*/log.jsonl")}
    assert log == 2, "began and failed once, and was not tried again"
    refused(evendistill("run", "wild.yaml", "--out", "runs", "--retry-failed", cwd=tmp_path), "the loss became")
    assert {len(path.read_text().splitlines()) for path in tmp_path.glob("runs/*/log.jsonl")} == {4}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("epochs: 2", "epoch: 2", ("bad.yaml", "training.epoch", "did you mean epochs?")),
        ("teachers:", "techers:", ("bad.yaml", "techers", "did you mean teachers?")),
        ("[standard, robust]", "[{alpha: 1.2}]", ("alpha", "1.2", "at most 1")),
        ("validation_labels: [true]", "temperatures: [0]", ("students.temperatures.0", "above 0", "got 0")),
        ("seeds: 2", "seeds: [", ("bad.yaml", "line", "not valid YAML")),
        ("source: digits", "source: ./numbers", ("./numbers", "no such file or folder")),
        ("seeds: 2", "seeds: 0", ("seeds",)),
        ("kind: mlp, hidden: [16]", "kind: mpl", ("network", "mlp")),
    ],
)
def test_a_bad_recipe_is_one_line_and_leaves_nothing(tmp_path, old, new, words):
    text = RECIPE.replace(old, new, 1)
    assert text != RECIPE
    (tmp_path / "bad.yaml").write_text(text)
    refused(evendistill("run", "bad.yaml", "--out", "runs", cwd=tmp_path), *words)
    assert not list(tmp_path.glob("runs/*/DONE"))


def test_a_missing_recipe_and_a_recipe_of_prose_are_refused(tmp_path):
    refused(evendistill("run", "none.yaml", cwd=tmp_path), "none.yaml", "no such recipe")
    (tmp_path / "prose.yaml").write_text("just some words")
    refused(evendistill("run", "prose.yaml", cwd=tmp_path), "prose.yaml", "mapping of fields, got str")


def test_evaluate_prints_each_class_and_the_worst(tmp_path):
    scores = np.array([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    np.savez(tmp_path / "p.npz", scores=scores, labels=np.array([0, 1, 1, 2]))
    found = json.loads(evendistill("evaluate", tmp_path / "p.npz", "--json").stdout)
    assert found["recalls"] == [1.0, 0.5, 1.0]
    assert found["worst_class"] == 1
    shown = evendistill("evaluate", tmp_path / "p.npz").stdout
    assert "worst class 1: 50.0 %" in shown
    assert "bias" in shown


def test_evaluate_refuses_what_cannot_be(tmp_path):
    np.savez(tmp_path / "range.npz", scores=np.zeros((3, 2)), labels=np.array([0, 1, 5]))
    refused(evendistill("evaluate", tmp_path / "range.npz"), "label 5 in row 2 is out of range: there are 2 classes")
    np.savez(tmp_path / "nan.npz", scores=np.array([[0.0, 1.0], [np.nan, 0.0]]), labels=np.array([0, 1]))
    refused(evendistill("evaluate", tmp_path / "nan.npz"), "scores contain NaN, first in row 1")
    np.savez(tmp_path / "length.npz", scores=np.zeros((3, 2)), labels=np.array([0, 1]))
    refused(evendistill("evaluate", tmp_path / "length.npz"), "labels must be 3 integers")
    refused(evendistill("evaluate", tmp_path / "none.npz"), "none.npz", "no such file")


def test_json_is_alone_on_standard_output(swept):
    done = evendistill("run", swept / "small.yaml", "--out", swept / "runs", "--json")
    json.loads(done.stdout)
    assert "12 runs, 12 finished already" in done.stderr


def test_an_unwritable_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    done = evendistill("demo", "--out", tmp_path / "file" / "demo")
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == ["file"]
