"""A bias for layers that were made without one, where weights have one: a shift of scores or of a block."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def with_biases(network: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The network, in place; each layer made without a bias for which ``tensors`` have one gets zeros of its shape.

    Args:
        network: made as it was before anything was put on it.
        tensors: a state dict, by name.
    """
    for name, tensor in tensors.items():
        owner, _, kind = name.rpartition(".")
        layer = dict(network.named_modules()).get(owner) if kind == "bias" else None
        if layer is not None and getattr(layer, "bias", layer) is None:
            layer.bias = nn.Parameter(torch.zeros_like(tensor))
    return network
