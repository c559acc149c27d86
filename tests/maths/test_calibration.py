"""The calibration error of Theorem 2: the paper's own example, sums done by hand, and its range."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evendistill.distillation.diagnose import diagnose
from evendistill.maths.calibration import calibration_error, calibration_spread
from evendistill.maths.risks import class_errors


@st.composite
def problems(draw):
    """Teacher scores and conditional probabilities (N, C), and weights (N,), all positive."""
    shape = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    positive = st.floats(0.01, 1)
    teacher, masses = (
        draw(arrays(np.float64, shape, elements=positive)),
        draw(arrays(np.float64, shape, elements=positive)),
    )
    weights = draw(arrays(np.float64, shape[0], elements=positive))
    return tuple(torch.from_numpy(values) for values in (teacher, masses / masses.sum(1, keepdims=True), weights))


def test_the_teacher_of_figure_2_is_calibrated_although_it_never_says_panda():
    """Cats get twice and pandas half of their probability: no panda is found, and yet the shapes are true."""
    x = (torch.arange(1000).double() + 0.5) / 1000
    cat, panda = 0.75 - 0.5 * x, 0.75 * x**2
    truth = torch.stack([cat, panda, 1 - cat - panda], dim=1)
    torch.testing.assert_close(truth.mean(dim=0), torch.tensor([0.5, 0.25, 0.25]).double(), rtol=0, atol=1e-6)
    teacher = truth * torch.tensor([2.0, 0.5, 0.1])
    torch.testing.assert_close(calibration_error(teacher, truth), torch.zeros(3).double(), rtol=0, atol=1e-12)
    assert class_errors(truth, truth)[1] < 1
    assert class_errors(teacher, truth)[1] == 1


@given(problems())
def test_the_error_is_the_sum_written_out(problem):
    teacher, truth, weights = (values.numpy() for values in problem)
    shares = weights / weights.sum()
    expected = []
    for y in range(teacher.shape[1]):
        teacher_mean = sum(share * p for share, p in zip(shares, teacher[:, y], strict=True))
        true_mean = sum(share * eta for share, eta in zip(shares, truth[:, y], strict=True))
        terms = zip(shares, teacher[:, y] / teacher_mean, truth[:, y] / true_mean, strict=True)
        expected.append(sum(share * abs(p - eta) for share, p, eta in terms))
    np.testing.assert_allclose(calibration_error(*problem).numpy(), expected, rtol=1e-9, atol=1e-12)


def test_an_error_done_by_hand():
    """Class 0: p / mean = (1.5, 0.5), eta / mean = (1.8, 0.2), so 0.3; class 1: (0.5, 1.5), (0.2, 1.8), so 0.3."""
    teacher = torch.tensor([[0.75, 0.25], [0.25, 0.75]])
    truth = torch.tensor([[0.9, 0.1], [0.1, 0.9]])
    torch.testing.assert_close(calibration_error(teacher, truth), torch.tensor([0.3, 0.3]))
    weighted = calibration_error(teacher, truth, torch.tensor([3.0, 1.0]))
    # Class 0: means 0.625 and 0.7; class 1: means 0.375 and 0.3.
    first = 0.75 * (0.9 / 0.7 - 0.75 / 0.625) + 0.25 * (0.25 / 0.625 - 0.1 / 0.7)
    second = 0.75 * (0.25 / 0.375 - 0.1 / 0.3) + 0.25 * (0.9 / 0.3 - 0.75 / 0.375)
    torch.testing.assert_close(weighted, torch.tensor([first, second]))


@given(problems(), st.floats(0.1, 10))
def test_scale_has_no_say_neither_of_a_column_nor_of_the_weights(problem, factor):
    teacher, truth, weights = problem
    scale = factor * torch.arange(1, teacher.shape[1] + 1)
    plain = calibration_error(teacher, truth, weights)
    torch.testing.assert_close(calibration_error(teacher * scale, truth, factor * weights), plain)


@given(problems())
def test_a_repeated_point_is_a_point_of_double_weight(problem):
    teacher, truth, _ = problem
    weights = torch.ones(len(teacher))
    weights[0] = 2
    repeated = calibration_error(torch.cat([teacher[:1], teacher]), torch.cat([truth[:1], truth]))
    torch.testing.assert_close(calibration_error(teacher, truth, weights), repeated)


@given(problems())
def test_the_error_lies_between_zero_and_two_and_is_zero_against_itself(problem):
    teacher, truth, weights = problem
    errors = calibration_error(teacher, truth, weights)
    assert bool(((errors >= 0) & (errors <= 2 + 1e-12)).all())
    assert not calibration_error(truth, truth, weights).any()


def test_scores_on_other_points_than_the_truth_reach_two():
    teacher, truth = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert calibration_error(teacher, truth).tolist() == [2.0, 2.0]


@given(problems())
def test_a_constant_teacher_errs_by_the_spread_of_the_truth(problem):
    _, truth, _ = problem
    expected = (1 - truth / truth.mean(dim=0)).abs().mean(dim=0)
    torch.testing.assert_close(calibration_error(torch.full_like(truth, 0.3), truth), expected)


def test_points_without_weight_have_no_say():
    teacher, truth = torch.tensor([[0.2], [0.8], [9.0]]), torch.tensor([[0.5], [0.5], [0.1]])
    ignored = calibration_error(teacher, truth, torch.tensor([1.0, 1.0, 0.0]))
    torch.testing.assert_close(ignored, calibration_error(teacher[:2], truth[:2]))


def test_teacher_and_truth_may_differ_in_dtype():
    teacher, truth = torch.tensor([[0.75, 0.25], [0.25, 0.75]]), torch.tensor([[0.9, 0.1], [0.1, 0.9]])
    expected = torch.tensor([0.3, 0.3]).double()
    torch.testing.assert_close(calibration_error(teacher, truth.double()), expected)
    torch.testing.assert_close(calibration_error(teacher.double(), truth, torch.ones(2)), expected, atol=1e-7, rtol=0)
    labels = torch.tensor([[1, 0], [0, 1]])
    torch.testing.assert_close(calibration_error(teacher.half(), labels), torch.tensor([0.5, 0.5]))


@pytest.mark.parametrize(("teacher", "truth"), [((2, 3), (2, 2)), ((2, 3), (3, 3)), ((3,), (3,))])
def test_shapes_that_differ_are_refused(teacher, truth):
    expected = f"teacher and conditional must share one shape (N, C), got {teacher} and {truth}"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        calibration_error(torch.ones(teacher), torch.ones(truth))


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf")])
def test_scores_that_are_negative_or_not_finite_are_refused(bad):
    fine, broken = torch.ones(2, 2), torch.tensor([[1.0, bad], [1.0, 1.0]])
    with pytest.raises(ValueError, match=r"^teacher must be finite and non-negative$"):
        calibration_error(broken, fine)
    with pytest.raises(ValueError, match=r"^conditional must be finite and non-negative$"):
        calibration_error(fine, broken)


def test_a_column_without_mass_is_refused_by_its_number():
    fine, empty = torch.ones(2, 3), torch.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, 1.0]])
    with pytest.raises(ValueError, match=r"^teacher gives class 1 no mass$"):
        calibration_error(empty, fine)
    with pytest.raises(ValueError, match=r"^conditional gives class 1 no mass$"):
        calibration_error(fine, empty)


@pytest.mark.parametrize("weights", [[1.0], [1.0, 1.0, 1.0], [2.0, -1.0], [0.0, 0.0], [1.0, float("nan")]])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(ValueError, match=r"^weights must be 2 non-negative numbers with a positive sum$"):
        calibration_error(torch.ones(2, 3), torch.ones(2, 3), torch.tensor(weights))


def sampled(count, seed):
    """Scores of a teacher that is wrong, and the conditional, on drawn points; the labels are drawn from it."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(count, 3, generator=generator, dtype=torch.float64) - torch.arange(3) / 2
    truth = scores.softmax(dim=1)
    wrong = (2 * scores + scores.roll(1, dims=1)).softmax(dim=1)
    return wrong, truth, torch.multinomial(truth, 1, generator=generator).squeeze(1)


