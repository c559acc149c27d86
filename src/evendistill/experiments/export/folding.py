"""Factors and shifts of the scores, folded into the layer that gives the scores."""

import copy

import torch
from torch import Tensor, nn

from evendistill.models.average import AverageOfScores
from evendistill.models.head import head_of
from evendistill.models.inference import evaluating
from evendistill.models.rescaled import Rescaled

CLOSE = 1e-4  # of the largest score


def folded(network: nn.Module, inputs: Tensor) -> nn.Module:
    r"""A copy of the network whose last linear layer also rescales, where it was rescaled afterwards.

    .. math:: a_y (w_y \cdot h + b_y) + s_y = (a_y w_y) \cdot h + (a_y b_y + s_y)

    A mean of scores is rescaled in each of its members. Where there is no such layer, the rescaling stays as it is.

    Args:
        network: of a run.
        inputs: ``(B, ...)`` to find that layer with.
    """
    if not isinstance(network, Rescaled):
        return copy.deepcopy(network)
    inner = folded(network.network, inputs)
    if _fold(inner, network.scale, network.shift, inputs) and _agree(inner, network, inputs):
        return inner
    return copy.deepcopy(network)


def _fold(network: nn.Module, scale: Tensor, shift: Tensor, inputs: Tensor) -> bool:
    """Fold in place; False, with the network perhaps half changed, if that cannot be."""
    if isinstance(network, AverageOfScores):
        return all(_fold(member, scale, shift, inputs) for member in network.networks)
    try:
        layer = network.get_submodule(head_of(network, inputs))
    except ValueError:
        return False
    if not isinstance(layer, nn.Linear):
        return False
    bias: Tensor | None = layer.bias
    with torch.no_grad():
        new = shift.double() if bias is None else bias.double() * scale + shift
        layer.weight.copy_(layer.weight.double() * scale[:, None])
        layer.bias = nn.Parameter(new.to(layer.weight))
    return True


def _agree(network: nn.Module, original: nn.Module, inputs: Tensor) -> bool:
    """Whether both give the same scores: a layer that is used twice, or shares its weights, cannot be changed."""
    with evaluating(network), evaluating(original):
        found, expected = network(inputs), original(inputs)
    return bool((found - expected).abs().max() <= CLOSE * expected.abs().max())
