"""Shapes and parameter counts, done by hand."""

import pytest
import torch
from torch import nn

from evendistill.models import convnet


@pytest.mark.parametrize(("channels", "classes", "width"), [(1, 10, 16), (3, 7, 4)])
def test_the_parameters_are_those_of_the_layers(channels, classes, width):
    convolutions = 9 * (channels * width + width * 2 * width + 2 * width * 4 * width)
    norms = 2 * (width + 2 * width + 4 * width)
    linear = 4 * width * classes + classes
    parameters = convnet(channels, classes, width=width).parameters()
    assert sum(parameter.numel() for parameter in parameters) == convolutions + norms + linear


@pytest.mark.parametrize("size", [4, 8, 33])
def test_images_of_any_size_give_scores(size):
    assert convnet(3, 7, width=4)(torch.randn(2, 3, size, size)).shape == (2, 7)


def test_the_image_is_halved_twice():
    network = convnet(1, 10)
    up_to_pool = network[: next(i for i, layer in enumerate(network) if isinstance(layer, nn.AdaptiveAvgPool2d))]
    assert up_to_pool(torch.randn(2, 1, 8, 8)).shape == (2, 64, 2, 2)


def test_the_default_width_is_sixteen():
    first = next(layer for layer in convnet(1, 10) if isinstance(layer, nn.Conv2d))
    assert first.out_channels == 16
