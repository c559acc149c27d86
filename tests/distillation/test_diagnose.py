"""A teacher's diagnosis: exact where the truth is known, a lower bound else, and one line for what cannot be."""

import numpy as np
import pytest
import torch

import evendistill as ed
from evendistill.distillation.reference import cross_fitted
from evendistill.maths.calibration import calibration_error


def world(count=4_000, seed=0):
    """Scores whose softmax is the conditional, and labels drawn from it."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(count, 3, generator=generator, dtype=torch.float64) * 2 - torch.arange(3)
    return scores, torch.multinomial(scores.softmax(dim=1), 1, generator=generator).squeeze(1)


def test_it_is_exact_where_the_conditional_is_known():
    scores, labels = world()
    found = ed.diagnose(2 * scores, labels, conditional=scores.softmax(dim=1))
    expected = calibration_error((2 * scores).softmax(dim=1), scores.softmax(dim=1))
    torch.testing.assert_close(found.calibration_error, expected)
    assert not found.is_lower_bound
    assert found.conditioning == "the true conditional"
    assert found.worst == expected.max().item()


def test_without_it_it_says_that_it_is_a_lower_bound_and_of_what():
    scores, labels = world()
    found = ed.diagnose(scores, labels)
    assert found.is_lower_bound
    assert found.conditioning == "the own score of each class"
    assert bool((found.lower <= found.calibration_error).all())
    assert bool((found.calibration_error <= found.upper + 1e-12).all())
    torch.testing.assert_close(found.marginals, scores.softmax(dim=1).mean(dim=0))
    assert found.priors.tolist() == pytest.approx((labels.bincount() / len(labels)).tolist())
    hits = scores.argmax(dim=1) == labels
    assert found.recalls.tolist() == pytest.approx([hits[labels == label].double().mean().item() for label in range(3)])
    again = ed.diagnose(scores.numpy(), labels.numpy())
    assert torch.equal(found.upper, again.upper)
    assert not torch.equal(found.upper, ed.diagnose(scores, labels, seed=1).upper)


def test_temperature_divides_scores_and_probabilities_are_taken_as_they_are():
    scores, labels = world()
    one, other = ed.diagnose(scores, labels, temperature=2.0), ed.diagnose(scores / 2, labels)
    assert torch.equal(one.calibration_error, other.calibration_error)
    same = ed.diagnose((scores / 2).softmax(dim=1), labels, probabilities=True)
    torch.testing.assert_close(one.calibration_error, same.calibration_error)


def test_on_one_reference_a_blind_teacher_never_ranks_above_an_informative_one():
    scores, labels = world()
    blind = scores.softmax(dim=1).mean(dim=0).log().expand_as(scores)
    joint = torch.cat([scores.log_softmax(dim=1), blind], dim=1)
    reference = cross_fitted(joint, labels)
    informative, constant = (ed.diagnose(each, labels, reference=reference) for each in (scores, blind))
    assert informative.worst + 0.3 < constant.worst
    assert ed.diagnose(blind, labels).worst <= ed.diagnose(scores, labels).worst  # on their own scores they do not
    assert informative.is_lower_bound
    assert informative.conditioning == "the reference"


def test_a_fold_is_judged_by_a_model_that_has_not_seen_it():
    labels = torch.arange(60) % 3
    features = torch.randn(60, 40, generator=torch.Generator().manual_seed(0))  # noise, enough to fit every label
    found = cross_fitted(features, labels, penalty=1e-6)
    assert found.argmax(dim=1).eq(labels).double().mean() < 0.6
    assert torch.equal(found, cross_fitted(features, labels, penalty=1e-6))
    torch.testing.assert_close(found.sum(dim=1), torch.ones(60, dtype=torch.float64))
    told = cross_fitted(torch.nn.functional.one_hot(labels).float(), labels)
    assert told.argmax(dim=1).eq(labels).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": torch.zeros(4, dtype=torch.long)}, "labels must be 6 integers"),
        ({"labels": torch.zeros(6, dtype=torch.long)}, "class 1 has no example"),
        ({"labels": torch.tensor([0, 1, 0, 1, 0, 2])}, "label 2 in row 5 is out of range"),
        ({"teacher_scores": torch.zeros(6, 1)}, "scores must be floating of shape"),
        ({"teacher_scores": torch.tensor([[0.0, 1.0]] * 4 + [[0.0, torch.inf]] * 2)}, "not finite, first in row 4"),
        ({"probabilities": True, "teacher_scores": torch.tensor([[0.5, 0.5]] * 5 + [[0.5, 0.6]])}, "row 5 sums to 1.1"),
        ({"probabilities": True, "teacher_scores": torch.tensor([[1.5, -0.5]] * 6)}, "row 0 sums to 1"),
        ({"probabilities": True, "temperature": 2.0, "teacher_scores": torch.full((6, 2), 0.5)}, "none to divide"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"conditional": torch.full((6, 2), 0.5), "reference": torch.full((6, 2), 0.5)}, "not both"),
        ({"conditional": torch.full((6, 2), 0.7)}, "conditional must be non-negative and sum to one, row 0"),
        ({"reference": torch.full((5, 2), 0.5)}, "share one shape"),
    ],
)
def test_what_cannot_be_diagnosed_is_one_line(change, message):
    told = {"teacher_scores": torch.eye(2).repeat(3, 1), "labels": torch.arange(6) % 2} | change
    with pytest.raises(ValueError, match=message):
        ed.diagnose(told.pop("teacher_scores"), told.pop("labels"), **told)


@pytest.mark.parametrize(
    ("folds", "features"), [(1, np.zeros((6, 2))), (7, np.zeros((6, 2))), (2, np.full((6, 2), np.inf))]
)
def test_a_reference_that_cannot_be_fitted_is_refused(folds, features):
    with pytest.raises(ValueError, match=r"folds must lie|features must be finite"):
        cross_fitted(torch.as_tensor(features), torch.arange(6) % 2, folds=folds)
