"""Class risks against plain loops, against scikit-learn, and where a class has no mass."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import recall_score

from evendistill.maths.risks import class_cross_entropies, class_errors, class_mass, class_risks


@st.composite
def problems(draw):
    """Float64 scores (B, C), soft targets (B, C) with mass everywhere, and labels (B,) that may miss classes."""
    examples, classes = draw(st.integers(1, 8)), draw(st.integers(2, 5))
    scores = draw(arrays(np.float64, (examples, classes), elements=st.floats(-10, 10)))
    masses = draw(arrays(np.float64, (examples, classes), elements=st.floats(0.01, 1)))
    labels = draw(arrays(np.int64, examples, elements=st.integers(0, classes - 1)))
    return scores, masses / masses.sum(1, keepdims=True), labels


def looped_risks(losses, targets):
    """R_j = sum_b t_bj l_bj / sum_b t_bj, one number at a time; NaN where the denominator is 0."""
    risks = []
    for j in range(losses.shape[1]):
        numerator = sum(targets[b, j] * losses[b, j] for b in range(len(losses)))
        denominator = sum(targets[b, j] for b in range(len(losses)))
        risks.append(numerator / denominator if denominator > 0 else math.nan)
    return np.array(risks)


def looped_misses(scores):
    return np.array([[float(int(np.argmax(row)) != j) for j in range(len(row))] for row in scores])


def looped_cross_entropies(scores):
    return np.array([[math.log(sum(math.exp(other - score) for other in row)) for score in row] for row in scores])


def one_hot(labels, classes):
    return np.eye(classes)[labels]


@given(problems())
def test_class_errors_of_soft_targets_match_the_loop(problem):
    scores, targets, _ = problem
    errors = class_errors(torch.from_numpy(scores), torch.from_numpy(targets))
    np.testing.assert_allclose(errors.numpy(), looped_risks(looped_misses(scores), targets), rtol=1e-12)


@given(problems())
def test_class_errors_of_labels_match_the_loop_over_one_hot_rows(problem):
    scores, _, labels = problem
    expected = looped_risks(looped_misses(scores), one_hot(labels, scores.shape[1]))
    np.testing.assert_allclose(class_errors(torch.from_numpy(scores), torch.from_numpy(labels)).numpy(), expected)


@given(problems())
def test_class_cross_entropies_match_the_loop_for_labels_and_for_soft_targets(problem):
    scores, targets, labels = problem
    losses = looped_cross_entropies(scores)
    soft = class_cross_entropies(torch.from_numpy(scores), torch.from_numpy(targets))
    np.testing.assert_allclose(soft.numpy(), looped_risks(losses, targets), rtol=1e-9, atol=1e-12)
    hard = class_cross_entropies(torch.from_numpy(scores), torch.from_numpy(labels))
    expected = looped_risks(losses, one_hot(labels, scores.shape[1]))
    np.testing.assert_allclose(hard.numpy(), expected, rtol=1e-9, atol=1e-12)


@given(problems())
def test_class_errors_of_labels_are_one_minus_the_recall_of_scikit_learn(problem):
    scores, _, labels = problem
    recalls = recall_score(labels, scores.argmax(1), labels=range(scores.shape[1]), average=None, zero_division=np.nan)  # type: ignore[arg-type]
    errors = class_errors(torch.from_numpy(scores), torch.from_numpy(labels))
    np.testing.assert_allclose(errors.numpy(), 1 - np.asarray(recalls))


@given(problems())
def test_priors_times_class_risks_is_the_mean_cross_entropy(problem):
    scores, soft, labels = (torch.from_numpy(values) for values in problem)
    mean = F.cross_entropy(scores, soft)
    torch.testing.assert_close(soft.mean(dim=0) @ class_cross_entropies(scores, soft), mean)
    priors = F.one_hot(labels, scores.shape[1]).double().mean(dim=0)
    risks = class_cross_entropies(scores, labels)
    present = priors > 0
    torch.testing.assert_close(priors[present] @ risks[present], F.cross_entropy(scores, labels))


@given(problems(), st.randoms(use_true_random=False))
def test_permuting_the_classes_permutes_the_risks(problem, random):
    scores, targets, labels = (torch.from_numpy(values) for values in problem)
    order = torch.tensor(random.sample(range(scores.shape[1]), scores.shape[1]))
    # A tie goes to the lower index, so ties would be broken otherwise after the permutation.
    scores = scores + 1e-3 * torch.arange(scores.shape[1]).double().sqrt()
    for measure in (class_errors, class_cross_entropies):
        permuted, plain = measure(scores[:, order], targets[:, order]), measure(scores, targets)
        torch.testing.assert_close(permuted, plain[order])
        renamed = measure(scores[:, order], order.argsort()[labels])
        torch.testing.assert_close(renamed, measure(scores, labels)[order], equal_nan=True)


def test_a_class_without_mass_has_no_risk_rather_than_a_risk_of_zero():
    scores = torch.tensor([[2.0, 0.0, 1.0], [0.0, 2.0, 1.0]])
    expected = torch.tensor([0.0, 0.0, math.nan])
    torch.testing.assert_close(class_errors(scores, torch.tensor([0, 1])), expected, equal_nan=True)
    torch.testing.assert_close(class_errors(scores, torch.eye(3)[:2]), expected, equal_nan=True)
    assert class_cross_entropies(scores, torch.tensor([0, 1])).isnan().tolist() == [False, False, True]


def test_soft_mass_below_a_millionth_of_the_examples_counts_as_none():
    targets = torch.tensor([[1.0, 0.9e-6, 1.0e-6], [1.0, 0.9e-6, 1.0e-6]], dtype=torch.float64)
    assert class_mass(targets).tolist() == [2.0, 0.0, 2.0e-6]
    errors = class_errors(torch.tensor([[2.0, 0.0, 0.0], [2.0, 0.0, 0.0]]), targets)
    torch.testing.assert_close(errors, torch.tensor([0.0, math.nan, 1.0]).double(), equal_nan=True)


def test_one_label_among_a_million_others_still_counts():
    """The rule of a millionth is for soft targets: a label is a fact, however rare."""
    examples = 1_100_000
    labels = torch.zeros(examples, dtype=torch.int64)
    labels[-1] = 1
    scores = torch.zeros(examples, 2)
    scores[:, 0] = 1.0
    assert class_errors(scores, labels).tolist() == [0.0, 1.0]
    assert class_mass(F.one_hot(labels, 2).float()).tolist() == [examples - 1, 0.0]


def test_class_risks_average_the_column_of_the_label():
    losses = torch.tensor([[1.0, 10.0], [3.0, 20.0], [5.0, 30.0]])
    assert class_risks(losses, torch.tensor([0, 0, 1])).tolist() == [2.0, 30.0]
    halves = torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]])
    torch.testing.assert_close(class_risks(losses, halves), torch.tensor([3.5 / 1.5, 35.0 / 1.5]))


def test_a_tie_of_scores_goes_to_the_first_class():
    assert class_errors(torch.zeros(2, 2), torch.tensor([0, 1])).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_loses_no_count(dtype):
    """A sum of 70,000 does not fit float16, and bfloat16 has no 257."""
    scores = torch.tensor([[1.0, 0.0]]).repeat(70_001, 1).to(dtype)
    targets = torch.tensor([[1.0, 0.0]]).repeat(70_001, 1).to(dtype)
    targets[:257] = torch.tensor([0.0, 1.0]).to(dtype)
    scores[:3] = torch.tensor([0.0, 1.0]).to(dtype)
    for given_targets in (targets, targets.argmax(dim=1)):
        errors = class_errors(scores, given_targets)
        assert errors.dtype == torch.float32
        torch.testing.assert_close(errors, torch.tensor([0.0, 254 / 257]))
        assert class_cross_entropies(scores, given_targets).isfinite().all()
    assert class_mass(targets).tolist() == [70_001 - 257, 257]


def test_float64_stays_float64():
    scores, labels = torch.eye(2).double(), torch.tensor([0, 1])
    assert class_errors(scores, labels).dtype == torch.float64
    assert class_cross_entropies(scores, labels).dtype == torch.float64


def test_shapes_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match=r"^targets must be floating of shape \(2, 3\)"):
        class_errors(torch.zeros(2, 3), torch.tensor([0, 1, 2]))
    with pytest.raises(ValueError, match=r"^targets must be floating of shape \(2, 3\)"):
        class_cross_entropies(torch.zeros(2, 3), torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"^scores must be floating of shape \(B, C\)"):
        class_errors(torch.zeros(2, 3, dtype=torch.int64), torch.tensor([0, 1]))
