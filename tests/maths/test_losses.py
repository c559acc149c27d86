"""The losses against the printed formula, written out term by term, and at the edges of their dtypes."""

import math
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax, softmax

from evendistill.maths.losses import as_distribution, check_scores, label_losses, margin_loss, weighted_loss


@st.composite
def problems(draw, per_example=False):
    """Float64 scores (B, C), targets (B, C) that sum to one, and costs (C,) or (B, C)."""
    examples, classes = draw(st.integers(1, 5)), draw(st.integers(2, 6))
    scores = draw(arrays(np.float64, (examples, classes), elements=st.floats(-20, 20)))
    masses = draw(arrays(np.float64, (examples, classes), elements=st.floats(0.01, 1)))
    shape = (examples, classes) if per_example else classes
    log_costs = draw(arrays(np.float64, shape, elements=st.floats(-5, 5)))
    return scores, masses / masses.sum(1, keepdims=True), np.exp(log_costs)


def tensors(*values):
    return tuple(torch.from_numpy(value) for value in values)


def printed_margin_loss(scores, targets, costs):
    """Wang et al. 2023, section 3.1, term by term, with the factor 1/m that stands before it."""
    examples, classes = scores.shape
    losses = np.zeros(examples)
    for i in range(examples):
        for y in range(classes):
            rivals = 0.0
            for j in range(classes):
                if j != y:
                    rivals += math.exp(math.log(costs[y] / costs[j]) - (scores[i, y] - scores[i, j]))
            losses[i] += targets[i, y] * math.log1p(rivals) / classes
    return losses


@given(problems())
def test_margin_loss_is_m_times_the_printed_double_sum(problem):
    scores, targets, costs = problem
    ours = margin_loss(*tensors(scores, targets, costs)).numpy()
    np.testing.assert_allclose(ours / scores.shape[1], printed_margin_loss(scores, targets, costs), rtol=1e-10)


@given(problems())
def test_margin_loss_is_cross_entropy_after_subtracting_the_log_costs(problem):
    scores, targets, costs = problem
    expected = -(targets * log_softmax(scores - np.log(costs), axis=1)).sum(1)
    np.testing.assert_allclose(margin_loss(*tensors(scores, targets, costs)).numpy(), expected, rtol=1e-10)


@given(problems(per_example=True))
def test_costs_of_each_example_are_used_row_by_row(problem):
    scores, targets, costs = tensors(*problem)
    rows = [margin_loss(scores[i : i + 1], targets[i : i + 1], costs[i]) for i in range(len(scores))]
    torch.testing.assert_close(margin_loss(scores, targets, costs), torch.cat(rows))


@given(problems(), st.sampled_from([1e-150, 1e-3, 7.0, 1e150]))
def test_a_common_factor_of_the_costs_does_not_matter(problem, factor):
    scores, targets, costs = tensors(*problem)
    torch.testing.assert_close(margin_loss(scores, targets, factor * costs), margin_loss(scores, targets, costs))


@given(problems())
def test_costs_and_log_costs_are_two_spellings_of_one_loss(problem):
    scores, targets, costs = tensors(*problem)
    in_log_space = margin_loss(scores, targets, log_costs=costs.log())
    torch.testing.assert_close(in_log_space, margin_loss(scores, targets, costs), rtol=0, atol=0)


@given(problems())
def test_margin_loss_is_least_where_scores_are_log_costs_plus_log_targets(problem):
    """Lemma 1: the minimiser is f = log(c p) + const, for this loss and for the weighted one."""
    _, targets, costs = tensors(*problem)
    best = (targets.log() + costs.log() + 3.0).requires_grad_()
    for loss in (margin_loss, weighted_loss):
        (gradient,) = torch.autograd.grad(loss(best, targets, costs).sum(), best)
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-10)


