"""What is said of a teacher beforehand: the best shift against scipy, and who says nothing never ranks first."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from evendistill.distillation.folds import stratified_folds
from evendistill.distillation.predictors import NAMES, class_risks, predictors, shifted_risks
from evendistill.distillation.reference import cross_fitted
from evendistill.maths.calibration import calibration_error
from evendistill.maths.metrics import class_recalls
from evendistill.maths.reliability import binned_calibration, reliability

COPIES = 3_000


def world(count=600, classes=3, seed=0):
    """Scores of a teacher that is too sharp and leans to classes, and labels."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(count, classes, generator=generator, dtype=torch.float64) * 2 - torch.arange(classes)
    labels = torch.multinomial(scores.softmax(dim=1), 1, generator=generator).squeeze(1)
    return 1.5 * scores + torch.randn(classes, generator=generator) * 2, labels


@st.composite
def samples(draw):
    """Log conditionals and labels of a large sample from a finite distribution, points in their exact shares.

    Of each point no class has all, so that every class is there and has a risk.
    """
    classes, points = draw(st.integers(2, 4)), draw(st.integers(2, 4))
    truth = draw(arrays(np.float64, (points, classes), elements=st.floats(0.05, 1)))
    truth = torch.from_numpy(truth / truth.sum(axis=1, keepdims=True))
    counts = (truth * COPIES).round().long().flatten()
    rows = truth.log().repeat_interleave(classes, dim=0).repeat_interleave(counts, dim=0)
    return rows, torch.arange(classes).repeat(points).repeat_interleave(counts)


@settings(max_examples=25)
@given(samples())
def test_a_constant_teacher_never_ranks_above_one_that_knows_the_truth(sample):
    """By the two that are used. By its own score it has no error at all: that is why none are ranked by that."""
    scores, labels = sample
    constant = scores.exp().mean(dim=0).log().expand_as(scores)
    informed, blind = (predictors(each, labels, temperature=1.0, reference=scores.exp()) for each in (scores, constant))
    assert blind.shifted_risk <= informed.shifted_risk + 2e-3  # of halves that are drawn
    assert informed.calibration == pytest.approx(0, abs=1e-12)
    assert blind.calibration <= informed.calibration + 1e-12
    assert blind.own_calibration == 0 >= informed.own_calibration


def test_a_reference_fitted_to_all_that_is_said_puts_the_constant_teacher_last_too():
    scores, labels = world(3_000)
    constant = scores.softmax(dim=1).mean(dim=0).log().expand_as(scores)
    joint = torch.cat([scores.log_softmax(dim=1), constant], dim=1)
    reference = cross_fitted(joint, labels)
    informed, blind = (predictors(each, labels, temperature=1.5, reference=reference) for each in (scores, constant))
    assert blind.calibration < informed.calibration - 0.5
    assert blind.shifted_risk < informed.shifted_risk - 0.2
    assert blind.own_calibration >= informed.own_calibration


@pytest.mark.parametrize("classes", [2, 5])
def test_a_constant_teacher_has_log_m_on_every_class(classes):
    _, labels = world(classes=classes)
    constant = torch.randn(classes).expand(len(labels), classes)
    risks = shifted_risks(constant, labels)
    torch.testing.assert_close(risks, torch.full((classes,), math.log(classes)).double(), rtol=0, atol=2e-3)


@given(arrays(np.float64, 3, elements=st.floats(-6, 6)))
@settings(max_examples=10)
def test_a_constant_on_each_class_changes_nothing(constants):
    scores, labels = world(300)
    plain, moved = (shifted_risks(each, labels) for each in (scores, scores + torch.from_numpy(constants)))
    torch.testing.assert_close(moved, plain, rtol=0, atol=1e-2)


def test_a_constant_on_each_row_changes_nothing_either():
    scores, labels = world(300)
    torch.testing.assert_close(shifted_risks(scores + 7 * torch.randn(300, 1), labels), shifted_risks(scores, labels))


@pytest.mark.parametrize(("classes", "seed"), [(2, 0), (3, 1), (5, 2)])
def test_the_shift_is_the_one_that_scipy_finds_on_the_same_halves(classes, seed):
    scores, labels = (each.numpy() for each in world(classes=classes, seed=seed))
    half = stratified_folds(torch.from_numpy(labels), 2, seed=0).numpy()
    moved = scores.copy()
    for number in (0, 1):
        moved[half == number] += shift_of_scipy(scores[half != number], labels[half != number])
    found = shifted_risks(torch.from_numpy(scores), torch.from_numpy(labels))
    np.testing.assert_allclose(found.numpy(), risks_by_hand(moved, labels), rtol=0, atol=1e-2)
    assert risks_by_hand(scores, labels).max() > found.max().item() + 0.1  # it was worth while


def risks_by_hand(scores, labels):
    losses = -log_softmax(scores, axis=1)[np.arange(len(labels)), labels]
    return np.array([losses[labels == label].mean() for label in range(scores.shape[1])])


