"""The Pareto frontier against its definition."""

import math

from hypothesis import given
from hypothesis import strategies as st

from evendistill.experiments.frontier import pareto_front

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
