"""diagnose, as a person meets it: over files, run folders and recipes."""

import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import yaml
from pyarrow import parquet

from evendistill.distillation.predictors import NAMES
from evendistill.experiments.engines.choice import How
from evendistill.experiments.sweep import Sweep

RECIPE = {
    "name": "small",
    "data": {"source": "digits", "imbalance": 5},
    "training": {"epochs": 2, "batch_size": 32, "update_every": 4},
    "teachers": {"network": {"kind": "mlp", "hidden": [16]}, "objectives": ["standard", "balanced"]},
    "students": {
        "network": {"kind": "mlp", "hidden": [8]},
        "objectives": ["robust"],
        "temperatures": [1, 3],
        "validation_labels": ["true"],
    },
    "seeds": 1,
}
PLAIN = RECIPE | {"name": "plain", "students": RECIPE["students"] | {"objectives": ["standard"]}}


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Path:
    """A recipe with finished runs, one without robust students, and files of scores."""
    folder = tmp_path_factory.mktemp("diagnose")
    for name, recipe in (("small", RECIPE), ("plain", PLAIN)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(recipe))
    outcomes = Sweep.read(folder / "small.yaml", folder / "runs").train(How(jobs=1, pack=4))
    assert [outcome.error for outcome in outcomes] == [None] * 6
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 3, 200), rng.normal(size=(200, 3))
    scores[np.arange(200), labels] += 1.0
    np.savez(folder / "teacher.npz", scores=scores, labels=labels)
    np.savez(folder / "other.npz", scores=scores / 2, labels=labels)
    columns = {"labels": labels} | {f"class {label}": scores[:, label] for label in range(3)}
    parquet.write_table(pyarrow.table(columns), folder / "teacher.parquet")
    return folder


@pytest.fixture
def diagnose(command_line, monkeypatch, swept):
    """The verb in the folder of the recipes."""
    monkeypatch.setenv("COLUMNS", "200")
    return partial(command_line, swept, "diagnose")


@pytest.fixture
def teachers(swept):
    """Run folders of the teachers."""
    runs = (swept / "runs").glob("*-*")
    return sorted(
        (path.relative_to(swept) for path in runs if "-from-" not in path.name), key=lambda path: path.name[13:]
    )


def refuses_constant(token):
    raise AssertionError(f"{token} is no JSON")


def as_json(done):
    code, out, err = done
    assert (code, err) == (0, "")
    return json.loads(out, parse_constant=refuses_constant)


def refused(done, *words):
    code, out, err = done
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("evendistill: ")
    for word in words:
        assert word in err


def test_a_recipe_s_teachers_are_ranked_and_judged_by_its_students(diagnose):
    told = as_json(diagnose("small.yaml", "--out", "runs", "--json"))
    found = [(entry["teacher"], entry["temperature"]) for entry in told["teachers"]]
    assert sorted(found) == [("balanced", 1), ("balanced", 3), ("standard", 1), ("standard", 3)]
    for entry in told["teachers"]:
        assert (
            0 <= entry["student"]["worst_class_accuracy"]["mean"] <= entry["student"]["average_accuracy"]["mean"] <= 1
        )
    assert tuple(told["correlations"]) == NAMES
    assert told["within"] == {"1": {}, "3": {}}  # two teachers have no order to speak of
    code, out, err = diagnose("small.yaml", "--out", "runs")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    start = next(number for number, line in enumerate(lines) if "calibration term" in line)
    heads, first = (re.split(" {2,}", lines[number].strip()) for number in (start, start + 2))
    cells = dict(zip(heads, first, strict=True))
    best = told["teachers"][0]
    assert cells["calibration term"] == f"{-best['calibration']:.3f}" != cells["risk, best shift"]
    assert cells["risk, best shift"] == f"{-best['shifted_risk']:.3f}"
    for word in ("risk, best shift", "robust student's worst %", "ranking teachers by", "Spearman", "own worst-class"):
        assert word in out
    assert out.count("standard") == out.count("balanced") == 2


def test_a_recipe_may_end_in_yml_and_its_data_lie_elsewhere(diagnose, swept):
    (swept / "small.yml").write_text((swept / "small.yaml").read_text())
    expected = as_json(diagnose("small.yaml", "--json"))  # runs is where runs are
    assert as_json(diagnose("small.yml", "--json")) == expected
    assert as_json(diagnose("small.yaml", "--data", "digits", "--json")) == expected


def test_a_recipe_that_cannot_be_ranked_is_one_line(diagnose):
    refused(diagnose("plain.yaml"), "plain.yaml has no robust students of teachers")
    refused(diagnose("small.yaml", "--out", "elsewhere"), "elsewhere", "not the folder of a finished run")
    refused(diagnose("none.yaml"), "none.yaml: there is no such recipe")
    refused(diagnose("small.yaml", "teacher.npz"), "give one recipe alone, or files and run folders; got small.yaml")


