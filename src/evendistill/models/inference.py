"""Scores of a network over batches, leaving no trace in it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


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
