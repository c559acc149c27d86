"""Accuracies against scikit-learn and scipy, with absent classes, and the messages that name a bad row."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import hmean
from sklearn.metrics import accuracy_score, recall_score

from evendistill.maths.intervals import wilson_interval
from evendistill.maths.least import worst_class_interval
from evendistill.maths.metrics import Metrics, check_labels, class_counts, class_recalls, worst_k


@st.composite
def problems(draw):
    """Float64 scores (N, C) and labels (N,), of which some classes may have none."""
    examples, classes = draw(st.integers(1, 12)), draw(st.integers(2, 5))
    scores = draw(arrays(np.float64, (examples, classes), elements=st.floats(-10, 10)))
    return scores, draw(arrays(np.int64, examples, elements=st.integers(0, classes - 1)))


@st.composite
def counts(draw):
    """Correct and total counts (C,), at least one class with examples."""
    total = draw(arrays(np.int64, st.integers(1, 6), elements=st.integers(0, 9)).filter(lambda t: t.sum() > 0))
    correct = [draw(st.integers(0, int(n))) for n in total]
    return torch.tensor(correct), torch.from_numpy(total)


def metrics_of(correct, total):
    return Metrics(torch.tensor(correct), torch.tensor(total))


@given(problems())
def test_recalls_and_accuracy_are_those_of_scikit_learn(problem):
    scores, labels = problem
    predictions = scores.argmax(1)
    metrics = Metrics(*class_counts(torch.from_numpy(scores), torch.from_numpy(labels)))
    recalls = recall_score(labels, predictions, labels=range(scores.shape[1]), average=None, zero_division=np.nan)  # type: ignore[arg-type]
    np.testing.assert_array_equal(metrics.recalls.numpy(), recalls)
    np.testing.assert_array_equal(class_recalls(torch.from_numpy(scores), torch.from_numpy(labels)).numpy(), recalls)
    assert metrics.accuracy == accuracy_score(labels, predictions)
    assert metrics.average_accuracy == pytest.approx(np.nanmean(recalls), abs=1e-12)
    assert metrics.worst_class_accuracy == np.nanmin(recalls)
    assert metrics.worst_class == np.nanargmin(recalls)


def test_summaries_of_a_table_done_by_hand():
    metrics = metrics_of([9, 1, 0, 3], [10, 4, 0, 4])
    torch.testing.assert_close(metrics.recalls, torch.tensor([0.9, 0.25, math.nan, 0.75]).double(), equal_nan=True)
    assert metrics.recalls.dtype == torch.float64
    assert metrics.accuracy == 13 / 18
    assert metrics.average_accuracy == pytest.approx(1.9 / 3, abs=1e-12)
    assert metrics.harmonic_mean == pytest.approx(3 / (10 / 9 + 4 + 4 / 3), abs=1e-12)
    assert metrics.worst_class_accuracy == 0.25
    assert metrics.worst_class == 1
    assert metrics.worst_k(2) == 0.5


def test_accuracy_is_a_float64():
    """A quotient of two integer tensors would be rounded to float32: 0.8999999761581421."""
    assert metrics_of([9, 0], [10, 0]).accuracy == 0.9
    assert isinstance(metrics_of([9, 0], [10, 0]).accuracy, float)


@given(counts())
def test_the_harmonic_mean_is_that_of_scipy_and_zero_with_a_zero(table):
    correct, total = table
    present = total > 0
    recalls = (correct[present] / total[present].double()).numpy()
    expected = 0.0 if (recalls == 0).any() else hmean(recalls)
    assert Metrics(correct, total).harmonic_mean == pytest.approx(expected, abs=1e-12)


@given(counts(), st.randoms(use_true_random=False))
def test_permuting_the_classes_permutes_the_recalls_and_leaves_the_summaries(table, random):
    correct, total = table
    order = torch.tensor(random.sample(range(len(total)), len(total)))
    plain, permuted = Metrics(correct, total), Metrics(correct[order], total[order])
    torch.testing.assert_close(permuted.recalls, plain.recalls[order], equal_nan=True, rtol=0, atol=0)
    assert permuted.accuracy == plain.accuracy
    assert permuted.average_accuracy == pytest.approx(plain.average_accuracy)
    assert permuted.harmonic_mean == pytest.approx(plain.harmonic_mean)
    assert permuted.worst_class_accuracy == plain.worst_class_accuracy


@given(problems(), st.data())
def test_the_counts_of_two_parts_add_up_to_the_counts_of_the_whole(problem, data):
    scores, labels = (torch.from_numpy(values) for values in problem)
    cut = data.draw(st.integers(0, len(labels)))
    first, second = class_counts(scores[:cut], labels[:cut]), class_counts(scores[cut:], labels[cut:])
    whole = class_counts(scores, labels)
    for count in range(2):
        assert torch.equal(first[count] + second[count], whole[count])
        assert whole[count].dtype == torch.int64
        assert whole[count].shape == (scores.shape[1],)


def test_worst_classes_that_tie_go_to_the_first():
    assert metrics_of([3, 1, 2, 4], [4, 4, 8, 4]).worst_class == 1
    assert metrics_of([0, 3, 1, 1], [0, 4, 4, 4]).worst_class == 2


@given(counts(), st.data())
def test_worst_k_is_the_mean_of_the_k_least_recalls_present(table, data):
    recalls = Metrics(*table).recalls
    present = sorted(recall for recall in recalls.tolist() if not math.isnan(recall))
    k = data.draw(st.integers(1, len(present)))
    assert worst_k(recalls, k) == pytest.approx(sum(present[:k]) / k, abs=1e-12)
    assert Metrics(*table).worst_k(k) == worst_k(recalls, k)


def test_worst_k_is_computed_in_float64():
    """Five thousandths in float16 are off in the fourth digit before, but not after, the mean."""
    recalls = torch.tensor([0.1, 0.3, 0.7], dtype=torch.float16)
    assert worst_k(recalls, 3) == recalls.double().mean().item()


@pytest.mark.parametrize("k", [-1, 0, 3, 4])
def test_k_outside_the_classes_present_is_refused(k):
    with pytest.raises(ValueError, match=f"^k must lie between 1 and the 2 classes present, got {k}$"):
        worst_k(torch.tensor([0.5, math.nan, 0.25]), k)


def test_all_classes_present_may_be_asked_for():
    assert worst_k(torch.tensor([0.5, math.nan, 0.25]), 2) == 0.375


@pytest.mark.parametrize(("label", "num_classes"), [(3, 3), (-1, 3), (7, 3)])
def test_a_label_out_of_range_names_its_row(label, num_classes):
    message = f"^label {label} in row 2 is out of range: there are 3 classes$"
    with pytest.raises(ValueError, match=message):
        class_counts(torch.zeros(4, num_classes), torch.tensor([0, 2, label, -5]))
    with pytest.raises(ValueError, match=message):
        check_labels(torch.tensor([0, 2, label, -5]), 4, num_classes)


@pytest.mark.parametrize(
    ("labels", "got"),
    [
        (torch.zeros(3, dtype=torch.int64), r"torch.int64 \(3,\)"),
        (torch.zeros(2), r"torch.float32 \(2,\)"),
        (torch.zeros(2, 1, dtype=torch.int64), r"torch.int64 \(2, 1\)"),
    ],
)
def test_labels_of_another_kind_are_refused(labels, got):
    with pytest.raises(ValueError, match=f"^labels must be 2 integers, one a row, got {got}$"):
        class_counts(torch.zeros(2, 3), labels)
    with pytest.raises(ValueError, match=f"^labels must be 2 integers, one a row, got {got}$"):
        class_recalls(torch.zeros(2, 3), labels)


def test_a_nan_score_names_its_row():
    scores = torch.zeros(4, 3)
    scores[2, 1] = scores[3, 0] = math.nan
    with pytest.raises(ValueError, match=r"^scores contain NaN, first in row 2$"):
        class_counts(scores, torch.tensor([0, 1, 2, 0]))


def test_infinite_scores_are_scores():
    correct, total = class_counts(torch.tensor([[-math.inf, 0.0], [math.inf, 0.0]]), torch.tensor([1, 0]))
    assert (correct.tolist(), total.tolist()) == ([1, 1], [1, 1])


def test_scores_of_another_kind_are_refused():
    with pytest.raises(ValueError, match=r"^scores must be floating of shape \(B, C\)"):
        class_counts(torch.zeros(2, 3, dtype=torch.int64), torch.tensor([0, 1]))


@pytest.mark.parametrize(("correct", "total"), [([1, 5], [3, 4]), ([1, 2], [3, 4, 5])])
def test_counts_that_contradict_each_other_are_refused(correct, total):
    with pytest.raises(ValueError, match=r"^correct and total must share one shape \(C,\), correct nowhere above tot"):
        metrics_of(correct, total)


def test_a_data_set_without_examples_is_refused():
    with pytest.raises(ValueError, match=r"^there are no examples to evaluate$"):
        metrics_of([0, 0], [0, 0])


def test_recall_intervals_are_those_of_wilson():
    correct, total = torch.tensor([9, 0, 3]), torch.tensor([10, 0, 4])
    metrics = Metrics(correct, total)
    for level in (0.95, 0.8):
        ours, direct = metrics.recall_intervals(level), wilson_interval(correct, total, level=level)
        for end in range(2):
            torch.testing.assert_close(ours[end], direct[end], equal_nan=True, rtol=0, atol=0)
    assert metrics.recall_intervals()[0][0] == metrics.recall_intervals(0.95)[0][0]


def test_the_worst_class_interval_is_the_bootstrap_of_its_counts():
    metrics = Metrics(torch.tensor([90, 0, 33]), torch.tensor([100, 0, 44]))
    assert metrics.worst_class_interval() == worst_class_interval([90, 33], [100, 44])
    assert metrics.worst_class_interval(level=0.8) == worst_class_interval([90, 33], [100, 44], level=0.8)
