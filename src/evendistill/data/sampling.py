"""How often training sees each example: all alike, or all classes alike."""

from typing import Literal

import torch
from torch import Tensor

Sampler = Literal["uniform", "balanced"]


def sampling_shares(labels: Tensor, sampler: Sampler) -> Tensor | None:
    """The probability of each example to be the next one, ``(N,)`` float64 summing to one; None if all are alike.

    Under ``"balanced"`` each class that is present has the same share, divided evenly among its examples.

    Args:
        labels: ``(N,)`` integers.
        sampler: "uniform" or "balanced".

    Raises:
        ValueError: if the sampler is unknown.

    Example:
        >>> sampling_shares(torch.tensor([0, 0, 0, 1]), "balanced").tolist()
        [0.16666666666666666, 0.16666666666666666, 0.16666666666666666, 0.5]
    """
    if sampler == "uniform":
        return None
    if sampler != "balanced":
        raise ValueError(f"sampler must be 'uniform' or 'balanced', got {sampler!r}")
    counts = labels.bincount().double()
    return 1 / (counts[labels] * (counts > 0).sum())


def epoch_order(count: int, shares: Tensor | None, generator: torch.Generator) -> Tensor:
    """The rows of one epoch, ``(N,)``: each once in random order, or N drawn with replacement by their shares."""
    if shares is None:
        return torch.randperm(count, generator=generator)
    return torch.multinomial(shares, count, replacement=True, generator=generator)
