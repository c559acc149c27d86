"""Shapes and parameter counts, done by hand."""

import torch
from torch import nn

from evendistill.models import mlp


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_parameters_are_those_of_the_layers():
    assert count(mlp(64, 10)) == (64 * 128 + 128) + (128 * 128 + 128) + (128 * 10 + 10)
    assert count(mlp(5, 3, hidden=[7])) == (5 * 7 + 7) + (7 * 3 + 3)


def test_inputs_of_any_shape_are_flattened():
    network = mlp(64, 10, hidden=(16,))
    images = torch.randn(4, 1, 8, 8)
    assert network(images).shape == (4, 10)
    assert torch.equal(network(images), network(images.reshape(4, 64)))


def test_without_hidden_layers_it_is_linear():
    network = mlp(6, 3, hidden=())
    (linear,) = (layer for layer in network if isinstance(layer, nn.Linear))
    inputs = torch.randn(5, 2, 3)
    torch.testing.assert_close(network(inputs), inputs.reshape(5, 6) @ linear.weight.T + linear.bias)
    assert count(network) == 6 * 3 + 3


def test_hidden_layers_are_rectified():
    network = mlp(1, 1, hidden=(1,))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(1.0)
    assert network(torch.tensor([[-5.0], [2.0]])).flatten().tolist() == [1.0, 4.0]
