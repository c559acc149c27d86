"""Margins of a teacher against plain loops, and the loss that asks for them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evendistill.maths.losses import label_losses
from evendistill.maths.margins import average_margin, label_margin_losses, margins_of_classes


@st.composite
def distributions(draw):
    """Float64 rows (B, C) that sum to one, some of them sharp."""
    examples, classes = draw(st.integers(1, 6)), draw(st.integers(2, 5))
    logits = draw(arrays(np.float64, (examples, classes), elements=st.floats(-20, 20)))
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def looped_margins(probabilities):
    """p_y less the mean of the others, one number at a time."""
    margins = np.empty_like(probabilities)
    for b, row in enumerate(probabilities.tolist()):
        for y in range(len(row)):
            others = [share for j, share in enumerate(row) if j != y]
            margins[b, y] = row[y] - sum(others) / len(others)
    return margins


def looped_losses(scores, margins):
    """log(1 + sum_j exp(rho_y - (f_y - f_j))) over the others, in plain numbers."""
    losses = np.empty_like(scores)
    for b, row in enumerate(scores.tolist()):
        for y in range(len(row)):
            others = [math.exp(margins[b, y] - (row[y] - other)) for j, other in enumerate(row) if j != y]
            losses[b, y] = math.log1p(sum(others))
    return losses


@given(distributions())
def test_the_average_margin_is_that_of_the_loop_and_bounded(probabilities):
    margins = average_margin(torch.from_numpy(probabilities)).numpy()
    classes = probabilities.shape[1]
    np.testing.assert_allclose(margins, looped_margins(probabilities), rtol=1e-9, atol=1e-12)
    assert (margins >= -1 / (classes - 1) - 1e-12).all()
    assert (margins <= 1 + 1e-12).all()
    np.testing.assert_allclose(margins.sum(1), 0, atol=1e-12)


def test_the_margin_is_one_where_the_teacher_is_sure_and_zero_where_it_is_even():
    margins = average_margin(torch.tensor([[0.0, 1.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]]))
    torch.testing.assert_close(margins, torch.tensor([[-1 / 3, 1.0, -1 / 3, -1 / 3], [0.0] * 4]))


@given(distributions(), st.data())
def test_margins_of_classes_are_means_over_the_examples_of_the_class(probabilities, data):
    examples, classes = probabilities.shape
    more = data.draw(arrays(np.int64, examples, elements=st.integers(0, classes - 1)))
    labels = np.concatenate([more, np.arange(classes)])
    rows = np.concatenate([probabilities, np.full((classes, classes), 1 / classes)])
    margins = looped_margins(rows)
    expected = [np.mean([margins[b, y] for b in range(len(labels)) if labels[b] == y]) for y in range(classes)]
    ours = margins_of_classes(torch.from_numpy(rows), torch.from_numpy(labels))
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-9, atol=1e-12)


def test_margins_of_classes_are_summed_in_float64():
    rows = torch.tensor([[0.1, 0.9], [0.9, 0.1]], dtype=torch.float32).repeat(50_000, 1)
    margins = margins_of_classes(rows, torch.arange(100_000) % 2)
    assert margins.dtype == torch.float64
    np.testing.assert_allclose(margins.numpy(), 2 * float(rows[0, 0]) - 1, rtol=1e-12)


@given(distributions(), st.data())
def test_label_margin_losses_are_the_formula(probabilities, data):
    shape = probabilities.shape
    scores = data.draw(arrays(np.float64, shape, elements=st.floats(-30, 30)))
    margins = looped_margins(probabilities)
    ours = label_margin_losses(torch.from_numpy(scores), torch.from_numpy(margins)).numpy()
    np.testing.assert_allclose(ours, looped_losses(scores, margins), rtol=1e-7, atol=1e-12)
    one = label_margin_losses(torch.from_numpy(scores), torch.from_numpy(margins[0])).numpy()
    np.testing.assert_allclose(one, looped_losses(scores, np.tile(margins[0], (len(scores), 1))), rtol=1e-7, atol=1e-12)


def test_at_margin_zero_they_are_the_cross_entropies():
    scores = 5 * torch.randn(6, 4)
    assert torch.equal(label_margin_losses(scores, torch.zeros(4)), label_losses(scores))


@pytest.mark.parametrize("margin", [-1.0, -0.5, 0.0, 0.5, 1.0])
def test_at_scores_of_ten_thousand_losses_and_gradients_are_those_of_the_dearest_rival(margin):
    scores = torch.tensor([[1e4, -1e4, 0.0], [-1e4, -1e4, 1e4]], requires_grad=True)
    losses = label_margin_losses(scores, torch.full((3,), margin))
    expected = torch.tensor([[0.0, 2e4 + margin, 1e4 + margin], [2e4 + margin, 2e4 + margin, 0.0]])
    torch.testing.assert_close(losses, expected)
    (gradient,) = torch.autograd.grad(losses.sum(), scores)
    torch.testing.assert_close(gradient, torch.tensor([[2.0, -1.0, -1.0], [-1.0, -1.0, 2.0]]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(dtype):
    probabilities = torch.tensor([[0.5, 0.25, 0.25]], dtype=dtype)
    assert average_margin(probabilities).dtype == torch.float32
    assert average_margin(probabilities).tolist() == [[0.25, -0.125, -0.125]]
    losses = label_margin_losses(torch.zeros(1, 3, dtype=dtype), torch.tensor([0.25, 0.0, 0.0], dtype=dtype))
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses, torch.tensor([[1 + 2 * math.exp(0.25), 3.0, 3.0]]).log())
