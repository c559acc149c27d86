"""Shares sum to one, and what is drawn by them comes in these shares."""

import pytest
import torch
from scipy.stats import chisquare

from evendistill.data.sampling import epoch_order, sampling_shares

SIZES = [600, 90, 9, 1]
LABELS = torch.arange(4).repeat_interleave(torch.tensor(SIZES))[
    torch.randperm(700, generator=torch.Generator().manual_seed(0))
]


def test_balanced_shares_sum_to_one_and_are_equal_for_every_class_present():
    labels = torch.cat([LABELS, torch.tensor([6, 6])])  # 4 and 5 are absent
    shares = sampling_shares(labels, "balanced")
    assert shares is not None
    assert shares.dtype == torch.float64
    assert shares.sum().item() == pytest.approx(1, abs=1e-12)
    for label in (0, 1, 2, 3, 6):
        assert shares[labels == label].sum().item() == pytest.approx(1 / 5, abs=1e-12)
        assert len(shares[labels == label].unique()) == 1


def test_an_unknown_sampler_is_refused():
    with pytest.raises(ValueError, match="sampler must be 'uniform' or 'balanced', got 'even'"):
        sampling_shares(LABELS, "even")  # type: ignore[arg-type]


def test_a_uniform_epoch_has_each_example_once():
    assert sampling_shares(LABELS, "uniform") is None
    order = epoch_order(700, None, torch.Generator().manual_seed(0))
    assert order.sort().values.tolist() == list(range(700))
    assert order.tolist() != list(range(700))


def test_a_balanced_epoch_is_as_long_and_draws_classes_alike_and_examples_of_a_class_alike():
    shares = sampling_shares(LABELS, "balanced")
    orders = [epoch_order(700, shares, torch.Generator().manual_seed(seed)) for seed in range(20)]
    assert {len(order) for order in orders} == {700}
    drawn = torch.cat(orders).bincount(minlength=700)
    classes = torch.stack([drawn[label == LABELS].sum() for label in range(4)])
    assert chisquare(classes.numpy()).pvalue > 0.01
    for label in (0, 1, 2):
        assert chisquare(drawn[label == LABELS].numpy()).pvalue > 0.01


def test_the_order_depends_on_the_generator_alone():
    shares = sampling_shares(LABELS, "balanced")
    before = torch.get_rng_state()
    for told in (None, shares):
        first, second, third = (epoch_order(700, told, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
        assert torch.equal(first, second)
        assert not torch.equal(first, third)
    assert torch.equal(torch.get_rng_state(), before)