@given(problems())
def test_the_gradient_is_shifted_softmax_minus_targets(problem):
    scores, targets, costs = tensors(*problem)
    scores.requires_grad_()
    (gradient,) = torch.autograd.grad(margin_loss(scores, targets, costs).sum(), scores)
    expected = softmax(problem[0] - np.log(problem[2]), axis=1) - problem[1]
    np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", [(4,), (3, 4)])
def test_margin_loss_passes_gradcheck_in_all_its_arguments(shape):
    scores = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    targets = torch.rand(3, 4, dtype=torch.float64, requires_grad=True)
    costs = torch.rand(shape, dtype=torch.float64).add(0.5).requires_grad_()
    assert torch.autograd.gradcheck(margin_loss, (scores, targets, costs))
    assert torch.autograd.gradcheck(lambda s, t, c: margin_loss(s, t, log_costs=c), (scores, targets, costs))
    assert torch.autograd.gradcheck(weighted_loss, (scores, targets, costs))


@given(problems(), st.floats(0.1, 3))
def test_targets_need_not_sum_to_one(problem, factor):
    scores, targets, costs = tensors(*problem)
    torch.testing.assert_close(margin_loss(scores, factor * targets, costs), factor * margin_loss(*tensors(*problem)))


def test_a_dearer_class_pays_more_and_its_rivals_less():
    """The direction of the margin: f - log c, not f + log c."""
    scores, targets = torch.zeros(2, 2), torch.eye(2)
    equal = margin_loss(scores, targets, torch.tensor([1.0, 1.0]))
    second_dear = margin_loss(scores, targets, torch.tensor([1.0, 4.0]))
    assert second_dear[1] > equal[1]
    assert second_dear[0] < equal[0]
    torch.testing.assert_close(second_dear, torch.tensor([math.log(1.25), math.log(5.0)]))


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_integer_labels_mean_one_hot_targets(dtype):
    scores, labels = torch.randn(5, 3), torch.tensor([2, 0, 1, 1, 2])
    rows = F.one_hot(labels, 3).float()
    costs = torch.tensor([1.0, 2.0, 0.5])
    assert torch.equal(margin_loss(scores, labels.to(dtype), costs), margin_loss(scores, rows, costs))
    assert torch.equal(weighted_loss(scores, labels.to(dtype), costs), weighted_loss(scores, rows, costs))


def test_losses_are_not_reduced():
    scores, labels, costs = torch.randn(5, 3), torch.tensor([2, 0, 1, 1, 2]), torch.ones(3)
    assert margin_loss(scores, labels, costs).shape == (5,)
    assert weighted_loss(scores, labels, costs).shape == (5,)


def test_huge_scores_neither_overflow_nor_lose_the_loss():
    """Scores of 1e4 in float32: exp would be infinite, the loss is the distance of the scores."""
    scores = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], requires_grad=True)
    losses = margin_loss(scores, torch.tensor([1, 0]), torch.tensor([1.0, 1.0, 1.0]))
    torch.testing.assert_close(losses, torch.tensor([2e4, 2e4 + math.log(2)]))
    losses.sum().backward()
    torch.testing.assert_close(scores.grad, torch.tensor([[1.0, -1.0, 0.0], [-1.0, 0.5, 0.5]]))


def test_log_costs_beyond_the_range_of_float32_give_exact_losses():
    """exp(-200) is 0 in float32; in log space it is a number like any other."""
    scores = torch.zeros(3, 3, requires_grad=True)
    losses = margin_loss(scores, torch.tensor([0, 1, 2]), log_costs=torch.tensor([-200.0, 0.0, 200.0]))
    torch.testing.assert_close(losses, torch.tensor([0.0, 200.0, 400.0]))
    losses.sum().backward()
    torch.testing.assert_close(scores.grad, torch.tensor([[0.0, 0.0, 0.0], [1.0, -1.0, 0.0], [1.0, 0.0, -1.0]]))