@pytest.mark.parametrize(
    "more", [["--to", "a.svg"], ["--labels", "l.npy"], ["--probabilities"], ["--temperature", "2"]]
)
def test_a_recipe_takes_nothing_of_what_files_need(diagnose, more):
    refused(diagnose("small.yaml", *more), "a recipe has labels and temperatures of its own")


def test_a_run_folder_is_diagnosed_with_the_classes_and_counts_of_its_data(diagnose, teachers):
    (entry,) = as_json(diagnose(teachers[0], "--json"))["teachers"]
    assert entry["name"] == str(teachers[0])
    assert entry["class_names"] == [str(digit) for digit in range(10)]
    assert entry["class_counts"][0] > 4 * entry["class_counts"][-1]
    assert entry["bound"]["train_size"] == sum(entry["class_counts"])
    code, out, err = diagnose(teachers[0])
    assert (code, err) == (0, "")
    for word in (
        "calibration term, lower bound",
        "V soft / hard",
        "Theorem 2 put together",
        "of temperatures 0.5 to 5",
    ):
        assert word in out


def test_several_run_folders_are_ranked(diagnose, teachers):
    told = as_json(diagnose(*teachers, "--json", "--temperature", "3"))
    assert sorted(told["ranking"]) == sorted(map(str, teachers))
    risks = {entry["name"]: entry["joint"]["worst"] for entry in told["teachers"]}
    assert told["ranking"] == sorted(risks, key=lambda name: risks[name])
    code, out, err = diagnose(*teachers)
    assert (code, err) == (0, "")
    assert "ranked by the largest calibration term" in out


@pytest.mark.parametrize("ending", ["svg", "pdf", "png"])
def test_a_run_folder_is_drawn(diagnose, swept, teachers, ending):
    picture = swept / f"calibration.{ending}"
    told = as_json(diagnose(teachers[0], "--to", picture, "--json"))
    head = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert picture.read_bytes().startswith(head)
    if ending == "svg":
        text = picture.read_text()
        for word in (told["teachers"][0]["name"], "temperature 1", "training examples of the class", "lower bound"):
            assert word in text
        diagnose(teachers[0], "--to", swept / "again.svg")
        assert (swept / "again.svg").read_bytes() == picture.read_bytes()


def test_a_file_is_drawn_over_the_examples_that_are_here(diagnose, swept):
    assert diagnose("teacher.npz", "--to", "file.svg", "--temperature", "2")[0] == 0
    text = (swept / "file.svg").read_text()
    for word in ("teacher.npz, temperature 2", "examples here of the class"):
        assert word in text
    assert "training examples" not in text


def test_a_parquet_file_says_what_the_same_npz_says(diagnose):
    one, other = (as_json(diagnose(f"teacher.{ending}", "--json"))["teachers"][0] for ending in ("parquet", "npz"))
    assert (one.pop("name"), other.pop("name")) == ("teacher.parquet", "teacher.npz")
    assert one == other
    assert set(as_json(diagnose("teacher.parquet", "other.npz", "--json"))["ranking"]) == {
        "teacher.parquet",
        "other.npz",
    }


def test_what_cannot_be_drawn_is_one_line_and_leaves_nothing(diagnose, swept, teachers):
    refused(diagnose(*teachers, "--to", "several.svg"), "--to draws one teacher; got 2")
    refused(diagnose(teachers[0], "--to", "one.jpg"), "one.jpg: pictures are .svg, .pdf, .png, by the ending")
    refused(diagnose(teachers[0], "--to", "nowhere/one.svg"), "nowhere/one.svg")
    for name in ("several.svg", "one.jpg", "nowhere"):
        assert not (swept / name).exists()


def test_what_is_no_teacher_is_one_line(diagnose, swept, teachers):
    student = next((swept / "runs").glob("*-from-*"))
    refused(diagnose(student), student.name, "keeps no held-out scores; those of teachers do")
    refused(diagnose("runs"), "runs: not the folder of a finished run")
    refused(diagnose("missing.npz"), "missing.npz: there is no such file")
    refused(diagnose(teachers[0], "--labels", "labels.npy"), "a run folder has labels of its own; leave --labels out")
    refused(diagnose(teachers[0], "--probabilities"), teachers[0].name, "probabilities must be non-negative and sum to")
    refused(diagnose("teacher.npz", teachers[0]), teachers[0].name, "not the examples and classes of teacher.npz")
    refused(diagnose("teacher.npz", "--temperature", "0"), "teacher.npz: temperature must be positive and finite")


def test_no_run_is_touched(diagnose, swept, teachers):
    before = {path: path.stat().st_mtime_ns for path in (swept / "runs").glob("*-*/*")}
    assert diagnose("small.yaml")[0] == diagnose(*teachers)[0] == 0
    assert before == {path: path.stat().st_mtime_ns for path in (swept / "runs").glob("*-*/*")}


def test_help_has_examples_and_comes_without_torch():
    code = "import sys, evendistill.cli as c\ntry:\n    c.main()\nfinally:\n    assert 'torch' not in sys.modules"
    command = [sys.executable, "-c", code, "diagnose", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Examples: evendistill diagnose teacher.npz" in shown.stdout
