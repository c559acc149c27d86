"""Exponentiated gradient against its closed form, over long runs and with absent classes."""

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evendistill.maths.simplex import exponentiated_gradient

gains_of_classes = st.integers(2, 8).flatmap(lambda c: arrays(np.float64, c, elements=st.floats(0, 5)))


def uniform(classes, dtype=torch.float64):
    return torch.full((classes,), -math.log(classes), dtype=dtype)


@given(gains_of_classes, st.floats(0.01, 1), st.integers(1, 20))
def test_equal_steps_along_constant_gains_give_the_closed_form(gains, step_size, steps):
    """k steps along r from the uniform start leave softmax(k * step * r)."""
    log_weights = uniform(len(gains))
    for _ in range(steps):
        log_weights = exponentiated_gradient(log_weights, torch.from_numpy(gains), step_size)
    expected = torch.softmax(steps * step_size * torch.from_numpy(gains), dim=0)
    torch.testing.assert_close(log_weights.exp(), expected, rtol=0, atol=1e-12)


@given(gains_of_classes, st.floats(0.01, 1), st.data())
def test_one_step_is_the_printed_fraction_from_any_start(gains, step_size, data):
    """lambda_j e^(step R_j) / sum_i lambda_i e^(step R_i), in plain numbers."""
    raw = data.draw(arrays(np.float64, len(gains), elements=st.floats(0.01, 1)))
    weights = raw / raw.sum()
    moved = exponentiated_gradient(torch.from_numpy(weights).log(), torch.from_numpy(gains), step_size).exp()
    grown = [weight * math.exp(step_size * gain) for weight, gain in zip(weights, gains, strict=True)]
    np.testing.assert_allclose(moved.numpy(), np.array(grown) / sum(grown), rtol=1e-12)


@given(gains_of_classes, st.floats(-50, 50))
def test_a_constant_added_to_all_gains_changes_nothing(gains, constant):
    start = torch.log_softmax(torch.arange(len(gains)).double(), dim=0)
    plain = exponentiated_gradient(start, torch.from_numpy(gains), 0.3)
    shifted = exponentiated_gradient(start, torch.from_numpy(gains + constant), 0.3)
    torch.testing.assert_close(shifted, plain, rtol=0, atol=1e-10)


@given(gains_of_classes, st.data())
def test_an_absent_class_keeps_its_weight_and_the_others_share_the_rest(gains, data):
    absent = data.draw(st.lists(st.booleans(), min_size=len(gains), max_size=len(gains)).filter(lambda b: not all(b)))
    start = torch.log_softmax(torch.arange(len(gains)).double(), dim=0)
    with_holes = torch.from_numpy(np.where(absent, np.nan, gains))
    moved = exponentiated_gradient(start, with_holes, 0.3)
    here = ~torch.tensor(absent)
    assert torch.equal(moved[~here], start[~here])
    torch.testing.assert_close(moved.exp().sum().item(), 1.0)
    grown = start[here] + 0.3 * torch.from_numpy(gains)[here]
    torch.testing.assert_close(moved[here].softmax(dim=0), grown.softmax(dim=0))


def test_if_all_classes_are_absent_nothing_moves():
    start = torch.tensor([0.7, 0.2, 0.1]).log()
    assert torch.equal(exponentiated_gradient(start, torch.full((3,), torch.nan), 0.1), start)


@pytest.mark.parametrize("absent", [False, True])
def test_the_total_is_still_one_after_ten_thousand_steps_in_float32(absent):
    log_weights = uniform(5, torch.float32)
    gains = torch.tensor([0.4, 0.5, 0.5, 0.45, torch.nan if absent else 0.3])
    for step in range(10_000):
        log_weights = exponentiated_gradient(log_weights, gains.roll(step % 4) if not absent else gains, 0.1)
    assert log_weights.dtype == torch.float32
    assert log_weights.exp().sum().item() == pytest.approx(1, abs=1e-6)
    if absent:
        assert log_weights[4] == uniform(5, torch.float32)[4]


def test_rounding_errors_of_the_total_do_not_add_up():
    """A start that sums to 1.1 is put right by the first step, also beside an absent class."""
    start = torch.tensor([0.5, 0.4, 0.2]).log()
    assert exponentiated_gradient(start, torch.zeros(3), 0.1).exp().sum().item() == pytest.approx(1)
    beside = exponentiated_gradient(start, torch.tensor([0.0, 0.0, torch.nan]), 0.1)
    assert beside.exp().tolist() == pytest.approx([0.8 * 5 / 9, 0.8 * 4 / 9, 0.2])


def test_a_weight_of_e_to_the_minus_200_comes_back():
    """In float32 its exponential is exactly 0, which would be the end of it in plain numbers."""
    log_weights = torch.tensor([0.0, -200.0])
    assert log_weights.exp()[1] == 0
    for _ in range(400):
        log_weights = exponentiated_gradient(log_weights, torch.tensor([0.0, 1.0]), 1.0)
    torch.testing.assert_close(log_weights, torch.tensor([-200.0, 0.0]), rtol=1e-4, atol=1e-4)


def test_an_absent_class_that_holds_all_the_weight_leaves_the_others_finite():
    moved = exponentiated_gradient(torch.tensor([0.0, -200.0, -201.0]), torch.tensor([torch.nan, 0.0, 0.0]), 1.0)
    assert moved.isfinite().all()
    assert moved[0] == 0
    assert (moved[1] - moved[2]).item() == pytest.approx(1, abs=1e-4)


def test_neither_argument_is_changed():
    log_weights, gains = uniform(3), torch.tensor([1.0, torch.nan, 0.0]).double()
    exponentiated_gradient(log_weights, gains, 0.5)
    assert torch.equal(log_weights, uniform(3))
    torch.testing.assert_close(gains, torch.tensor([1.0, torch.nan, 0.0]).double(), equal_nan=True, rtol=0, atol=0)


@pytest.mark.parametrize(("weights", "gains"), [((3,), (2,)), ((3,), (3, 1)), ((2, 3), (2, 3)), ((), ())])
def test_shapes_that_differ_are_refused(weights, gains):
    expected = f"log_weights and gains must share one shape (C,), got {weights} and {gains}"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        exponentiated_gradient(torch.zeros(weights), torch.zeros(gains), 0.1)
