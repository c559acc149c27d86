"""Intervals against scipy, published numbers, and how often they hold the truth."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, multinomial, norm

from evendistill.maths.intervals import paired_interval, wilson_interval


@given(st.integers(1, 2000), st.floats(0, 1), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_wilson_is_that_of_scipy(total, share, level):
    correct = round(share * total)
    lower, upper = wilson_interval(torch.tensor([correct]), torch.tensor([total]), level=level)
    expected = binomtest(correct, total).proportion_ci(confidence_level=level, method="wilson")
    assert lower.item() == pytest.approx(expected.low, abs=1e-12)
    assert upper.item() == pytest.approx(expected.high, abs=1e-12)
    assert 0 <= lower.item() <= upper.item() <= 1


def test_wilson_covers_95_percent_unless_told_otherwise():
    correct, total = torch.tensor([9]), torch.tensor([10])
    assert wilson_interval(correct, total) == wilson_interval(correct, total, level=0.95)
    assert wilson_interval(correct, total)[0].dtype == torch.float64


def test_wilson_knows_nothing_of_a_class_without_trials():
    lower, upper = wilson_interval(torch.tensor([0, 1, 2]), torch.tensor([0, 1, 4]))
    assert lower.isnan().tolist() == upper.isnan().tolist() == [True, False, False]


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 95.0])
def test_a_level_outside_zero_and_one_is_refused_with_its_value(level):
    with pytest.raises(ValueError, match=rf"^level must lie in \(0, 1\), got {level}$"):
        wilson_interval(torch.tensor([1]), torch.tensor([2]), level=level)


def paired(gained, lost, count, **told):
    return tuple(end.tolist() for end in paired_interval(*map(torch.tensor, (gained, lost, count)), **told))


def test_the_paired_interval_is_that_of_the_authors_own_program():
    """diffpropci.mp of the R package PropCIs, which is their code, prints this for b = 40, c = 20, n = 160."""
    lower, upper = paired([20], [40], [160], level=0.95)
    assert lower == pytest.approx([-0.21601726], abs=5e-9)
    assert upper == pytest.approx([-0.03089632], abs=5e-9)
    assert paired([20], [40], [160]) == (lower, upper)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 60), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_the_paired_interval_is_wald_s_on_examples_with_half_a_one_more_in_each_cell(gained, lost, rest, level):
    """Twice as many of all, so that half an example is one: the mean and variance of +1, -1 and 0."""
    count = gained + lost + rest
    doubled = np.repeat([1, -1, 0], [2 * gained + 1, 2 * lost + 1, 2 * rest + 2])
    expected = norm.interval(level, loc=doubled.mean(), scale=doubled.std() / math.sqrt(count + 2))
    lower, upper = paired([gained], [lost], [count], level=level)
    assert lower == pytest.approx([max(-1, expected[0])], abs=1e-12)
    assert upper == pytest.approx([min(1, expected[1])], abs=1e-12)


@pytest.mark.parametrize("shares", [(0.1, 0.1), (0.3, 0.1), (0.05, 0.2), (0.45, 0.35), (0.02, 0.02)])
@pytest.mark.parametrize("count", [15, 40])
def test_the_paired_interval_holds_the_truth_as_often_as_it_says(shares, count):
    """Summed over every outcome with its exact probability."""
    gained, lost = (grid.flatten() for grid in np.meshgrid(np.arange(count + 1), np.arange(count + 1)))
    possible = gained + lost <= count
    gained, lost = gained[possible], lost[possible]
    lower, upper = (np.array(end) for end in paired(gained, lost, np.full(len(gained), count)))
    outcomes = np.stack([gained, lost, count - gained - lost], axis=1)
    odds = multinomial.pmf(outcomes, count, [*shares, 1 - sum(shares)])
    holds = (lower <= shares[0] - shares[1]) & (shares[0] - shares[1] <= upper)
    assert odds.sum() == pytest.approx(1)
    assert 0.93 <= odds[holds].sum() <= 1


def test_the_paired_interval_changes_sides_with_the_two_that_are_compared():
    lower, upper = paired([3, 0, 10], [7, 2, 1], [50, 9, 11])
    other = paired([7, 2, 1], [3, 0, 10], [50, 9, 11])
    assert ([-end for end in upper], [-end for end in lower]) == other


def test_the_paired_interval_stays_between_minus_one_and_one_and_takes_fractions():
    assert paired([2.0], [0.0], [2.0], level=0.999)[1] == [1]
    assert paired([0.0], [2.0], [2.0], level=0.999)[0] == [-1]
    between = paired([2.5], [1.0], [10.0])[0][0]
    assert paired([2.0], [1.0], [10.0])[0][0] < between < paired([3.0], [1.0], [10.0])[0][0]


def test_the_paired_interval_knows_nothing_of_a_class_without_examples():
    lower, upper = paired_interval(torch.tensor([0, 1]), torch.tensor([0, 0]), torch.tensor([0, 4]))
    assert lower.isnan().tolist() == upper.isnan().tolist() == [True, False]
    assert lower.dtype == torch.float64


@pytest.mark.parametrize(
    ("gained", "lost", "count", "said"),
    [
        ([1, -1], [0, 0], [5, 5], "class 1 gained -1 and lost 0 of 5"),
        ([1, 1], [0, -2], [5, 5], "class 1 gained 1 and lost -2 of 5"),
        ([3, 3], [3, 2], [6, 4], "class 1 gained 3 and lost 2 of 4"),
        ([math.nan], [0.0], [4.0], "class 0 gained nan and lost 0 of 4"),
        ([1], [1, 2], [5], r"must share one shape \(C,\), got \(1,\) and \(2,\) and \(1,\)"),
        ([[1]], [[1]], [[5]], r"must share one shape \(C,\)"),
    ],
)
def test_counts_that_cannot_be_are_refused(gained, lost, count, said):
    with pytest.raises(ValueError, match=said):
        paired(gained, lost, count)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_the_paired_interval_refuses_a_level_outside_zero_and_one(level):
    with pytest.raises(ValueError, match=rf"^level must lie in \(0, 1\), got {level}$"):
        paired([1], [1], [4], level=level)
