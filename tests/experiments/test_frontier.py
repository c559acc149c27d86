"""The Pareto frontier against its definition, its area against a sum over rectangles, its noise against scipy."""

import math
import statistics

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from evendistill.experiments.frontier import beaten_beyond_noise, hypervolume, pareto_front

grid_values = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
values = grid_values | st.just(math.nan) | st.floats(0, 1)
point_lists = st.lists(st.tuples(values, values), max_size=12)


def by_definition(points):
    """Not dominated: nobody is at least as good in both and better in one."""
    kept = []
    for i, (x, y) in enumerate(points):
        if math.isnan(x) or math.isnan(y):
            continue
        dominated = False
        for other_x, other_y in points:
            no_worse = other_x >= x and other_y >= y
            better = other_x > x or other_y > y
            dominated = dominated or (no_worse and better)
        if not dominated:
            kept.append(i)
    return kept


@given(point_lists)
def test_the_frontier_is_what_nobody_dominates(points):
    assert pareto_front(points) == by_definition(points)


@given(point_lists)
def test_the_two_axes_are_treated_alike(points):
    assert pareto_front([(y, x) for x, y in points]) == pareto_front(points)


def test_equal_points_are_all_kept():
    assert pareto_front([(1, 1), (1, 1), (0, 1)]) == [0, 1]


def test_equal_in_one_and_worse_in_the_other_is_beaten():
    assert pareto_front([(0.5, 0.4), (0.5, 0.5), (0.4, 0.5)]) == [1]


def test_points_that_are_not_numbers_neither_stand_nor_beat():
    assert pareto_front([(1, math.nan), (math.nan, 1), (0, 0), (math.nan, math.nan)]) == [2]


def test_no_points_have_no_frontier():
    assert pareto_front([]) == []


def area_of_rectangles(points, reference):
    """The rectangles between neighbouring coordinates that lie below some point."""
    known = [point for point in points if not any(map(math.isnan, point))]
    ticks = [sorted({reference[axis], *(p[axis] for p in known if p[axis] > reference[axis])}) for axis in (0, 1)]
    area = 0.0
    for left, right in zip(ticks[0], ticks[0][1:], strict=False):
        for low, high in zip(ticks[1], ticks[1][1:], strict=False):
            if any(x >= right and y >= high for x, y in known):
                area += (right - left) * (high - low)
    return area


@given(point_lists, st.tuples(grid_values, grid_values) | st.just((0.0, 0.0)) | st.just((-0.5, -1.0)))
def test_the_area_is_the_sum_of_the_rectangles_below_the_points(points, reference):
    assert hypervolume(points, reference) == pytest.approx(area_of_rectangles(points, reference), abs=1e-12)


@given(point_lists)
def test_the_area_is_that_of_the_frontier_alone_and_the_same_from_both_sides(points):
    area = hypervolume(points)
    assert hypervolume([points[position] for position in pareto_front(points)]) == area
    assert hypervolume([(y, x) for x, y in points]) == pytest.approx(area, abs=1e-12)


def test_the_area_is_measured_from_its_reference():
    assert hypervolume([]) == 0
    assert hypervolume([(0.5, 0.5)]) == 0.25
    assert hypervolume([(0.5, 0.5), (0.5, 0.5), (0.25, 0.5), (math.nan, 1.0)]) == 0.25
    assert hypervolume([(0.5, 0.75)], (0.25, 0.25)) == 0.125
    assert hypervolume([(0.5, 0.75)], (0.5, 0.0)) == hypervolume([(0.5, 0.75)], (0.0, 0.8)) == 0


def beaten_by_the_t_test(repeats, level):
    """The first rival whose paired differences are at least zero on average, and surely positive in one accuracy."""
    beaten = []
    for each in repeats:
        rivals = []
        for position, rival in enumerate(repeats):
            no_worse, surely = True, False
            for axis in (0, 1):
                gains = [a[axis] - b[axis] for a, b in zip(rival, each, strict=True)]
                mean, spread = statistics.fmean(gains), statistics.stdev(gains)
                no_worse &= mean >= 0
                if spread == 0:
                    surely |= mean > 0
                else:
                    t = mean / (spread / math.sqrt(len(gains)))
                    surely |= stats.t.sf(t, len(gains) - 1) < 1 - level
            rivals += [position] if no_worse and surely else []
        beaten.append(rivals[0] if rivals else None)
    return beaten


eighths = st.integers(0, 64).map(lambda value: value / 64)  # so that means and differences of equals are exact


@given(
    st.integers(2, 6).flatmap(
        lambda count: st.lists(
            st.lists(st.tuples(eighths, eighths), min_size=count, max_size=count), min_size=1, max_size=5
        )
    ),
    st.sampled_from([0.9, 0.95, 0.99]),
)
def test_beaten_beyond_noise_is_the_one_sided_paired_t_test(repeats, level):
    assert beaten_beyond_noise(repeats, level=level) == beaten_by_the_t_test(repeats, level)


@given(st.lists(st.tuples(eighths, eighths), min_size=3, max_size=8))
def test_two_points_are_told_apart_as_scipy_does(pairs):
    gains = [a - b for a, b in pairs]
    assume(statistics.stdev(gains) > 0)
    one, other = ([(value, 0.5) for value in column] for column in zip(*pairs, strict=True))
    first, second = zip(*pairs, strict=True)
    sure = stats.ttest_rel(first, second, alternative="greater").pvalue < 0.05
    assert beaten_beyond_noise([one, other])[1] == (0 if sure else None)


def test_a_rival_that_is_worse_in_one_accuracy_beats_nobody():
    steady = [(0.5, 0.5), (0.5, 0.5)]
    assert beaten_beyond_noise([steady, [(0.9, 0.49), (0.9, 0.5)]]) == [None, None]
    assert beaten_beyond_noise([steady, [(0.9, 0.5), (0.9, 0.5)]]) == [1, None]
    assert beaten_beyond_noise([steady, steady]) == [None, None]


def test_seeds_are_paired():
    """Both points move together by much more than they differ."""
    one, other = ([(0.1 * seed + gain, 0.5) for seed in range(5)] for gain in (0.0, 0.01))
    assert beaten_beyond_noise([one, other]) == [1, None]
    assert beaten_beyond_noise([one, other[::-1]]) == [None, None]


def test_a_single_seed_says_nothing_of_noise():
    assert beaten_beyond_noise([[(0.1, 0.1)], [(0.9, 0.9)]]) == [None, None]
    assert beaten_beyond_noise([]) == []


def test_unequal_repeats_are_refused():
    with pytest.raises(ValueError, match=r"every point needs the same repeats, got \[1, 2\]"):
        beaten_beyond_noise([[(0.1, 0.1)], [(0.9, 0.9), (0.8, 0.8)]])
