"""Spearman's rank correlation: scipy's value, an interval that holds the truth, and what has no order."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from evendistill.maths.rank_correlation import spearman


def pairs(elements, **told):
    """Two lists of equal length."""
    return st.integers(3, 12).flatmap(
        lambda count: st.tuples(*[st.lists(elements, min_size=count, max_size=count, **told)] * 2)
    )


def drawn(count, generator, correlation=0.6):
    """Pairs of a normal distribution with this correlation."""
    first, noise = torch.randn(2, count, generator=generator, dtype=torch.float64)
    return first, correlation * first + math.sqrt(1 - correlation**2) * noise


@given(pairs(st.integers(0, 3)))
def test_it_is_scipy_s_with_ties(values):
    assume(all(len(set(side)) > 1 for side in values))
    found = spearman(*map(torch.tensor, values), replicates=2)
    assert found.value == pytest.approx(spearmanr(*values)[0], abs=1e-12)


@given(pairs(st.floats(-1e6, 1e6), unique=True))
def test_it_is_scipy_s_without_ties(values):
    found = spearman(*(torch.tensor(side, dtype=torch.float64) for side in values), replicates=2)
    assert found.value == pytest.approx(spearmanr(*values)[0], abs=1e-12)


def test_the_same_order_gives_one_and_the_reversed_order_minus_one():
    values = torch.tensor([3.0, 1.0, 2.0, 7.0, 5.0])
    same, reverse = spearman(values, values.exp()), spearman(values, -values)
    assert (same.value, reverse.value) == pytest.approx((1, -1))
    # whatever is drawn of them is in the same order, or reversed
    assert (same.lower, same.upper, reverse.lower, reverse.upper) == pytest.approx((1, 1, -1, -1))


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """Of a normal distribution with correlation r Spearman's is 6 / pi arcsin(r / 2)."""
    generator, truth = torch.Generator().manual_seed(0), 6 / math.pi * math.asin(0.6 / 2)
    for level, least, most in ((0.95, 0.87, 0.99), (0.6, 0.5, 0.7)):
        found = [spearman(*drawn(25, generator), level=level, replicates=100) for _ in range(100)]
        assert all(each.lower <= each.upper and each.level == level for each in found)
        assert least <= np.mean([each.lower <= truth <= each.upper for each in found]) <= most


def test_the_interval_shrinks_with_the_root_of_the_number_of_pairs_and_grows_with_the_level():
    generator = torch.Generator().manual_seed(0)

    def width(count, level=0.95):
        found = [spearman(*drawn(count, generator), level=level, replicates=100) for _ in range(20)]
        return np.mean([each.upper - each.lower for each in found])

    assert width(60) == pytest.approx(width(15) / 2, rel=0.2)
    assert width(15, level=0.5) == pytest.approx(width(15) * 0.674 / 1.96, rel=0.2)  # normal quantiles


def test_the_interval_is_that_of_its_seed():
    values = drawn(20, torch.Generator().manual_seed(0))
    assert spearman(*values) == spearman(*values)
    assert spearman(*values).lower != spearman(*values, seed=1).lower


@pytest.mark.parametrize("swap", [False, True])
def test_a_side_without_order_has_no_correlation(swap):
    sides = [torch.tensor([1.0, 2.0, 3.0]), torch.ones(3)]
    found = spearman(*(sides[::-1] if swap else sides))
    assert all(math.isnan(number) for number in (found.value, found.lower, found.upper))


def test_draws_without_order_have_no_say():
    """Of three pairs a ninth of the draws are one pair three times over."""
    values = torch.tensor([1.0, 2.0, 3.0])
    found = spearman(values, values)
    assert (found.lower, found.upper) == pytest.approx((1, 1))


@pytest.mark.parametrize(
    ("first", "second", "told", "message"),
    [
        (torch.ones(3), torch.ones(4), {}, r"give two rows of at least 3 values, got \(3,\) and \(4,\)"),
        (torch.ones(3, 1), torch.ones(3, 1), {}, r"give two rows of at least 3 values, got \(3, 1\) and \(3, 1\)"),
        (torch.ones(2), torch.ones(2), {}, r"give two rows of at least 3 values, got \(2,\) and \(2,\)"),
        (torch.tensor([1.0, 2.0, torch.inf]), torch.ones(3), {}, "values must be finite"),
        (torch.ones(3), torch.tensor([1.0, torch.nan, 2.0]), {}, "values must be finite"),
        (torch.ones(3), torch.ones(3), {"level": 0.0}, r"level must lie in \(0, 1\) .*, got 0.0 and 2000"),
        (torch.ones(3), torch.ones(3), {"level": 1.0}, r"level must lie in \(0, 1\) .*, got 1.0 and 2000"),
        (torch.ones(3), torch.ones(3), {"replicates": 1}, "replicates be at least 2, got 0.95 and 1"),
    ],
)
def test_what_cannot_be_correlated_is_one_line(first, second, told, message):
    with pytest.raises(ValueError, match=f"{message}$"):
        spearman(first, second, **told)


def test_what_is_drawn_as_a_whole_widens_the_interval():
    """Five copies of the same eight pairs say no more than the eight."""
    first, second = drawn(8, torch.Generator().manual_seed(1))
    told = spearman(first, second)
    clusters = torch.arange(8).repeat(5)
    copied = spearman(first.repeat(5), second.repeat(5), clusters=clusters)
    naive = spearman(first.repeat(5), second.repeat(5))
    assert copied.value == pytest.approx(told.value)
    assert copied.upper - copied.lower == pytest.approx(told.upper - told.lower, abs=0.1)
    assert naive.upper - naive.lower < 0.7 * (copied.upper - copied.lower)
