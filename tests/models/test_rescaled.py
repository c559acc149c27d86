"""Rescaled scores are the network's own, times a factor and plus a shift of their class."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from evendistill.models.mlp import mlp
from evendistill.models.rescaled import Rescaled

SCALE, SHIFT = torch.tensor([0.5, 2.0, 1.0]), torch.tensor([-1.0, 0.0, 3.0])
numbers = st.lists(st.floats(-9, 9, width=32), min_size=3, max_size=3)


@given(scale=numbers, shift=numbers)
def test_each_class_has_its_factor_and_its_shift(scale, shift):
    network, inputs = mlp(4, 3, hidden=(5,)), torch.randn(6, 4)
    by_hand = network(inputs).detach().numpy() * np.float32(scale) + np.float32(shift)
    found = Rescaled(network, torch.tensor(scale), torch.tensor(shift))(inputs)
    np.testing.assert_allclose(found.detach().numpy(), by_hand, atol=1e-5)


def test_unchanged_is_the_network_as_it_is():
    network, inputs = mlp(4, 3), torch.randn(6, 4)
    assert torch.equal(Rescaled.unchanged(network, 3)(inputs), network(inputs))


def test_what_is_stored_is_read_into_one_that_is_unchanged():
    made = Rescaled(mlp(4, 3), SCALE, SHIFT)
    read, inputs = Rescaled.unchanged(mlp(4, 3), 3), torch.randn(6, 4)
    assert not torch.equal(read(inputs), made(inputs))
    read.load_state_dict(made.state_dict())
    assert torch.equal(read(inputs), made(inputs))


def test_factors_and_shifts_are_not_trained_and_the_network_is_not_copied():
    network = mlp(4, 3)
    made = Rescaled(network, SCALE, SHIFT)
    assert made.network is network
    assert list(made.parameters()) == list(network.parameters())
    assert {name for name, _ in made.named_buffers()} == {"scale", "shift"}


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_scores_keep_the_precision_of_the_network(dtype):
    network = nn.Linear(4, 3).to(dtype)
    assert Rescaled(network, SCALE, SHIFT)(torch.randn(2, 4, dtype=dtype)).dtype == dtype
