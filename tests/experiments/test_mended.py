"""Mended teachers as runs: every kind is made once, read back, and taught from."""

import json

import numpy as np
import pytest
import torch
import yaml
from scipy.special import logsumexp, softmax

import evendistill as ed
from evendistill.data.datasets import load_data
from evendistill.distillation.mending import adjusted, vector_scaling
from evendistill.experiments.engines.choice import How
from evendistill.experiments.networks import finished_network
from evendistill.experiments.report.table import make_table
from evendistill.experiments.run import train_run
from evendistill.experiments.sweep import Sweep
from evendistill.storage.tensors import read_tensors
from evendistill.training.evaluation import scores_of
from evendistill.training.turns import drained

DATA = {"source": "digits", "imbalance": 20}
MENDED = {
    "post-shift-of-standard": "post-shift",
    "logit-adjustment-1.5-of-standard": {"kind": "logit-adjustment", "tau": 1.5},
    "class-temperatures-of-standard": "class-temperatures",
    "vector-scaling-of-balanced": {"kind": "vector-scaling", "of": "balanced"},
    "adjusted-0.5-of-standard": {"kind": "adjusted", "alpha": 0.5},
    "refitted-1-of-standard": {"kind": "refitted", "alpha": 1},
    "mean-of-standard-and-balanced-and-robust": {"kind": "mean", "others": ["balanced", "robust"]},
}
RESCALED = [name for name in MENDED if not name.startswith(("refitted", "mean"))]
RECIPE = {
    "name": "mended",
    "data": DATA,
    "training": {"epochs": 5, "batch_size": 32},
    "teachers": {
        "network": {"kind": "mlp", "hidden": [16]},
        "objectives": ["balanced"],
        "mended": list(MENDED.values()),
    },
    "students": {
        "network": {"kind": "mlp", "hidden": [4]},
        "objectives": ["standard"],
        "training": {"epochs": 1, "batch_size": 128},
    },
    "seeds": [3],
}
each_mend = pytest.mark.parametrize("name", MENDED)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> Sweep:
    folder = tmp_path_factory.mktemp("mended")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    made = Sweep.read(folder / "recipe.yaml", folder / "runs")
    assert [outcome.error for outcome in made.train(How(jobs=1, pack=2))] == [None] * (3 + 7 + 8)
    return made


@pytest.fixture(scope="module")
def data():
    return load_data(**DATA)


def mend(sweep, name):
    (spec,) = (spec for spec in sweep.needed.values() if spec.mend is not None and spec.taught_as == name)
    return spec


def student(sweep, name):
    (spec,) = (spec for spec in sweep.needed.values() if spec.listening and spec.teacher.taught_as == name)
    return spec


def scores(sweep, spec, data, split="test"):
    return scores_of(finished_network(spec, data, sweep.runs), getattr(data, split)).double()


def read(sweep, spec, name):
    return json.loads((sweep.runs / spec.folder_name / name).read_text())


def files(sweep, spec, pattern="*"):
    return {path.name for path in (sweep.runs / spec.folder_name).glob(pattern)}


@each_mend
def test_what_is_read_back_has_the_very_scores_that_its_results_tell_of(sweep, data, name):
    spec = mend(sweep, name)
    for split in ("validation", "test"):
        metrics = ed.evaluate(scores(sweep, spec, data, split), getattr(data, split).labels)
        assert read(sweep, spec, f"{split}.json")["recalls"] == pytest.approx(metrics.recalls.tolist(), abs=0)
    assert not finished_network(spec, data, sweep.runs).training


@each_mend
def test_its_scores_wait_for_its_students_who_compute_none(sweep, data, name):
    spec = mend(sweep, name)
    assert sorted(file.split("-")[1] for file in files(sweep, spec, "scores-*")) == ["train", "validation"]
    for split in ("train", "validation"):
        (path,) = (sweep.runs / spec.folder_name).glob(f"scores-{split}-*")
        assert path.stat().st_mtime_ns <= (path.parent / "DONE").stat().st_mtime_ns
        cached = read_tensors(path)["scores"]
        torch.testing.assert_close(cached.double(), scores(sweep, spec, data, split), rtol=0, atol=1e-5)


@each_mend
def test_folders_are_named_by_the_mend(sweep, name):
    spec, taught = mend(sweep, name), student(sweep, name)
    assert spec.folder_name == f"{spec.hash}-digits-{name}-s3"
    assert taught.folder_name == f"{taught.hash}-digits-standard-from-{name}-t3-s3"
    assert {"DONE", "spec.json", "model.safetensors", "data.json"} <= files(sweep, spec)
    assert not files(sweep, spec) & {"metrics.jsonl", "checkpoint.pt", "FAILED"}
    assert read(sweep, spec, "spec.json") == json.loads(json.dumps(spec.canonical()))


def test_students_of_different_teachers_learn_different_things(sweep):
    taught = [student(sweep, name) for name in (*MENDED, "balanced")]
    weights = {(sweep.runs / spec.folder_name / "model.safetensors").read_bytes() for spec in taught}
    assert len(weights) == len(taught) == 8


