"""Differences over seeds and over test examples, against scipy and against what is drawn."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evendistill.experiments.report.difference import ALIKE, Difference
from evendistill.maths.shares import newcombe_interval

shares = st.floats(0, 1)


@given(pairs=st.lists(st.tuples(shares, shares), min_size=2, max_size=12))
def test_a_difference_is_the_student_t_interval_of_differences_seed_by_seed_cut_off_at_1(pairs):
    ours, theirs = (list(each) for each in zip(*pairs, strict=True))
    apart = np.subtract(ours, theirs)
    found = Difference.of(ours, theirs)
    assert found.mean == pytest.approx(apart.mean(), abs=1e-12)
    reach = stats.t.ppf(0.975, len(apart) - 1) * stats.sem(apart)
    assert found.lower == pytest.approx(max(-1, apart.mean() - reach), abs=1e-9)
    assert found.upper == pytest.approx(min(1, apart.mean() + reach), abs=1e-9)


def test_an_interval_is_also_that_of_scipy_itself():
    apart = [0.1, 0.25, -0.05, 0.3]
    lower, upper = stats.ttest_1samp(apart, 0).confidence_interval(0.95)
    found = Difference.of(apart, [0.0] * 4)
    assert (found.lower, found.upper) == (pytest.approx(lower), pytest.approx(upper))


def test_no_interval_leaves_what_a_difference_of_shares_can_be():
    found = Difference.of([0.9, 0.2], [0.1, 0.3])  # two seeds: the quantile is 12.7
    assert (found.lower, found.upper) == (-1, 1)
    assert found.words() == "+35.0 (-100.0 to +100.0)"


def test_seeds_are_paired_so_what_all_of_them_share_is_no_noise():
    found = Difference.of([0.9, 0.5, 0.1], [0.8, 0.4, 0.0])
    assert (found.mean, found.lower, found.upper) == pytest.approx((0.1, 0.1, 0.1))
    with pytest.raises(ValueError, match="shorter"):
        Difference.of([0.9, 0.5], [0.8])


@pytest.mark.parametrize("examples", [0, 46])
def test_one_seed_has_a_difference_and_no_interval(examples):
    found = Difference.of([0.5], [0.25], examples=examples)
    assert found.mean == 0.25
    assert math.isnan(found.lower)
    assert math.isnan(found.upper)
    assert not found.is_beyond_noise
    assert not found.are_alike
    assert found.words() == "+25.0"


def test_seeds_that_agree_are_never_beyond_noise_where_the_number_of_examples_is_not_known():
    for ours, theirs in (([0.739] * 2, [0.913] * 2), ([0.9, 0.5, 0.1], [0.8, 0.4, 0.0]), ([1.0] * 9, [0.0] * 9)):
        found = Difference.of(ours, theirs)
        assert found.are_alike
        assert not found.is_beyond_noise
        assert found.words().endswith("0 (all seeds alike)") or found.words() == "-17.4 (all seeds alike)"


@pytest.mark.parametrize(
    ("seeds", "examples", "beyond"),
    [(2, 46, False), (3, 46, False), (5, 46, True), (2, 2000, True), (3, 1000, True), (2, 200, False)],
)
def test_seeds_that_agree_spread_as_if_each_had_drawn_its_examples(seeds, examples, beyond):
    found = Difference.of([34 / 46] * seeds, [42 / 46] * seeds, examples=examples)
    adjusted = [(examples * share + 1) / (examples + 2) for share in (34 / 46, 42 / 46)]
    spread = math.sqrt(sum(share * (1 - share) / (examples + 2) for share in adjusted))
    reach = stats.t.ppf(0.975, seeds - 1) * spread / math.sqrt(seeds)
    assert found.lower == pytest.approx(-8 / 46 - reach)
    assert found.upper == pytest.approx(-8 / 46 + reach)
    assert found.is_beyond_noise is beyond
    assert not found.are_alike


@pytest.mark.parametrize(
    ("found", "beyond", "words"),
    [
        (Difference(0.1, 0.001, 0.199), True, "+10.0 (+0.1 to +19.9)"),
        (Difference(-0.1, -0.199, -0.001), True, "-10.0 (-19.9 to -0.1)"),
        (Difference(0.1, 0.0, 0.2), False, "+10.0 (+0.0 to +20.0)"),
        (Difference(-0.0001, -0.1, 0.0999), False, "+0.0 (-10.0 to +10.0)"),
        (Difference(0.1, 0.001, 0.199, 0.01, 0.3), True, "+10.0 (+0.1 to +19.9)"),
        (Difference(0.1, 0.001, 0.199, -0.01, 0.3), False, "+10.0 (+0.1 to +19.9)"),
        (Difference(-0.1, -0.199, -0.001, -0.3, 0.0), False, "-10.0 (-19.9 to -0.1)"),
        (Difference(0.1, 0.0, 0.2, 0.01, 0.3), False, "+10.0 (+0.0 to +20.0)"),
    ],
)
def test_a_difference_is_beyond_noise_if_no_interval_holds_0_and_nothing_is_never_minus_nothing(found, beyond, words):
    assert found.is_beyond_noise is beyond
    assert found.words() == words


@given(st.integers(1, 500), st.data())
def test_the_interval_over_examples_is_newcombe_s_from_the_wilson_intervals_of_scipy(examples, data):
    right = [data.draw(st.integers(0, examples)) for _ in range(2)]
    ours, theirs = (count / examples for count in right)
    (low, high), (other_low, other_high) = (
        stats.binomtest(count, examples).proportion_ci(0.95, method="wilson") for count in right
    )
    lower, upper = newcombe_interval(ours, theirs, examples)
    assert lower == pytest.approx(ours - theirs - math.hypot(ours - low, other_high - theirs), abs=1e-9)
    assert upper == pytest.approx(ours - theirs + math.hypot(high - ours, theirs - other_low), abs=1e-9)
    assert -1 - 1e-9 <= lower <= ours - theirs <= upper <= 1 + 1e-9
    told = Difference.of([ours] * 3, [theirs] * 3, examples=examples)
    assert (told.lower_over_examples, told.upper_over_examples) == pytest.approx((lower, upper), abs=1e-9)


@pytest.mark.parametrize(("seeds", "examples"), [(2, 12), (2, 46), (3, 46), (5, 10)])
def test_two_students_that_are_alike_seldom_differ_beyond_noise(seeds, examples):
    """Both are right on every example with one and the same chance, drawn anew by each training."""
    rng = np.random.default_rng(seeds * examples)
    easy = rng.random((400, 1, 1, examples))
    right = (rng.random((400, 2, seeds, examples)) < easy).mean(axis=-1)
    told = [Difference.of(*each.tolist(), examples=examples) for each in right]
    assert np.mean([each.is_beyond_noise for each in told]) <= 0.05
    agree = [each for each, found in zip(told, right, strict=True) if np.ptp(found[0] - found[1]) <= ALIKE]
    assert agree, "or this shows nothing"
    assert not any(each.is_beyond_noise for each in agree)