def test_the_spread_is_that_of_the_error_over_many_samples():
    found, spreads = [], []
    for seed in range(800):
        teacher, truth, _ = sampled(300, seed)
        found.append(calibration_error(teacher, truth))
        spreads.append(calibration_spread(teacher, truth))
    assert bool((torch.stack(found).mean(dim=0) > 0.2).all())  # wrong on every class
    torch.testing.assert_close(torch.stack(spreads).mean(dim=0), torch.stack(found).std(dim=0), rtol=0.1, atol=0)


def test_a_spread_done_by_hand():
    """Shapes 1.5, 0.5 and 1, 1 differ by 0.5, -0.5: points move the error by 0.5 - 1.5 * 0.5 and 0.5 - 0.5 * 0.5."""
    teacher, truth = torch.tensor([[0.75], [0.25]]), torch.tensor([[0.5], [0.5]])
    torch.testing.assert_close(calibration_spread(teacher, truth), torch.tensor([0.25]))


@given(problems())
def test_the_spread_is_that_of_the_slopes_in_the_weights_of_the_points(problem):
    """What the delta method is: how the error changes as a point weighs a little more, by automatic differentiation."""
    teacher, truth, _ = (torch.cat([values, values.roll(1, dims=0)]) for values in problem)
    weights = torch.ones(len(teacher), dtype=torch.float64, requires_grad=True)
    slopes = [
        torch.autograd.grad(each, weights, retain_graph=True)[0] for each in calibration_error(teacher, truth, weights)
    ]
    expected = torch.stack(slopes).std(dim=1) * len(teacher) ** 0.5
    torch.testing.assert_close(calibration_spread(teacher, truth), expected, rtol=1e-6, atol=1e-9)