def test_a_thousand_classes_in_float32_agree_with_float64():
    scores, targets = 100 * torch.randn(4, 1000), torch.rand(4, 1000).softmax(dim=1)
    log_costs = 50 * torch.randn(1000)
    precise = margin_loss(scores.double(), targets.double(), log_costs=log_costs.double())
    torch.testing.assert_close(margin_loss(scores, targets, log_costs=log_costs), precise.float(), rtol=1e-5, atol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype):
    scores = torch.randn(64, 10).to(dtype)
    targets = torch.randn(64, 10).softmax(dim=1)
    costs = torch.rand(10).add(0.5).to(dtype)
    exact = scores.float()
    assert torch.equal(margin_loss(scores, targets, costs), margin_loss(exact, targets, costs.float()))
    assert torch.equal(margin_loss(scores, targets, log_costs=costs), margin_loss(exact, targets, log_costs=costs))
    assert torch.equal(weighted_loss(scores, targets, costs), weighted_loss(exact, targets, costs.float()))
    assert torch.equal(label_losses(scores), label_losses(exact))
    labels = targets.argmax(dim=1)
    assert torch.equal(margin_loss(scores, labels, costs), margin_loss(exact, labels, costs.float()))
    assert margin_loss(scores, labels, costs).dtype == torch.float32
    assert weighted_loss(scores, labels, costs).dtype == torch.float32


def test_the_loss_is_float32_under_autocast():
    features, weight = torch.randn(8, 16), torch.randn(16, 4)
    labels, costs = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3]), torch.rand(4) + 0.5
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = features @ weight
        losses, weighted = margin_loss(scores, labels, costs), weighted_loss(scores, labels, costs)
    assert scores.dtype == torch.bfloat16
    assert losses.dtype == torch.float32
    assert weighted.dtype == torch.float32
    assert torch.equal(losses, margin_loss(scores.float(), labels, costs))


def test_float64_stays_float64():
    scores, labels = torch.randn(2, 3).double(), torch.tensor([0, 2])
    assert margin_loss(scores, labels, torch.ones(3)).dtype == torch.float64
    assert weighted_loss(scores, labels, torch.ones(3)).dtype == torch.float64
    assert label_losses(scores).dtype == torch.float64


@given(problems(), st.booleans())
def test_weighted_loss_is_the_sum_written_out(problem, per_example):
    scores, targets, costs = problem
    if per_example:
        costs = np.outer(np.arange(1, len(scores) + 1), costs)
    expected = np.zeros(len(scores))
    for i in range(len(scores)):
        for y in range(scores.shape[1]):
            cost = costs[i, y] if per_example else costs[y]
            expected[i] -= cost * targets[i, y] * (scores[i, y] - np.log(np.exp(scores[i]).sum()))
    np.testing.assert_allclose(weighted_loss(*tensors(scores, targets, costs)).numpy(), expected, rtol=1e-8, atol=1e-12)


def test_a_class_without_cost_weighs_nothing_in_the_weighted_loss():
    losses = weighted_loss(torch.randn(2, 2), torch.tensor([0, 1]), torch.tensor([0.0, 1.0]))
    assert losses[0] == 0
    assert losses[1] > 0


@given(problems())
def test_each_column_of_label_losses_is_the_cross_entropy_of_that_label(problem):
    scores, _, _ = tensors(*problem)
    columns = [F.cross_entropy(scores, torch.full((len(scores),), y), reduction="none") for y in range(scores.shape[1])]
    torch.testing.assert_close(label_losses(scores), torch.stack(columns, dim=1))


def test_a_distribution_passes_untouched_and_labels_take_the_dtype_of_the_scores():
    scores, rows = torch.zeros(2, 3).double(), torch.rand(2, 3)
    assert as_distribution(rows, scores) is rows
    hot = as_distribution(torch.tensor([2, 0]), scores)
    assert torch.equal(hot, torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]).double())
    assert hot.dtype == torch.float64


def test_two_classes_are_enough():
    check_scores(torch.zeros(1, 2))


