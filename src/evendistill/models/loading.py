"""Weights read into a network that was made anew."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

MOST_LETTERS = 200  # of what torch says: it names every tensor


def filled(network: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The network with these weights, in place and in eval mode.

    A layer made without a bias gets one where the weights have it: shifts of scores, or of a block, are left there.

    Args:
        network: made as it was before anything was put on it.
        tensors: a state dict, by name.

    Raises:
        ValueError: if they do not fit, in one line.
    """
    layers = dict(network.named_modules())
    for name, tensor in tensors.items():
        owner, _, kind = name.rpartition(".")
        layer = layers.get(owner) if kind == "bias" else None
        if layer is not None and getattr(layer, "bias", layer) is None:
            layer.bias = nn.Parameter(torch.zeros_like(tensor))
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        what = str(error).splitlines()[-1].strip()[:MOST_LETTERS]
        raise ValueError(f"the weights do not fit the network: {what}") from None
    return network.eval()
