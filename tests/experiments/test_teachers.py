"""Teachers from files: one is diagnosed class by class, several are ranked on what all of them say."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import evendistill as ed
from evendistill.cli import app
from evendistill.distillation.predictors import shifted_risks
from evendistill.experiments import teachers
from evendistill.experiments.report.diagnosis import SHOWN
from evendistill.experiments.teachers import diagnosed


@pytest.fixture
def files(tmp_path):
    """Three teachers on the same 600 examples: honest, sharpened, blind."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600)
    scores = rng.normal(size=(600, 3))
    scores[np.arange(600), labels] += 1.0  # for which the softmax of the scores is the conditional
    found = {"honest": scores, "sharp": 4 * scores, "blind": np.zeros((600, 3))}
    for name, values in found.items():
        np.savez(tmp_path / f"{name}.npz", scores=values, labels=labels)
    return {name: tmp_path / f"{name}.npz" for name in found}


def plain(*paths, probabilities=False, temperature=1.0):
    """What is told as plain values."""
    return diagnosed(paths, None, probabilities=probabilities, temperature=temperature)[-1]


def read(path):
    held = np.load(path)
    return torch.from_numpy(held["scores"]), torch.from_numpy(held["labels"])


def by(told, key):
    """Names of teachers, those with the least value first."""
    return [entry["name"] for entry in sorted(told["teachers"], key=key)]


def test_several_teachers_are_ranked_on_one_reference_and_a_blind_one_comes_last(files):
    order = [str(files[name]) for name in ("honest", "sharp", "blind")]
    told = plain(files["blind"], files["sharp"], files["honest"], temperature=2.0)
    assert told["ranking"] == order
    assert (told["ranked_by"], told["ranked_on"]) == ("calibration", "all teachers' scores jointly")
    told = plain(files["blind"], files["sharp"], files["honest"])
    assert by(told, lambda entry: entry["joint"]["worst"]) == order
    blind = told["teachers"][-1]
    assert blind["name"] == str(files["blind"])
    assert blind["worst"] == 0  # on its own score
    assert blind["joint"]["worst"] > 0.5


def test_a_blind_teacher_comes_last_at_every_temperature_unless_it_is_ranked_by_the_risk_of_the_shift(files):
    """One that is too sure has a risk after the best shift above log 3, which a blind one has: so that only advises."""
    told = plain(*files.values())
    assert by(told, lambda entry: entry["shifted_risk"]) == [str(files[name]) for name in ("honest", "blind", "sharp")]
    for temperature, names in ((1.0, ("honest", "sharp", "blind")), (4.0, ("sharp", "honest", "blind"))):
        told = plain(*files.values(), temperature=temperature)
        assert told["ranking"] == [str(files[name]) for name in names]
        for entry in told["teachers"]:
            scores, labels = read(entry["name"])
            risks = shifted_risks(scores, labels, temperature=temperature)
            assert entry["shifted_risk"] == pytest.approx(risks.max().item(), abs=1e-6)


def test_probabilities_are_ranked_as_their_scores_are(files, tmp_path):
    paths = []
    for name, path in files.items():
        scores, labels = read(path)
        paths.append(tmp_path / f"{name}-probabilities.npz")
        np.savez(paths[-1], scores=scores.softmax(dim=1), labels=labels)
    told, expected = plain(*paths, probabilities=True), plain(*files.values())
    for one, other in zip(told["teachers"], expected["teachers"], strict=True):
        # a probability below a millionth counts as that, which scores do not know
        assert one["shifted_risk"] == pytest.approx(other["shifted_risk"], abs=0.02)
        assert one["joint"]["worst"] == pytest.approx(other["joint"]["worst"], abs=0.02)
        assert one["calibration_error"] == pytest.approx(other["calibration_error"], abs=1e-9)
        assert "temperatures" not in one  # there are no scores to divide
        assert "temperatures" in other


def test_one_teacher_is_not_ranked(files):
    told = plain(files["sharp"], temperature=4.0)
    assert set(told) == {"teachers"}
    honest = plain(files["honest"])
    assert told["teachers"][0]["calibration_error"] == pytest.approx(honest["teachers"][0]["calibration_error"])


def test_what_is_told_of_a_teacher_is_its_diagnosis_in_plain_values(files):
    (source,), (found,), told = diagnosed([files["sharp"]], None, probabilities=False, temperature=2.0)
    scores, labels = read(files["sharp"])
    assert torch.equal(source.scores, scores)
    assert torch.equal(source.labels, labels)
    expected = ed.diagnose(scores, labels, temperature=2.0)
    assert torch.equal(found.upper, expected.upper)
    (entry,) = told["teachers"]
    assert (entry["name"], entry["class_names"], entry["class_counts"]) == (str(files["sharp"]), ["0", "1", "2"], None)
    for name in SHOWN:
        assert entry[name] == getattr(expected, name).tolist()
    for name in ("variance", "one_hot_variance", "estimation"):
        assert entry[name] == getattr(expected.terms, name).tolist()
    assert entry["bound"]["value"] == expected.bound
    assert (entry["bound"]["train_size"], entry["bound"]["level"]) == (600, 0.95)
    assert entry["worst_class_accuracy"] == min(entry["recalls"])
    assert entry["average_accuracy"] == pytest.approx(sum(entry["recalls"]) / 3)
    assert (entry["worst"], entry["temperature"]) == (max(entry["calibration_error"]), 2.0)
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_the_best_temperature_is_sought_from_the_raw_scores(files, monkeypatch):
    for name, best in (("sharp", 4), ("honest", 1)):
        for temperature in (1.0, 2.0):
            (entry,) = plain(files[name], temperature=temperature)["teachers"]
            assert entry["temperatures"]["expected_error"] == best
            assert 0.75 * best <= entry["temperatures"]["calibration_error"] <= 1.25 * best
            assert len(entry["temperatures"]["of_each_class"]) == 3
    monkeypatch.setattr(teachers, "MOST_SEARCHED", 600 * 3 - 1)
    assert "temperatures" not in plain(files["honest"])["teachers"][0]


def test_the_verb_prints_json_alone_or_a_table(files):
    done = CliRunner().invoke(app, ["diagnose", str(files["honest"]), "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["teachers"][0]["is_lower_bound"] is True
    done = CliRunner().invoke(app, ["diagnose", str(files["honest"])])
    assert "conditioned on the own score of each class" in done.stdout
    done = CliRunner().invoke(app, ["diagnose", *map(str, files.values())])
    assert "ranked by the largest calibration term" in done.stdout


def test_teachers_on_other_examples_are_refused_by_name(files, tmp_path):
    other = tmp_path / "other.npz"
    np.savez(other, scores=np.zeros((600, 3)), labels=np.arange(600) % 3)
    with pytest.raises(ValueError, match=r"other\.npz: not the examples and classes of .*honest\.npz"):
        plain(files["honest"], other)


def test_probabilities_that_are_none_are_refused_with_file_and_row(files):
    with pytest.raises(ValueError, match=r"honest\.npz: probabilities must be non-negative and sum to one, row 0"):
        plain(files["honest"], probabilities=True)


def test_a_class_that_a_teacher_never_names_is_refused_by_file_and_number(files, tmp_path):
    scores, labels = read(files["honest"])
    scores[:, 2] = -2_000  # of which the softmax is 0
    np.savez(tmp_path / "mute.npz", scores=scores, labels=labels)
    for others in ((), (files["honest"],)):
        with pytest.raises(ValueError, match=r"mute\.npz: teacher gives class 2 no mass$"):
            plain(*others, tmp_path / "mute.npz")
