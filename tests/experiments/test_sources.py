"""A teacher's held-out scores from the folder of its run: what it kept, with labels and counts of its data."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch
import yaml

from evendistill.data.datasets import load_data
from evendistill.experiments.engines.choice import How
from evendistill.experiments.networks import finished_network
from evendistill.experiments.sources import from_run, loaded, read_source
from evendistill.experiments.spec import DataSpec
from evendistill.experiments.sweep import Sweep
from evendistill.experiments.teachers import diagnosed
from evendistill.storage.tensors import tensor_bytes
from evendistill.training.evaluation import scores_of

DATA = {"source": "digits", "imbalance": 20}
RECIPE = {
    "name": "sources",
    "data": DATA,
    "training": {"epochs": 2, "batch_size": 64},
    "teachers": {
        "network": {"kind": "mlp", "hidden": [8]},
        "objectives": ["standard"],
        "mended": [{"kind": "logit-adjustment", "tau": 2}],
    },
    "students": {"network": {"kind": "mlp", "hidden": [4]}, "objectives": ["standard"]},
    "seeds": 1,
}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> Sweep:
    folder = tmp_path_factory.mktemp("sources")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    made = Sweep.read(folder / "recipe.yaml", folder / "runs")
    assert [outcome.error for outcome in made.train(How(jobs=1, pack=2))] == [None] * 4
    return made


@pytest.fixture(scope="module")
def data():
    return load_data(**DATA)


def runs(sweep):
    """The teacher, the mended one, and a student."""
    teacher = next(spec for spec in sweep.needed.values() if spec.teacher is None)
    mended = next(spec for spec in sweep.needed.values() if spec.mend is not None)
    student = next(spec for spec in sweep.needed.values() if spec.listening is not None)
    return teacher, mended, student


@pytest.fixture
def copied(sweep, tmp_path):
    """A copy of the teacher's folder, to be damaged."""
    spec = runs(sweep)[0]
    return shutil.copytree(sweep.runs / spec.folder_name, tmp_path / spec.folder_name)


def change_spec(folder, **parts):
    told = json.loads((folder / "spec.json").read_text())
    (folder / "spec.json").write_text(json.dumps(told | parts))


def refused(folder, *words, labels=None):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are looked for below
        read_source(folder, labels)
    line = str(caught.value)
    assert len(line.splitlines()) == 1
    assert str(folder) in line
    for word in words:
        assert word in line


@pytest.mark.parametrize("which", [0, 1], ids=["trained", "mended"])
def test_a_run_folder_gives_the_scores_of_its_network_with_labels_names_and_training_counts(sweep, data, which):
    spec = runs(sweep)[which]
    found = read_source(sweep.runs / spec.folder_name, None)
    scores = scores_of(finished_network(spec, data, sweep.runs), data.validation)
    torch.testing.assert_close(found.scores, scores, rtol=0, atol=1e-5)
    assert torch.equal(found.labels, data.validation.labels)
    assert found.name.endswith(f"/{spec.folder_name}")
    assert found.class_names == data.class_names
    told = json.loads((sweep.runs / spec.folder_name / "data.json").read_text())["training_examples"]
    assert found.class_counts is not None
    assert found.class_counts.tolist() == told == np.bincount(data.train.labels).tolist()
    assert found.class_counts[0] > 10 * found.class_counts[-1]
    recalls = json.loads((sweep.runs / spec.folder_name / "validation.json").read_text())["recalls"]
    _, (diagnosis,), told = diagnosed([sweep.runs / spec.folder_name], None, probabilities=False, temperature=1.0)
    assert diagnosis.recalls.tolist() == pytest.approx(recalls)
    assert diagnosis.terms.train_size == len(data.train)
    assert told["teachers"][0]["class_counts"] == found.class_counts.tolist()


def test_a_folder_is_named_wherever_one_stands(copied, monkeypatch):
    monkeypatch.chdir(copied)
    for path in (".", "../" + copied.name, copied):
        assert read_source(type(copied)(path), None).name == str(path)  # as it was given: two folders may end alike