@given(problems())
def test_scale_has_no_say_in_the_spread_either(problem):
    teacher, truth, _ = (torch.cat([values, values]) for values in problem)
    plain, scaled = (calibration_spread(each, truth) for each in (teacher, 3 * teacher))
    torch.testing.assert_close(plain, scaled, rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(calibration_spread(truth, truth), torch.zeros(truth.shape[1]).double())


def test_the_spread_takes_any_dtype_and_refuses_what_the_error_refuses():
    teacher, truth = torch.tensor([[0.75, 0.25], [0.25, 0.75]]), torch.tensor([[1, 0], [0, 1]])
    expected = calibration_spread(teacher.double(), truth.double())
    torch.testing.assert_close(calibration_spread(teacher.half(), truth), expected.float())
    with pytest.raises(ValueError, match=r"^teacher and conditional must share one shape"):
        calibration_spread(teacher, truth[:, :1])
    with pytest.raises(ValueError, match=r"^teacher must be finite and non-negative$"):
        calibration_spread(-teacher, truth)


def test_intervals_against_a_reference_hold_the_error_of_the_whole_distribution_as_often_as_they_say():
    whole = calibration_error(*sampled(300_000, seed=-1)[:2])
    for level in (0.95, 0.7):
        held = []
        for seed in range(150):
            teacher, reference, labels = sampled(300, seed)
            found = diagnose(teacher, labels, probabilities=True, reference=reference, level=level)
            assert bool(((found.lower < found.calibration_error) & (found.calibration_error < found.upper)).all())
            held.append((found.lower <= whole) & (whole <= found.upper))
        assert torch.stack(held).double().mean().item() == pytest.approx(level, abs=0.04)


def test_an_interval_does_not_reach_below_zero_and_is_a_point_where_the_truth_is_known():
    teacher, truth, labels = sampled(60, seed=0)
    nearly = truth.clone()
    nearly[0] = nearly[0].roll(1)  # one point has nearly all of the error
    found = diagnose(nearly, labels, probabilities=True, reference=truth)
    assert found.lower.tolist() == [0, 0, 0]
    assert bool((found.upper > found.calibration_error).all())
    known = diagnose(teacher, labels, probabilities=True, conditional=truth)
    assert torch.equal(known.lower, known.calibration_error)
    assert torch.equal(known.upper, known.calibration_error)