@pytest.mark.parametrize("name", RESCALED)
def test_rescaled_scores_are_those_of_the_teacher_times_a_factor_plus_a_shift(sweep, data, name):
    spec = mend(sweep, name)
    told = read(sweep, spec, "validation.json")
    by_hand = scores(sweep, spec.teacher, data).numpy() * told["scale"] + told["log_costs"]
    np.testing.assert_allclose(scores(sweep, spec, data).numpy(), by_hand, atol=1e-4)
    stored = read_tensors(sweep.runs / spec.folder_name / "model.safetensors")
    np.testing.assert_allclose(stored["scale"].numpy(), told["scale"], rtol=1e-6)
    np.testing.assert_allclose(stored["shift"].numpy(), told["log_costs"], rtol=1e-5, atol=1e-6)


def test_each_kind_puts_on_what_its_name_says(sweep, data):
    log_priors = torch.from_numpy(np.log(np.bincount(data.train.labels) / len(data.train)))
    labels = data.validation.labels
    of = {name: scores(sweep, mend(sweep, name).teacher, data, "validation") for name in RESCALED}
    ones, expected = [1.0] * 10, {}
    shift = ed.PostShift().fit(of["post-shift-of-standard"], labels).log_costs
    expected["post-shift-of-standard"] = ones, shift
    expected["logit-adjustment-1.5-of-standard"] = ones, -1.5 * (log_priors - log_priors.mean())
    name = "class-temperatures-of-standard"
    expected[name] = vector_scaling(of[name], labels, shifted=False)[0], [0.0] * 10
    name = "vector-scaling-of-balanced"
    expected[name] = vector_scaling(of[name], labels)
    name = "adjusted-0.5-of-standard"
    expected[name] = ones, adjusted(of[name], labels, log_priors, alpha=0.5)
    for name, (scale, costs) in expected.items():
        told = read(sweep, mend(sweep, name), "validation.json")
        np.testing.assert_allclose(told["scale"], scale, rtol=1e-4)
        np.testing.assert_allclose(told["log_costs"], costs, atol=2e-3)
    assert mend(sweep, "vector-scaling-of-balanced").teacher.objective.name == "balanced"


def test_a_mean_has_the_mean_probabilities_of_its_teachers(sweep, data):
    spec = mend(sweep, "mean-of-standard-and-balanced-and-robust")
    assert [each.objective.name for each in spec.inputs] == ["standard", "balanced", "robust"]
    by_hand = np.mean([softmax(scores(sweep, each, data).numpy(), axis=1) for each in spec.inputs], axis=0)
    found = scores(sweep, spec, data).numpy()
    np.testing.assert_allclose(np.exp(found), by_hand, atol=1e-6)
    np.testing.assert_allclose(logsumexp(found, axis=1), 0, atol=1e-5)
    assert not {"scale", "log_costs"} & read(sweep, spec, "validation.json").keys()


def test_of_a_refitted_teacher_only_the_last_layer_is_new(sweep):
    spec = mend(sweep, "refitted-1-of-standard")
    new, old = (read_tensors(sweep.runs / each.folder_name / "model.safetensors") for each in (spec, spec.teacher))
    assert new.keys() == old.keys()
    assert {name for name in new if not torch.equal(new[name], old[name])} == {"3.weight", "3.bias"}
    assert not {"scale", "log_costs"} & read(sweep, spec, "validation.json").keys()


def test_teachers_that_only_mends_need_are_trained_and_stand_in_no_row(sweep):
    trained = [spec for spec in sweep.needed.values() if spec.teacher is None]
    assert {spec.objective.name for spec in trained} == {"standard", "balanced", "robust"}
    assert all("metrics.jsonl" in files(sweep, spec) for spec in trained)
    table = make_table(sweep)
    assert {row.teacher for row in table.rows} == {"balanced", *MENDED}
    assert table.find("refitted-1-of-standard", "none") is not None
    assert table.find("standard", "none") is None


def test_a_mend_takes_no_epochs_and_is_made_once(sweep):
    assert sweep.epochs() == 3 * 5 + 8 * 1
    before = {path: path.stat().st_mtime_ns for path in sweep.runs.glob("*-*/*")}
    assert Sweep.read(sweep.recipe, sweep.runs).train(How(jobs=1)) == []
    for name in MENDED:
        drained(train_run(mend(sweep, name), sweep.runs))
    assert before == {path: path.stat().st_mtime_ns for path in sweep.runs.glob("*-*/*")}


@each_mend
def test_a_mend_made_anew_is_the_same_to_the_bit(sweep, tmp_path, name):
    spec = mend(sweep, name)
    for each in spec.inputs:
        (tmp_path / each.folder_name).symlink_to(sweep.runs / each.folder_name)
    drained(train_run(spec, tmp_path))
    for file in ("model.safetensors", "validation.json", "test.json"):
        assert (tmp_path / spec.folder_name / file).read_bytes() == (sweep.runs / spec.folder_name / file).read_bytes()