def test_a_network_of_the_user_s_own_is_never_imported(copied):
    expected = read_source(copied, None)
    change_spec(copied, network={"kind": "own", "path": "module_that_is_not_there:Net"})
    found = read_source(copied, None)
    assert torch.equal(found.scores, expected.scores)
    assert "module_that_is_not_there" not in sys.modules
    (copied / "model.safetensors").unlink()
    assert torch.equal(read_source(copied, None).scores, expected.scores)


def test_a_student_keeps_no_scores(sweep):
    refused(sweep.runs / runs(sweep)[2].folder_name, "keeps no held-out scores; those of teachers do")


@pytest.mark.parametrize("missing", ["DONE", "spec.json"])
def test_a_folder_that_is_not_of_a_finished_run_is_refused(copied, missing, data):
    (copied / missing).unlink()
    refused(copied, "not the folder of a finished run")
    with pytest.raises(ValueError, match="not the folder of a finished run"):
        from_run(copied, data)


def test_a_folder_of_anything_else_is_refused(tmp_path):
    refused(tmp_path, "not the folder of a finished run")
    refused(tmp_path / "nowhere", "there is no such file")


def test_a_folder_has_labels_of_its_own(copied, tmp_path):
    refused(copied, "a run folder has labels of its own; leave --labels out", labels=tmp_path / "labels.npy")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", ("spec.json is not valid JSON",)),
        (b"\xff", ("spec.json is not valid JSON",)),
        (b"[]", ("spec.json: does not say which data the run was told",)),
        (b"null", ("spec.json: does not say which data the run was told",)),
        (b"{}", ("spec.json: does not say which data the run was told",)),
        (b'{"data": null}', ("spec.json: does not say which data the run was told",)),
        (b'{"data": {"sauce": "digits"}}', ("spec.json: does not say which data the run was told",)),
        (b'{"data": {"imbalance": "much"}}', ("spec.json: does not say which data the run was told",)),
    ],
)
def test_a_damaged_spec_is_one_line(copied, content, words):
    (copied / "spec.json").write_bytes(content)
    refused(copied, *words)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (lambda held: held[: len(held) // 2], "is not a whole safetensors file"),
        (lambda held: b"", "is not a whole safetensors file"),
        (lambda held: tensor_bytes({"scores": torch.zeros(3, 10)}), "scores are (3, 10), the data have 449 x 10"),
        (lambda held: tensor_bytes({"scores": torch.zeros(449, 9)}), "scores are (449, 9), the data have 449 x 10"),
        (lambda held: tensor_bytes({"features": torch.zeros(449, 10)}), "scores are (0,), the data have 449 x 10"),
    ],
)
def test_damaged_scores_are_one_line(copied, data, content, word):
    assert len(data.validation) == 449
    (path,) = copied.glob("scores-validation-*")
    path.write_bytes(content(path.read_bytes()))
    refused(copied, path.name, word)


def test_a_file_has_numbers_for_names_and_no_counts(tmp_path):
    np.savez(tmp_path / "both.npz", scores=np.eye(3), labels=np.arange(3))
    found = read_source(tmp_path / "both.npz", None)
    assert (found.name, found.class_names) == (str(tmp_path / "both.npz"), ("0", "1", "2"))
    assert found.class_counts is None
    assert torch.equal(found.scores, torch.eye(3).double())
    np.save(tmp_path / "labels.npy", np.arange(3)[::-1])
    assert read_source(tmp_path / "both.npz", tmp_path / "labels.npy").labels.tolist() == [2, 1, 0]


def test_teachers_that_are_compared_share_their_data_and_others_have_their_own():
    assert loaded(DataSpec.model_validate(DATA)) is loaded(DataSpec.model_validate(dict(DATA)))
    other = loaded(DataSpec.model_validate(DATA | {"imbalance": 5.0}))
    assert len(other.train) > len(loaded(DataSpec.model_validate(DATA)).train)
