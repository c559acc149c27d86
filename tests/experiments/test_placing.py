"""Words that point at a point stand near it, off everything else, in every size of the drawing."""

import math

from hypothesis import given
from hypothesis import strategies as st

from evendistill.experiments.report.placing import View, line_boxes, mark_boxes, place

WORDS = (100.0, 20.0)
FIELD = (0.0, 0.0, 600.0, 400.0)


def box(at, offset):
    x, y = at[0] + offset[0], at[1] + offset[1]
    return x - WORDS[0] / 2, y - WORDS[1] / 2, x + WORDS[0] / 2, y + WORDS[1] / 2


def meet(one, other):
    across = min(one[2], other[2]) - max(one[0], other[0])
    return across > 1e-6 and min(one[3], other[3]) - max(one[1], other[1]) > 1e-6


def test_words_stand_over_a_point_that_has_no_neighbours():
    offset = place([View((300, 200), mark_boxes((300, 200), (30, 15), half=8), FIELD, WORDS)])
    assert offset[0] == 0
    assert offset[1] > 0


def test_words_stand_under_a_point_that_has_a_neighbour_above():
    taken = [*mark_boxes((300, 200), (0, 0), half=8), *mark_boxes((300, 230), (60, 10), half=8)]
    assert place([View((300, 200), taken, FIELD, WORDS)])[1] < 0


def test_what_is_taken_on_a_phone_alone_is_kept_off_too():
    desk = View((300, 200), [], FIELD, WORDS)
    phone = View((150, 200), mark_boxes((150, 230), (0, 0), half=8), (0, 0, 300, 400), WORDS)
    assert place([desk])[1] > 0
    assert place([desk, phone])[1] < 0


@given(
    at=st.tuples(st.floats(10, 590), st.floats(10, 390)),
    others=st.lists(st.tuples(st.floats(0, 600), st.floats(0, 400)), max_size=12),
)
def test_a_place_within_the_field_covers_nothing(at, others):
    taken = [each for other in others for each in mark_boxes(other, (20, 10), half=6) if math.dist(other, at) > 40]
    words = box(at, place([View(at, taken, FIELD, WORDS)]))
    assert 0 <= words[0] <= words[2] <= 600
    assert 0 <= words[1] <= words[3] <= 400
    assert not any(meet(words, each) for each in taken)


def test_where_all_is_taken_least_is_covered():
    whole = [(0.0, 0.0, 600.0, 400.0)]
    gap = [(0.0, 0.0, 600.0, 170.0), (0.0, 190.0, 600.0, 400.0)]  # the point lies in a strip as high as the words
    across, up = place([View((300, 180), gap, FIELD, WORDS)])
    assert up == 0
    assert abs(across) > WORDS[0] / 2
    assert all(map(math.isfinite, place([View((300, 180), whole, FIELD, WORDS)])))


def test_a_line_is_covered_by_its_boxes_and_by_nothing_far_from_it():
    boxes = line_boxes([(0, 0), (30, 40), (30, 0)])
    for share in range(101):
        for x, y in ((0.3 * share, 0.4 * share), (30, 0.4 * share)):
            assert min(math.dist((x, y), ((one[0] + one[2]) / 2, (one[1] + one[3]) / 2)) for one in boxes) < 5
    assert max(one[2] for one in boxes) <= 31
    assert line_boxes([(1, 2)]) == []
