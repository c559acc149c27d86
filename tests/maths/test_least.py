"""The exact bootstrap of the least recall against laws summed by scipy, by enumeration, and by drawing."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from evendistill.maths.least import worst_class_interval


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 95.0])
def test_a_level_outside_zero_and_one_is_refused_with_its_value(level):
    with pytest.raises(ValueError, match=rf"^level must lie in \(0, 1\), got {level}$"):
        worst_class_interval([1], [2], level=level)


def test_it_covers_95_percent_unless_told_otherwise():
    assert worst_class_interval([45, 38], [50, 50]) == worst_class_interval([45, 38], [50, 50], level=0.95)
    assert worst_class_interval([45, 38], [50, 50]) != worst_class_interval([45, 38], [50, 50], level=0.8)


@given(st.integers(1, 400), st.floats(0, 1), st.sampled_from([0.5, 0.8, 0.95, 0.999]))
def test_with_one_class_the_ends_are_quantiles_of_the_binomial(count, part, level):
    correct = round(part * count)
    result, law = worst_class_interval([correct], [count], level=level), binom(count, correct / count)
    assert result.estimate == correct / count
    for end, tail in ((result.lower, (1 - level) / 2), (result.upper, (1 + level) / 2)):
        point = round(end * count)
        assert law.cdf(point) >= tail - 1e-12
        assert law.cdf(point - 1) < tail + 1e-12
    assert result.bias == pytest.approx(0, abs=1e-12)


@given(st.lists(st.integers(1, 6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=4))
def test_it_is_the_law_of_the_least_summed_over_all_that_can_be_drawn(classes):
    correct, total = zip(*classes, strict=True)
    law = {}
    for drawn in itertools.product(*(range(count + 1) for count in total)):
        least = min(hits / count for hits, count in zip(drawn, total, strict=True))
        chances = (binom.pmf(hits, n, k / n) for hits, n, k in zip(drawn, total, correct, strict=True))
        law[least] = law.get(least, 0.0) + math.prod(chances)
    result = worst_class_interval(correct, total)
    estimate = min(k / n for k, n in classes)
    assert result.estimate == estimate
    assert result.bias == pytest.approx(sum(least * chance for least, chance in law.items()) - estimate, abs=1e-12)
    for end, tail in ((result.lower, 0.025), (result.upper, 0.975)):
        assert sum(chance for least, chance in law.items() if least <= end) >= tail - 1e-12
        assert sum(chance for least, chance in law.items() if least < end) < tail + 1e-12


def test_the_bias_is_the_exact_fall_of_the_least_of_equal_recalls():
    """E min over ten Binomial(100, 0.8) / 100, summed exactly: P(min >= k) is a tenth power."""
    result = worst_class_interval([80] * 10, [100] * 10)
    mean_of_least = sum(binom.sf(k - 1, 100, 0.8) ** 10 for k in range(1, 101)) / 100
    assert result.bias == pytest.approx(mean_of_least - 0.8, abs=1e-12)
    assert result.upper < result.estimate


def test_it_agrees_with_drawing_the_examples_themselves():
    correct, total = np.array([160, 150, 118]), np.array([200, 180, 150])
    rng, minima = np.random.default_rng(0), []
    hits = [np.arange(n) < k for k, n in zip(correct, total, strict=True)]
    for _ in range(4000):
        minima.append(min(rng.choice(hit, size=len(hit)).mean() for hit in hits))
    result = worst_class_interval(correct.tolist(), total.tolist())
    assert result.bias == pytest.approx(np.mean(minima) - min(correct / total), abs=0.002)
    assert result.lower == pytest.approx(np.quantile(minima, 0.025), abs=0.008)
    assert result.upper == pytest.approx(np.quantile(minima, 0.975), abs=0.008)


@pytest.mark.parametrize(("classes", "count"), [(1000, 25), (1000, 5000), (2, 100_000)])
def test_many_classes_and_many_examples_are_summed_without_loss(classes, count):
    """P(least > x) is a power of one survival function; most of its values lie below the least positive number."""
    result = worst_class_interval([0.7 * count] * classes, [count] * classes)
    for end, tail in ((result.lower, 0.025), (result.upper, 0.975)):
        point = round(end * count)
        above = [classes * binom.logsf(place, count, 0.7) for place in (point, point - 1)]
        assert above[0] <= math.log1p(-tail) + 1e-7
        assert above[1] > math.log1p(-tail) - 1e-7


def test_absent_classes_are_left_out():
    assert worst_class_interval([45, 0, 38], [50, 0, 50]) == worst_class_interval([45, 38], [50, 50])


def test_sure_classes_never_move_and_a_class_with_a_single_example_is_present():
    lost = worst_class_interval([0, 50], [1, 100])
    assert (lost.estimate, lost.lower, lost.upper, lost.bias) == (0, 0, 0, 0)
    found = worst_class_interval([7, 3], [7, 3])
    assert (found.estimate, found.lower, found.upper, found.bias) == (1, 1, 1, 0)


def test_there_must_be_something_to_resample():
    with pytest.raises(ValueError, match=r"^there are no examples to resample$"):
        worst_class_interval([0, 0], [0, 0])
