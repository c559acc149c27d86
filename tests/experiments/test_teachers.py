"""Teachers from files: one is diagnosed class by class, several are ranked on what all of them say."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from evendistill.cli import app
from evendistill.experiments.teachers import diagnose_files


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


def test_several_teachers_are_ranked_on_one_reference_and_a_blind_one_comes_last(files):
    told = diagnose_files([files["blind"], files["sharp"], files["honest"]], None, probabilities=False, temperature=1.0)
    assert told["ranking"] == [str(files[name]) for name in ("honest", "sharp", "blind")]
    assert told["ranked_on"] == "all teachers' scores jointly"
    blind = told["teachers"][0]
    assert blind["worst"] == 0  # on its own score
    assert blind["joint"]["worst"] > 0.5


def test_one_teacher_is_not_ranked(files):
    told = diagnose_files([files["sharp"]], None, probabilities=False, temperature=4.0)
    assert set(told) == {"teachers"}
    honest = diagnose_files([files["honest"]], None, probabilities=False, temperature=1.0)
    assert told["teachers"][0]["calibration_error"] == pytest.approx(honest["teachers"][0]["calibration_error"])


def test_the_verb_prints_json_alone_or_a_table(files):
    done = CliRunner().invoke(app, ["diagnose", str(files["honest"]), "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["teachers"][0]["is_lower_bound"] is True
    done = CliRunner().invoke(app, ["diagnose", str(files["honest"])])
    assert "conditioned on the own score of each class" in done.stdout
    done = CliRunner().invoke(app, ["diagnose", *map(str, files.values())])
    assert "best calibrated first" in done.stdout


def test_teachers_on_other_examples_are_refused_by_name(files, tmp_path):
    other = tmp_path / "other.npz"
    np.savez(other, scores=np.zeros((600, 3)), labels=np.arange(600) % 3)
    with pytest.raises(ValueError, match=r"other\.npz: not the examples and classes of .*honest\.npz"):
        diagnose_files([files["honest"], other], None, probabilities=False, temperature=1.0)


def test_probabilities_that_are_none_are_refused_with_file_and_row(files):
    with pytest.raises(ValueError, match=r"honest\.npz: probabilities must be non-negative and sum to one, row 0"):
        diagnose_files([files["honest"]], None, probabilities=True, temperature=1.0)