def shift_of_scipy(scores, labels):
    """The least t for which a shift brings every class risk below t."""
    classes = scores.shape[1]

    def slopes(point):
        soft = softmax(scores + point[:-1], axis=1)
        means = np.stack([soft[labels == label].mean(axis=0) for label in range(classes)])
        return np.hstack([np.eye(classes) - means, np.ones((classes, 1))])

    below = {"type": "ineq", "fun": lambda point: point[-1] - risks_by_hand(scores + point[:-1], labels), "jac": slopes}
    start = np.append(np.zeros(classes), risks_by_hand(scores, labels).max())
    fixed = {"type": "eq", "fun": lambda point: point[:-1].sum()}
    found = minimize(lambda point: point[-1], start, constraints=[below, fixed], method="SLSQP", options={"ftol": 1e-9})
    assert found.success
    return found.x[:-1]


def test_the_halves_are_drawn_by_the_seed_and_each_is_judged_by_the_other():
    """Two halves fitted to labels of their own: what suits the one harms the other."""
    scores, labels = world(200)
    assert torch.equal(shifted_risks(scores, labels), shifted_risks(scores, labels))
    assert not torch.equal(shifted_risks(scores, labels), shifted_risks(scores, labels, seed=1))
    truth = torch.arange(200) % 2
    half = stratified_folds(truth, 2, seed=0)
    leaning = torch.stack([torch.where(half == 0, 4.0, -4.0), torch.zeros(200)], dim=1)
    # each half alone is put right by a shift of four, which makes eight in the other; judged by itself it had log 2
    assert (shifted_risks(leaning, truth) > 3).all()


def test_a_class_without_examples_has_no_risk():
    scores, labels = world(300)
    absent = torch.cat([scores, scores.new_zeros(300, 1)], dim=1)
    risks = shifted_risks(absent, labels)
    assert risks.isnan().tolist() == [False, False, False, True]
    by_hand = [
        torch.nn.functional.cross_entropy(absent[labels == label], labels[labels == label]) for label in range(3)
    ]
    torch.testing.assert_close(class_risks(absent, labels)[:3], torch.stack(by_hand))


def test_the_temperature_divides_the_scores():
    scores, labels = world(300)
    torch.testing.assert_close(shifted_risks(scores, labels, temperature=2.0), shifted_risks(scores / 2, labels))
    reference = scores.softmax(dim=1)
    sharp, soft = (
        predictors(each, labels, temperature=temperature, reference=reference)
        for each, temperature in ((scores, 2.0), (scores / 2, 1.0))
    )
    for name in NAMES:
        assert getattr(sharp, name) == pytest.approx(getattr(soft, name))


def test_each_predictor_is_what_it_says():
    scores, labels = world(400)
    reference, soft = (scores / 2).softmax(dim=1), (scores / 3).softmax(dim=1)
    found = predictors(scores.float(), labels, temperature=3.0, reference=reference)
    shape = (soft / soft.mean(dim=0)).log().numpy()
    expected = {
        "shifted_risk": -shifted_risks(scores / 3, labels).max().item(),
        "shape_risk": -risks_by_hand(shape, labels.numpy()).max(),
        "calibration": -calibration_error(soft, reference).max().item(),
        "own_calibration": -binned_calibration(reliability(soft, labels)).max().item(),
        "worst_class_accuracy": class_recalls(scores, labels).min().item(),
        "average_accuracy": class_recalls(scores, labels).mean().item(),
    }
    assert tuple(expected) == NAMES
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, abs=1e-4), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": torch.arange(5) % 2}, "labels must be 6 integers"),
        ({"labels": torch.arange(6)}, "label 2 in row 2 is out of range: there are 2 classes"),
        ({"scores": torch.zeros(6, 1)}, "scores must be floating of shape"),
        ({"scores": torch.tensor([[0.0, 1.0]] * 4 + [[0.0, torch.nan]] * 2)}, "scores contain NaN, first in row 4"),
        ({"temperature": 0.0}, "temperature must be positive and finite, got 0.0"),
    ],
)
def test_what_cannot_be_shifted_is_one_line(change, message):
    told = {"scores": torch.eye(2).repeat(3, 1), "labels": torch.arange(6) % 2} | change
    with pytest.raises(ValueError, match=message):
        shifted_risks(told.pop("scores"), told.pop("labels"), **told)


def test_a_class_that_is_absent_or_gets_no_mass_cannot_be_ranked_by():
    scores, labels = world(300)
    with pytest.raises(ValueError, match="class 2 has no example"):
        predictors(scores, labels.clamp_max(1), temperature=1.0, reference=scores.softmax(dim=1))
    scores[:, 1] = -2_000
    with pytest.raises(ValueError, match=r"^teacher gives class 1 no mass$"):
        predictors(scores, labels, temperature=1.0, reference=scores.softmax(dim=1))


def test_a_class_with_one_example_is_left_out_and_one_of_two_is_seen_by_either_half():
    """Absent from the half that is fitted to, a class would be shifted away, and its risk would decide."""
    scores, labels = world(300)
    blind = torch.zeros(303, scores.shape[1], dtype=scores.dtype)
    told = torch.cat([labels[labels != 0], torch.zeros(2, dtype=torch.long)])
    risks = shifted_risks(blind[: len(told)], told)
    torch.testing.assert_close(risks, torch.full_like(risks, math.log(scores.shape[1])), rtol=0, atol=0.05)
    alone = shifted_risks(blind[: len(told) - 1], told[:-1])
    assert alone.isnan().tolist() == [True] + [False] * (scores.shape[1] - 1)
