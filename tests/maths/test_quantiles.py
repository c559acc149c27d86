"""Quantiles against scipy."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as student_t

from evendistill.maths.quantiles import student_t_quantile, two_sided_quantile


@given(st.floats(1e-6, 1 - 1e-6))
def test_the_two_sided_quantile_is_that_of_scipy(level):
    assert two_sided_quantile(level) == pytest.approx(norm.ppf((1 + level) / 2), rel=1e-9)


@given(st.floats(0.501, 0.9999), st.integers(1, 400))
def test_the_quantile_of_student_s_t_is_that_of_scipy(level, freedom):
    assert student_t_quantile(level, freedom) == pytest.approx(student_t.ppf(level, freedom), rel=1e-8)


@pytest.mark.parametrize("freedom", range(1, 12))
def test_the_quantile_is_right_at_the_few_seeds_that_people_have(freedom):
    for level in (0.9, 0.95, 0.975, 0.99):
        assert student_t_quantile(level, freedom) == pytest.approx(student_t.ppf(level, freedom), rel=1e-10)


@pytest.mark.parametrize(("level", "freedom"), [(0.5, 3), (0.4, 3), (1.0, 3), (0.95, 0), (math.nan, 2)])
def test_a_quantile_that_is_not_there_is_refused(level, freedom):
    with pytest.raises(ValueError, match=r"^level must lie in \(0\.5, 1\) and freedom be at least 1, got "):
        student_t_quantile(level, freedom)
