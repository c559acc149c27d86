"""The bounds of the theory: sums done by hand, sums written out, and what is refused. What they bound: tests/theory."""

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from evendistill.maths.bounds import (
    estimation_error,
    loss_variance,
    multiplier_game,
    robust_gap_bound,
    scaled_calibration_error,
    student_gap_bound,
)


@st.composite
def problems(draw):
    """Teacher and losses or truth ``(N, C)``, weights ``(N,)`` and numbers of drawn points, all positive."""
    points, classes = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    elements = st.floats(0.01, 3)
    tables = (torch.from_numpy(draw(arrays(np.float64, (points, classes), elements=elements))) for _ in "ab")
    weights = torch.from_numpy(draw(arrays(np.float64, points, elements=elements)))
    sample = draw(st.lists(st.integers(0, points - 1), min_size=1, max_size=7))
    return *tables, weights, torch.tensor(sample)


def mean_by_hand(teacher: Tensor, losses: Tensor, weights: Tensor, y: int) -> float:
    rows = list(zip(teacher[:, y].tolist(), losses[:, y].tolist(), weights.tolist(), strict=True))
    return sum(w * p * loss for p, loss, w in rows) / sum(w * p for p, _, w in rows)


def test_the_bound_of_theorem_2_takes_each_maximum_by_itself():
    calibration, estimation = torch.tensor([0.5, 0.25]), torch.tensor([0.0, 2.0])
    assert robust_gap_bound(calibration, estimation, 3.0) == 3.5
    assert robust_gap_bound(calibration, estimation, 0.0) == 2.0


def test_the_bound_for_students_weighs_training_by_the_scale():
    calibration, training, held_out = torch.tensor([0.5, 0.25]), torch.tensor([0.0, 2.0]), torch.tensor([7.0, 1.0])
    assert student_gap_bound(calibration, training, held_out, loss_bound=3.0) == 2 * (1.5 + 7 + 2)
    assert student_gap_bound(calibration, training, held_out, loss_bound=3.0, scale=0.5) == 2 * (1.5 + 7 + 1)
    assert student_gap_bound(calibration, training, held_out, loss_bound=0.0, scale=0.0) == 14


def test_step_and_error_of_the_game():
    """The step is 1 / 2BZ and the error 4BZ times sqrt(log m / K): B = 4, Z = 10, m = 3, K = 50."""
    step, error = multiplier_game(3, 50, loss_bound=4.0, least_prior=0.1)
    assert step == pytest.approx(math.sqrt(math.log(3) / 50) / 80)
    assert error == pytest.approx(160 * math.sqrt(math.log(3) / 50))
    assert multiplier_game(2, 1, loss_bound=0.5, least_prior=1)[1] == pytest.approx(2 * math.sqrt(math.log(2)))


@given(problems(), st.floats(0, 3))
def test_the_scaled_error_is_the_sum_written_out(problem, scale):
    teacher, truth, weights, _ = problem
    shares = weights / weights.sum()
    found = scaled_calibration_error(teacher, truth, scale, weights)
    for y in range(teacher.shape[1]):
        terms = scale * teacher[:, y] / (shares * teacher[:, y]).sum() - truth[:, y] / (shares * truth[:, y]).sum()
        assert found[y].item() == pytest.approx((shares * terms.abs()).sum().item(), abs=1e-12)


def test_points_weigh_the_same_unless_told_and_tables_may_differ_in_dtype():
    teacher, other = torch.tensor([[0.2, 0.8], [0.6, 0.4], [0.1, 0.9]]), torch.tensor([[1.0, 2.0], [3.0, 0.0], [1, 1]])
    even, sample = torch.full((3,), 7.0), torch.tensor([0, 2])
    plain = scaled_calibration_error(teacher, other, 0.7)
    torch.testing.assert_close(plain, scaled_calibration_error(teacher, other, 0.7, even))
    wide = scaled_calibration_error(teacher.half(), other.double(), 0.7)
    assert wide.dtype == torch.float64
    torch.testing.assert_close(wide, plain.double(), rtol=0, atol=1e-3)
    errors = estimation_error(teacher, other, sample)
    torch.testing.assert_close(errors, estimation_error(teacher, other, sample, even))
    torch.testing.assert_close(errors, estimation_error(teacher.half(), other.half(), sample), rtol=0, atol=1e-3)


@given(problems())
def test_the_estimation_error_is_the_difference_of_two_means(problem):
    teacher, losses, weights, sample = problem
    found = estimation_error(teacher, losses, sample, weights)
    for y in range(teacher.shape[1]):
        expected = mean_by_hand(teacher, losses, weights, y)
        drawn = mean_by_hand(teacher[sample], losses[sample], torch.ones(len(sample)), y)
        assert found[y].item() == pytest.approx(abs(expected - drawn), abs=1e-9)


