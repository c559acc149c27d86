"""A network made ready for several trade-offs, tried on a copy before anything is trained."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from evendistill.models.conditioned import Conditioned, Conditioning
from evendistill.models.film import Modulated, place_of
from evendistill.models.head import head_of
from evendistill.models.inference import evaluating

TOLERANCE = 1e-4  # of the largest score
SPREAD = 0.05  # of a parameter by which it is moved; of one where it is zero


def condition(network: nn.Module, inputs: Tensor, alphas: Sequence[float], by: Conditioning) -> Conditioned:
    """The network, conditioned on trade-offs.

    A copy whose parameters have been moved is tried first: what holds for the weights that a network starts from, such
    as a factor that is one or layers that are zero, need not hold for those that it ends with.

    Args:
        network: from inputs ``(B, ...)`` to scores ``(B, C)``; shared with the caller.
        inputs: to try it on, on its device.
        alphas: the trade-offs, rising.
        by: what is a trade-off's own.

    Raises:
        ValueError: if there are several trade-offs and no linear layer gives the scores, no block can be modulated, or
            a plain copy would not give the scores of its trade-off.
    """
    if len(alphas) == 1:
        return Conditioned(network, "", alphas)
    trial = _moved(copy.deepcopy(network))
    head = head_of(trial, inputs)
    if not _is_plain_at_each(_made(trial, inputs, head, alphas, by), inputs):
        raise ValueError(_refusal(network, inputs, head, by))
    return _made(network, inputs, head, alphas, by)


def _made(network: nn.Module, inputs: Tensor, head: str, alphas: Sequence[float], by: Conditioning) -> Conditioned:
    if by == "film":
        return Modulated(network, head, alphas, place_of(network, inputs, head))
    return Conditioned(network, head, alphas, by=by)


def _moved(network: nn.Module) -> nn.Module:
    """The network with every parameter a little elsewhere, on the same side of zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            noise = SPREAD * torch.randn(parameter.shape, generator=generator).to(parameter)
            parameter.add_(noise * parameter.where(parameter != 0, torch.ones_like(parameter)))
    return network


def _is_plain_at_each(network: Conditioned, inputs: Tensor) -> bool:
    """Whether a plain copy gives the scores of each trade-off, as each must once it has been trained."""
    try:
        with evaluating(_moved(network)):
            scores = network(inputs)
            plain = torch.cat([network.at(alpha)(inputs) for alpha in network.alphas], dim=1)
    except (RuntimeError, LookupError, TypeError, ValueError, AttributeError):  # whatever a user's own code makes of it
        return False
    tolerance = max(TOLERANCE, 4 * torch.finfo(plain.dtype).eps) * float(plain.abs().max())
    return scores.shape == plain.shape and torch.allclose(scores, plain, rtol=0, atol=tolerance)


def _refusal(network: nn.Module, inputs: Tensor, head: str, by: Conditioning) -> str:
    kind = type(network).__name__
    if by == "film":
        place = place_of(network, inputs, head)
        where = f"{place.layer!r}" if place.layer == place.block else f"{place.layer!r} in {place.block!r}"
        return f"by='film' cannot modulate {where} of {kind}; take another part, such as 'scale-and-bias'"
    return (
        f"by={by!r} cannot give each trade-off its own part of {head!r}, the last layer of {kind}: once trained, "
        "a plain network with that part would not give its scores; the layer must work once and give them as they are"
    )
