"""A multilayer perceptron on flattened inputs."""

from collections.abc import Sequence

from torch import nn


def mlp(in_features: int, num_classes: int, hidden: Sequence[int] = (128, 128)) -> nn.Sequential:
    """Linear layers with ReLU between them; inputs of any shape are flattened.

    Args:
        in_features: number of values of one input.
        num_classes: width of the scores.
        hidden: width of each hidden layer; empty for a linear model.

    Returns:
        A network from ``(B, ...)`` with ``in_features`` values each to scores ``(B, num_classes)``.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    width = in_features
    for next_width in hidden:
        layers += [nn.Linear(width, next_width), nn.ReLU()]
        width = next_width
    return nn.Sequential(*layers, nn.Linear(width, num_classes))
