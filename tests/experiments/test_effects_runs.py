"""What runs keep for the section on what distillation did to whom, and the report that is made of it."""

import json

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import load_file

import evendistill as ed
from evendistill.experiments.engines.choice import How
from evendistill.experiments.report.effects_words import TITLE
from evendistill.experiments.sweep import Sweep
from evendistill.experiments.verbs import report_on
from evendistill.storage.files import read_json

RECIPE = {
    "name": "whom",
    "data": {"source": "digits", "imbalance": 20},
    "training": {"epochs": 8, "batch_size": 64, "update_every": 8},
    "teachers": {"network": {"kind": "mlp", "hidden": [16]}, "objectives": ["standard"]},
    "students": {
        "network": {"kind": "mlp", "hidden": [6]},
        "objectives": ["standard", "balanced"],
        "alone": True,
        "temperatures": [2.0],
    },
    "seeds": 2,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Sweep:
    folder = tmp_path_factory.mktemp("whom")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    sweep = Sweep.read(folder / "recipe.yaml", folder / "runs")
    assert [outcome.error for outcome in sweep.train(How(jobs=1, pack=4))] == [None] * 10
    return sweep


def test_a_run_keeps_its_margins_and_how_many_examples_it_was_trained_on(trained):
    data = ed.load_data("digits", imbalance=20)
    (inputs,) = data.test.batches([torch.arange(len(data.test))])
    labels, inputs = data.test.labels.numpy(), inputs.numpy().reshape(len(data.test), -1)
    for spec in trained.needed.values():
        weights = load_file(trained.runs / spec.folder_name / "model.safetensors")
        hidden = np.maximum(inputs @ weights["1.weight"].T + weights["1.bias"], 0)
        raised = np.exp((hidden @ weights["3.weight"].T + weights["3.bias"]).astype(np.float64))
        own = (raised / raised.sum(axis=1, keepdims=True))[np.arange(len(labels)), labels]
        margins = own - (1 - own) / 9
        expected = [margins[labels == label].mean() for label in range(10)]
        told = read_json(trained.runs / spec.folder_name / "test.json")["margins"]
        np.testing.assert_allclose(told, expected, atol=1e-5)
        counted = read_json(trained.runs / spec.folder_name / "data.json")["training_examples"]
        assert counted == np.bincount(data.train.labels.numpy()).tolist()


def runs_by_seed(sweep, teacher, student):
    """The runs of a cell in the order of their seeds."""
    (cell,) = (
        cell
        for cell in sweep.cells
        if (cell.teacher and cell.teacher.name, cell.student and cell.student.name) == (teacher, student)
    )
    return cell.runs


def test_report_shows_it_all_from_what_runs_wrote(trained, capsys, tmp_path):
    report_on(trained, tmp_path / "report", True, "evendistill report recipe.yaml", trained=0)
    told = json.loads(capsys.readouterr().out)
    assert {"cells", "effects", "command", "report", "trained"} == set(told)
    plain = next(each for each in told["effects"] if each["student"] == "standard student of a standard teacher")
    runs = [
        [load_file(trained.runs / spec.folder_name / "test-predictions.safetensors") for spec in trio]
        for trio in zip(
            runs_by_seed(trained, "standard", None),
            runs_by_seed(trained, "standard", "standard"),
            runs_by_seed(trained, None, "standard"),
            strict=True,
        )
    ]
    by_seed = [ed.effects(trio[0]["labels"], *(each["predictions"] for each in trio)) for trio in runs]
    assert plain["gain"] == pytest.approx(np.mean([each.gain.numpy() for each in by_seed], axis=0).tolist())
    assert plain["inheritance"] == pytest.approx(np.mean([each.inheritance for each in by_seed]))
    assert plain["recalls"]["student"] == pytest.approx(
        np.mean([each.recalls[1].numpy() for each in by_seed], axis=0).tolist()
    )
    assert -1 <= plain["margin_correlation"]["value"] <= 1
    assert f"## {TITLE}" in (tmp_path / "report" / "table.md").read_text("utf-8")
    assert (tmp_path / "report" / "effects.svg").is_file()
