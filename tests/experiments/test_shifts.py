"""Shifts of finished teachers as runs: what they write is the teacher's scores with costs on them, by hand."""

import json

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import load_file

import evendistill as ed
from evendistill.data.datasets import load_data
from evendistill.experiments.engines.choice import How
from evendistill.experiments.report.methods import choice
from evendistill.experiments.report.table import make_table
from evendistill.experiments.run import train_run
from evendistill.experiments.sweep import Sweep
from evendistill.training.turns import drained

TAUS = (0.5, 2.0)
RECIPE = {
    "name": "shifted",
    "data": {"source": "digits", "imbalance": 20},
    "training": {"epochs": 6, "batch_size": 32},
    "teachers": {"network": {"kind": "mlp", "hidden": [16]}, "objectives": ["standard"]},
    "students": {
        "network": {"kind": "mlp", "hidden": [4]},
        "objectives": ["standard"],
        "training": {"epochs": 1, "batch_size": 128},
    },
    "seeds": 1,
    "baselines": ["post-shift", {"kind": "logit-adjustment", "taus": list(TAUS)}],
}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> Sweep:
    folder = tmp_path_factory.mktemp("shifts")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    made = Sweep.read(folder / "recipe.yaml", folder / "runs")
    assert [outcome.error for outcome in made.train(How(jobs=1, pack=2))] == [None] * 5
    return made


def shifts(sweep):
    return [spec for spec in sweep.needed.values() if spec.mend is not None]


def scores_by_hand(folder, inputs):
    """The teacher's network in numpy: a hidden layer of ReLU between two linear ones."""
    weights = load_file(folder / "model.safetensors")
    hidden = np.maximum(inputs.reshape(len(inputs), -1) @ weights["1.weight"].T + weights["1.bias"], 0)
    return hidden @ weights["3.weight"].T + weights["3.bias"]


@pytest.fixture(scope="module")
def teacher(sweep):
    """Scores and labels of the teacher, by split."""
    data, folder = load_data("digits", imbalance=20), sweep.runs / shifts(sweep)[0].teacher.folder_name
    found = {}
    for split in ("train", "validation", "test"):
        examples = getattr(data, split)
        (inputs,) = examples.batches([torch.arange(len(examples))])
        found[split] = scores_by_hand(folder, inputs.numpy()), examples.labels.numpy()
    return found


def correct(scores, labels):
    return np.bincount(labels[scores.argmax(axis=1) == labels], minlength=10).tolist()


def read(sweep, spec, name):
    return json.loads((sweep.runs / spec.folder_name / name).read_text())


@pytest.mark.parametrize("tau", TAUS)
def test_logit_adjustment_takes_tau_log_priors_of_training_from_the_teacher_s_scores(sweep, teacher, tau):
    (spec,) = (spec for spec in shifts(sweep) if getattr(spec.mend, "tau", None) == tau)
    counts = np.bincount(teacher["train"][1])
    assert counts[0] > 10 * counts[-1]
    for split in ("validation", "test"):
        scores, labels = teacher[split]
        told = read(sweep, spec, f"{split}.json")
        assert told["correct"] == correct(scores - tau * np.log(counts / counts.sum()), labels)
        assert told["correct"] != correct(scores, labels)
        assert told["total"] == np.bincount(labels).tolist()


def test_post_shift_is_fitted_to_validation_and_put_on_test(sweep, teacher):
    spec = shifts(sweep)[0]
    costs = np.array(read(sweep, spec, "validation.json")["log_costs"])
    scores, labels = teacher["validation"]
    fitted = ed.PostShift().fit(torch.from_numpy(scores), torch.from_numpy(labels))
    np.testing.assert_allclose(costs, fitted.log_costs.numpy(), atol=2e-3)
    for split in ("validation", "test"):
        scores, labels = teacher[split]
        told = read(sweep, spec, f"{split}.json")
        hits = correct(scores + costs, labels)
        assert told["correct"] == hits
        recalls = np.array(hits) / np.bincount(labels)
        assert told["average_accuracy"] == pytest.approx(recalls.mean())
        assert told["worst_class_accuracy"] == pytest.approx(recalls.min())


def test_on_validation_post_shift_is_at_least_as_good_as_the_teacher_and_its_other_shifts(sweep):
    post, *others = shifts(sweep)
    worst = read(sweep, post, "validation.json")["worst_class_accuracy"]
    for other in (*others, post.teacher):
        assert worst >= read(sweep, other, "validation.json")["worst_class_accuracy"]


def test_nothing_is_trained_and_nothing_done_twice(sweep):
    for spec in shifts(sweep):
        folder = sweep.runs / spec.folder_name
        names = {path.name for path in folder.iterdir()}
        assert {"DONE", "spec.json", "model.safetensors", "validation.json", "test.json", "data.json"} <= names
        assert not names & {"metrics.jsonl", "checkpoint.pt", "FAILED"}
        assert read(sweep, spec, "data.json") == read(sweep, spec.teacher, "data.json")
    before = {path: path.stat().st_mtime_ns for path in sweep.runs.glob("*-*/*")}
    assert Sweep.read(sweep.recipe, sweep.runs).train(How(jobs=1)) == []
    for spec in shifts(sweep):
        drained(train_run(spec, sweep.runs))
    assert before == {path: path.stat().st_mtime_ns for path in sweep.runs.glob("*-*/*")}


def test_a_shift_needs_its_finished_teacher(sweep, tmp_path):
    spec = shifts(sweep)[0]
    with pytest.raises(ValueError, match=f"/{spec.teacher.folder_name} is not trained yet; run the recipe first"):
        drained(train_run(spec, tmp_path))
    told = json.loads((tmp_path / spec.folder_name / "FAILED").read_text())
    assert "is not trained yet" in told["error"]


def test_the_table_shows_shifts_beside_the_selected_student(sweep):
    table = make_table(sweep)
    assert [row.student for row in table.baselines] == ["post-shift", "logit-adjustment"]
    worst = {spec.mend.tau: read(sweep, spec, "validation.json")["worst_class_accuracy"] for spec in shifts(sweep)[1:]}
    chosen = table.find_baseline("logit-adjustment")
    assert chosen is not None
    assert chosen.validation.robust.mean == max(worst.values())
    assert choice(chosen.cell) in {f"tau {tau:g}" for tau, value in worst.items() if value == max(worst.values())}
    assert table.epochs == 6 + 1