def test_an_estimation_error_done_by_hand_and_a_class_that_was_not_drawn():
    """Class 0: (0.5 * 1 + 0.25 * 4) / 0.75 = 2 against 4; class 1 has no mass at the drawn point, class 2 nowhere."""
    teacher = torch.tensor([[0.5, 0.5, 0.0], [0.25, 0.0, 0.0]])
    losses = torch.tensor([[1.0, 1.0, 1.0], [4.0, 1.0, 1.0]])
    errors = estimation_error(teacher, losses, torch.tensor([1, 1]))
    torch.testing.assert_close(errors, torch.tensor([2.0, math.nan, math.nan]), equal_nan=True)
    assert estimation_error(teacher, losses, torch.tensor([0, 1]))[:2].tolist() == [0, 0]


def test_the_variance_is_that_of_the_products_with_divisor_n_less_one():
    """Class 0: products 1, 1, 4 have mean 2, so (1 + 1 + 4) / 2; class 1 always adds the same."""
    teacher = torch.tensor([[0.5, 0.5], [1.0, 0.25], [1.0, 1.0]])
    losses = torch.tensor([[2.0, 2.0], [1.0, 4.0], [4.0, 1.0]])
    assert loss_variance(teacher, losses).tolist() == [3, 0]
    assert loss_variance(teacher.half(), losses.half()).dtype == torch.float32
    assert loss_variance(teacher[1:], losses[1:]).tolist() == [4.5, 0]


@pytest.mark.parametrize("bad", [-0.1, math.inf, math.nan])
def test_numbers_that_are_negative_or_not_finite_are_refused(bad):
    error = torch.zeros(2)
    for name, call in {
        "loss_bound": lambda: robust_gap_bound(error, error, bad),
        "loss_bound ": lambda: student_gap_bound(error, error, error, loss_bound=bad),
        "scale": lambda: student_gap_bound(error, error, error, loss_bound=1.0, scale=bad),
        "scale ": lambda: scaled_calibration_error(torch.ones(2, 2), torch.ones(2, 2), bad),
    }.items():
        with pytest.raises(ValueError, match=f"^{name.strip()} must be finite and not negative, got {bad}$"):
            call()


def test_errors_of_other_shapes_are_refused():
    two, three = torch.zeros(2), torch.zeros(3)
    with pytest.raises(ValueError, match=re.escape("errors must share one shape (C,), got (2,), (3,)")):
        robust_gap_bound(two, three, 1.0)
    with pytest.raises(ValueError, match=re.escape("errors must share one shape (C,), got (), ()")):
        robust_gap_bound(two.sum(), two.sum(), 1.0)
    for wrong in ((three, two, two), (two, three, two), (two, two, three)):
        shapes = ", ".join(str(tuple(error.shape)) for error in wrong)
        with pytest.raises(ValueError, match=f"^{re.escape(f'errors must share one shape (C,), got {shapes}')}$"):
            student_gap_bound(*wrong, loss_bound=1.0)


@pytest.mark.parametrize(("classes", "moves"), [(1, 1), (2, 0)])
def test_a_game_needs_classes_and_moves(classes, moves):
    expected = f"there must be 2 classes and 1 move at least, got {classes} and {moves}"
    with pytest.raises(ValueError, match=f"^{expected}$"):
        multiplier_game(classes, moves, loss_bound=1.0, least_prior=0.5)


@pytest.mark.parametrize(("most", "prior"), [(0.0, 0.5), (math.inf, 0.5), (math.nan, 0.5), (1.0, 0.0), (1.0, 1.1)])
def test_a_game_needs_a_bound_and_a_prior_in_their_ranges(most, prior):
    expected = f"loss_bound must be positive and least_prior in (0, 1], got {most} and {prior}"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        multiplier_game(2, 1, loss_bound=most, least_prior=prior)


@pytest.mark.parametrize("shapes", [((2, 3), (3, 2)), ((3,), (3,)), ((2, 3), (2, 1))])
def test_tables_of_other_shapes_are_refused(shapes):
    teacher, losses = (torch.ones(shape) for shape in shapes)
    got = f"got {shapes[0]} and {shapes[1]}"
    for expected, call in {
        f"teacher and losses must share one shape (N, C), {got}": lambda: estimation_error(
            teacher, losses, torch.tensor([0])
        ),
        f"teacher and losses must share one shape (n, C) with n >= 2, {got}": lambda: loss_variance(teacher, losses),
    }.items():
        with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
            call()


def test_weights_of_another_length_and_a_variance_of_one_example_are_refused():
    table, sample = torch.ones(2, 3), torch.tensor([0])
    with pytest.raises(ValueError, match="weights must be 2 non-negative numbers with a positive sum"):
        estimation_error(table, table, sample, torch.ones(3))
    with pytest.raises(ValueError, match=r"n >= 2, got \(1, 3\) and \(1, 3\)$"):
        loss_variance(table[:1], table[:1])


@given(problems())
def test_the_inputs_are_not_changed(problem):
    before = [each.clone() for each in problem]
    teacher, other, weights, sample = problem
    estimation_error(teacher, other, sample, weights)
    scaled_calibration_error(teacher, other, 0.5, weights)
    assert all(torch.equal(one, two) for one, two in zip(before, problem, strict=True))