@pytest.mark.parametrize(
    ("scores", "got"),
    [
        (torch.zeros(3), "torch.float32 (3,)"),
        (torch.zeros(2, 3, 4), "torch.float32 (2, 3, 4)"),
        (torch.zeros(2, 3, dtype=torch.int64), "torch.int64 (2, 3)"),
        (torch.zeros(2, 1), "torch.float32 (2, 1)"),
    ],
)
def test_scores_of_another_kind_are_refused(scores, got):
    message = f"^{re.escape(f'scores must be floating of shape (B, C) with C >= 2, got {got}')}$"
    targets = torch.zeros(len(scores), dtype=torch.int64)
    with pytest.raises(ValueError, match=message):
        check_scores(scores)
    with pytest.raises(ValueError, match=message):
        margin_loss(scores, targets, torch.ones(3))
    with pytest.raises(ValueError, match=message):
        weighted_loss(scores, targets, torch.ones(3))
    with pytest.raises(ValueError, match=message):
        label_losses(scores)


@pytest.mark.parametrize(
    ("targets", "got"),
    [
        (torch.zeros(2, 4), "torch.float32 (2, 4)"),
        (torch.zeros(3, 3), "torch.float32 (3, 3)"),
        (torch.zeros(2), "torch.float32 (2,)"),
        (torch.zeros(3, dtype=torch.int64), "torch.int64 (3,)"),
        (torch.zeros(2, 3, dtype=torch.int64), "torch.int64 (2, 3)"),
    ],
)
def test_targets_that_do_not_fit_the_scores_are_refused(targets, got):
    expected = f"targets must be floating of shape (2, 3) or integer labels of shape (2,), got {got}"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        margin_loss(torch.zeros(2, 3), targets, torch.ones(3))
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        weighted_loss(torch.zeros(2, 3), targets, torch.ones(3))


@pytest.mark.parametrize("shape", [(), (1,), (2,), (4,), (2, 1), (1, 3), (3, 2), (1, 2, 3)])
def test_costs_are_never_broadcast(shape):
    expected = f"^{re.escape(f'costs must be of shape (3,) or (2, 3), got {shape}')}$"
    scores, labels, costs = torch.zeros(2, 3), torch.tensor([0, 1]), torch.ones(shape)
    with pytest.raises(ValueError, match=expected):
        margin_loss(scores, labels, costs)
    with pytest.raises(ValueError, match=expected):
        margin_loss(scores, labels, log_costs=costs)
    with pytest.raises(ValueError, match=expected):
        weighted_loss(scores, labels, costs)


@pytest.mark.parametrize("given_costs", [{}, {"costs": torch.ones(3), "log_costs": torch.zeros(3)}])
def test_exactly_one_of_costs_and_log_costs_must_be_given(given_costs):
    with pytest.raises(ValueError, match=r"^give exactly one of costs and log_costs$"):
        margin_loss(torch.zeros(2, 3), torch.tensor([0, 1]), **given_costs)


@pytest.mark.parametrize(("cost", "shown"), [(0.0, "0"), (-2.5, "-2.5"), (float("nan"), "nan")])
def test_a_cost_that_is_not_positive_is_refused_with_its_value(cost, shown):
    expected = f"^costs must be positive, the least is {shown}; log_costs know no underflow$"
    with pytest.raises(ValueError, match=expected):
        margin_loss(torch.zeros(2, 3), torch.tensor([0, 1]), torch.tensor([1.0, cost, 2.0]))


@pytest.mark.parametrize(("cost", "shown"), [(-2.5, "-2.5"), (float("nan"), "nan")])
def test_weighted_loss_refuses_a_negative_cost_with_its_value(cost, shown):
    with pytest.raises(ValueError, match=f"^costs must be non-negative, the least is {shown}$"):
        weighted_loss(torch.zeros(2, 3), torch.tensor([0, 1]), torch.tensor([1.0, cost, 2.0]))


def test_no_label_is_quietly_ignored():
    """torch's cross-entropy passes over the label -100 unless it is told otherwise."""
    with pytest.raises(IndexError):
        margin_loss(torch.zeros(1, 3), torch.tensor([-100]), torch.ones(3))
