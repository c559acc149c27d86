"""The temperature at which a teacher is calibrated best: the one that was put on it."""

import pytest
import torch

import evendistill as ed
from evendistill.distillation.temperatures import USUAL, Temperatures, temperatures
from evendistill.maths.calibration import calibration_error

NEAR_THREE = (1.0, 2.0, 2.5, 3.0, 3.5, 4.0, 6.0)


def world(count=6_000):
    """Scores whose softmax is the conditional, and labels drawn from it."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(count, 3, generator=generator, dtype=torch.float64) * 2 - torch.arange(3)
    return scores, torch.multinomial(scores.softmax(dim=1), 1, generator=generator).squeeze(1)


def test_a_teacher_that_is_three_times_too_sharp_is_best_at_three():
    scores, labels = world()
    found = temperatures(3 * scores, labels, tried=NEAR_THREE, reference=scores.softmax(dim=1))
    assert found.least_calibration_error == 3
    assert found.of_each_class == [3, 3, 3]
    torch.testing.assert_close(found.calibration_error[3], torch.zeros(3).double(), rtol=0, atol=1e-12)
    assert found.least_expected_error in (2.5, 3.0, 3.5)  # which knows of labels alone


def test_a_calibrated_teacher_is_best_at_one_by_both():
    scores, labels = world()
    found = temperatures(scores, labels, reference=scores.softmax(dim=1))
    assert found.tried == USUAL
    assert (found.least_expected_error, found.least_calibration_error) == (1, 1)


def test_each_class_has_a_temperature_of_its_own():
    """Where the reference is the teacher at another temperature in each column, so is the best one."""
    scores, labels = world()
    at = (1.0, 2.5, 4.0)
    columns = [(scores / temperature).softmax(dim=1)[:, label] for label, temperature in enumerate(at)]
    found = temperatures(scores, labels, tried=NEAR_THREE, reference=torch.stack(columns, dim=1))
    assert found.of_each_class == list(at)


def test_the_mean_of_the_expected_errors_counts_but_the_largest_of_the_calibration_terms():
    """By hand: of the rows the second has the least mean, the first the least maximum."""
    errors = torch.tensor([[0.3, 0.3, 0.3], [0.0, 0.4, 0.1]])
    found = Temperatures((1.0, 2.0), errors, errors)
    assert (found.least_expected_error, found.least_calibration_error) == (2, 1)
    assert found.of_each_class == [2, 1, 2]


@pytest.mark.parametrize("reference", [None, "truth"])
def test_each_row_is_the_diagnosis_at_that_temperature(reference):
    scores, labels = world(500)
    truth = scores.softmax(dim=1) if reference else None
    found = temperatures(scores, labels, tried=(0.5, 2.0), reference=truth, bins=10)
    for row, temperature in enumerate(found.tried):
        told = ed.diagnose(scores, labels, temperature=temperature, reference=truth, bins=10)
        torch.testing.assert_close(found.calibration_error[row], told.calibration_error)
        torch.testing.assert_close(found.expected_error[row], told.expected_error)
        if truth is not None:
            expected = calibration_error((scores / temperature).softmax(dim=1), truth)
            torch.testing.assert_close(found.calibration_error[row], expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tried": ()}, "try at least one temperature"),
        ({"tried": (1.0, 0.0)}, "temperature must be positive and finite, got 0.0"),
        ({"tried": (float("inf"),)}, "temperature must be positive and finite, got inf"),
        ({"labels": torch.arange(5) % 2}, "labels must be 6 integers"),
        ({"labels": torch.arange(6) % 3}, "label 2 in row 2 is out of range"),
        ({"scores": torch.zeros(6)}, "scores must be floating of shape"),
        ({"reference": torch.full((5, 2), 0.5)}, "share one shape"),
        ({"bins": 0}, "bins must be at least 1"),
    ],
)
def test_what_cannot_be_tried_is_one_line(change, message):
    told = {"scores": torch.eye(2).repeat(3, 1), "labels": torch.arange(6) % 2} | change
    with pytest.raises(ValueError, match=message):
        temperatures(told.pop("scores"), told.pop("labels"), **told)
