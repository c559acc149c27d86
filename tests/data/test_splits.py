"""Long tails against the published sizes; splits that depend on order and seed alone."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evendistill.data.splits import class_sizes, stratified_parts, thinned_rows

labels_of_three_classes = st.lists(st.integers(0, 2), min_size=3, max_size=60).map(torch.tensor)


@pytest.mark.parametrize(
    ("largest", "classes", "imbalance", "total", "smallest"),
    [
        pytest.param(5000, 10, 100, 12406, 50, id="CIFAR-10-LT"),
        pytest.param(500, 100, 100, 10847, 5, id="CIFAR-100-LT"),
        pytest.param(500, 200, 83, 22403, 6, id="TinyImageNet-LT"),
    ],
)
def test_the_long_tails_have_their_published_sizes(largest, classes, imbalance, total, smallest):
    sizes = class_sizes(largest, classes, imbalance=imbalance)
    assert len(sizes) == classes
    assert sum(sizes) == total
    assert (sizes[0], sizes[-1]) == (largest, smallest)
    assert sizes == sorted(sizes, reverse=True)


def test_the_step_profile_thins_the_second_half():
    assert class_sizes(500, 4, imbalance=10, profile="step") == [500, 500, 50, 50]
    assert class_sizes(500, 5, imbalance=10, profile="step") == [500, 500, 500, 50, 50]


@given(largest=st.integers(1, 300), classes=st.integers(1, 20), profile=st.sampled_from(["exponential", "step"]))
def test_no_imbalance_keeps_all_and_no_class_disappears(largest, classes, profile):
    assert class_sizes(largest, classes, imbalance=1, profile=profile) == [largest] * classes
    assert min(class_sizes(largest, classes, imbalance=1e6, profile=profile)) >= 1


@pytest.mark.parametrize("imbalance", [0.5, 0, -3, math.nan, math.inf, -math.inf])
def test_an_imbalance_below_one_or_without_end_is_refused(imbalance):
    with pytest.raises(ValueError, match=f"imbalance must be at least 1 and finite, got {imbalance}"):
        class_sizes(100, 10, imbalance=imbalance)


def test_an_unknown_profile_is_refused():
    with pytest.raises(ValueError, match="'exponential' or 'step', got 'steep'"):
        class_sizes(100, 10, imbalance=2, profile="steep")  # type: ignore[arg-type]


@given(labels=labels_of_three_classes, seed=st.integers(0, 5), shares=st.sampled_from([(0.5, 0.25, 0.25), (0.1,) * 10]))
def test_the_parts_are_disjoint_and_cover_every_row(labels, seed, shares):
    parts = stratified_parts(labels, shares, seed=seed)
    assert len(parts) == len(shares)
    assert sorted(torch.cat(parts).tolist()) == list(range(len(labels)))
    assert all(part.tolist() == sorted(part.tolist()) for part in parts)


@given(labels=labels_of_three_classes, seed=st.integers(0, 5))
def test_each_part_has_its_share_of_each_class_to_within_one_example(labels, seed):
    shares = (0.5, 0.3, 0.2)
    for part, share in zip(stratified_parts(labels, shares, seed=seed), shares, strict=True):
        kept, told = labels[part].bincount(minlength=3), share * labels.bincount(minlength=3)
        assert (kept - told).abs().max() <= 1


def test_the_cut_depends_on_the_order_of_the_rows_and_the_seed_alone():
    labels = torch.arange(100) % 4
    cut = [part.tolist() for part in stratified_parts(labels, (0.5, 0.5), seed=3)]
    torch.manual_seed(99)
    assert [part.tolist() for part in stratified_parts(labels.clone(), (0.5, 0.5), seed=3)] == cut
    assert [part.tolist() for part in stratified_parts(labels, (0.5, 0.5), seed=4)] != cut
    assert [part.tolist() for part in stratified_parts(labels + 7, (0.5, 0.5), seed=3)] == cut


def test_a_cut_draws_nothing_from_the_global_generator():
    before = torch.get_rng_state()
    stratified_parts(torch.arange(20) % 2, (0.5, 0.5), seed=0)
    thinned_rows(torch.arange(20) % 2, 2, imbalance=2, profile="step", seed=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_class_is_cut_at_random_and_not_by_position():
    first, _ = stratified_parts(torch.zeros(100).long(), (0.5, 0.5), seed=0)
    assert 10 < (first < 50).sum() < 40


def test_shares_that_do_not_sum_to_one_are_refused():
    with pytest.raises(ValueError, match=r"sum to one, got \(0.5, 0.4\)"):
        stratified_parts(torch.zeros(4).long(), (0.5, 0.4), seed=0)


@given(
    imbalances=st.tuples(st.floats(1, 50), st.floats(1, 50)),
    profile=st.sampled_from(["exponential", "step"]),
    seed=st.integers(0, 5),
)
def test_a_smaller_imbalance_keeps_every_row_that_a_larger_one_keeps(imbalances, profile, seed):
    labels = torch.arange(200) % 5
    small, large = (
        set(thinned_rows(labels, 5, imbalance=imbalance, profile=profile, seed=seed).tolist())
        for imbalance in sorted(imbalances)
    )
    assert large <= small


def test_thinning_keeps_the_sizes_of_the_profile_and_draws_the_rows():
    labels = torch.arange(300) % 3
    rows = thinned_rows(labels, 3, imbalance=4, profile="exponential", seed=0)
    assert labels[rows].bincount().tolist() == class_sizes(100, 3, imbalance=4) == [100, 50, 25]
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert rows.tolist() != thinned_rows(labels, 3, imbalance=4, profile="exponential", seed=1).tolist()
    assert (rows[labels[rows] == 2] > 150).any()


def test_a_class_with_fewer_rows_than_its_size_keeps_what_it_has():
    labels = torch.tensor([0] * 10 + [1] * 2)
    rows = thinned_rows(labels, 2, imbalance=2, profile="exponential", seed=0)
    assert labels[rows].bincount().tolist() == [10, 2]
