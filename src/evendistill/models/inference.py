"""Scores of a network over batches, leaving no trace in it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from evendistill.models.ranks import Ranks


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode and no gradients inside; afterwards each module is in the mode that it had.

    In eval mode the inputs leave no trace in batch-norm statistics.
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def scores_over(network: nn.Module, batches: Iterable[Tensor], *, device: torch.device, bf16: bool = False) -> Tensor:
    """Raw scores of all batches, in eval mode and without gradients.

    Args:
        network: from inputs ``(B, ...)`` to scores ``(B, C)``.
        batches: inputs.
        device: where the network is.
        bf16: compute under bfloat16 autocast.

    Returns:
        ``(N, C)`` in float32 or better, on ``device``.

    Raises:
        ValueError: if the network does not give ``(B, C)`` scores.
    """
    parts: list[Tensor] = []
    with evaluating(network), torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
        for inputs in batches:
            scores = network(inputs.to(device, non_blocking=True))
            if not isinstance(scores, Tensor) or scores.ndim != 2 or len(scores) != len(inputs):
                shape = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
                raise ValueError(f"the network must give scores of shape ({len(inputs)}, C), got {shape}")
            parts.append(scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores)
    return torch.cat(parts)


def scores_at(
    network: nn.Module,
    rows: Tensor,
    batches: Callable[[Sequence[Tensor]], Iterable[Tensor]],
    *,
    batch_size: int,
    device: torch.device,
    bf16: bool = False,
    ranks: Ranks = Ranks(),  # noqa: B008 - frozen
) -> Tensor:
    """Raw scores ``(N, C)`` of the examples in these rows; processes share the work, and each gets all scores.

    They share whole batches: a matrix product of fewer rows has other last bits, and processes must change none.

    Args:
        network: from inputs ``(B, ...)`` to scores ``(B, C)``.
        rows: ``(N,)`` at least one.
        batches: gives the inputs of batches of rows.
        batch_size: rows in a batch.
        device: where the network is.
        bf16: compute under bfloat16 autocast.
        ranks: who else is at it; every one of them must be.
    """
    every = rows.split(batch_size)
    shares = ranks.shares(every)
    lengths = [sum(map(len, share)) for share in shares]
    mine = shares[ranks.rank] or every[:1]  # who has none takes one that does not count: it tells the shape of scores
    scores = scores_over(network, batches(mine), device=device, bf16=bf16)
    return ranks.gather(scores[: lengths[ranks.rank]], lengths)


def in_channels_last(network: nn.Module, inputs: Tensor) -> nn.Module:
    """The network, in place, with its convolutions' weights in channels-last memory: what processors read fastest.

    Activations follow the weights, and a network that flattens them with ``view`` refuses them so: it stays as it was.

    Args:
        network: from inputs ``(B, ...)`` to scores ``(B, C)``.
        inputs: to try it on, on its device.
    """
    before = [(parameter, parameter.data) for parameter in network.parameters() if parameter.ndim == 4]
    if not before:
        return network
    for parameter, data in before:
        parameter.data = data.to(memory_format=torch.channels_last)
    try:
        with evaluating(network):
            network(inputs)
    except RuntimeError:
        for parameter, data in before:
            parameter.data = data
    return network


def scores_of_trial(network: nn.Module, inputs: Tensor, device: torch.device) -> Tensor:
    """Scores ``(B, C)`` of a few inputs that the network is tried on.

    Raises:
        ValueError: if it cannot take them, or gives no scores.
    """
    try:
        return scores_over(network, [inputs], device=device)
    except (RuntimeError, TypeError) as error:
        kind, shape = str(inputs.dtype).removeprefix("torch."), tuple(inputs.shape)
        raise ValueError(f"the network cannot take inputs of {kind} {shape}: {str(error).splitlines()[0]}") from error
