"""What objectives without multipliers share."""

import math

import torch
from torch import Tensor, nn


class Unmoved(nn.Module):
    """What objectives without multipliers share: uniform weights that nothing moves.

    Args:
        shape: of the table of groups, ``(C,)`` for classes.
    """

    is_adversarial = False
    needs_whole_batch = False
    heads = 1
    reads_labels = False

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    @property
    def weights(self) -> Tensor:
        """Uniform, ``(G,)``."""
        count = math.prod(self.shape)
        return torch.full((count,), 1 / count)

    def ascend(self, errors: Tensor) -> None:
        """Nothing moves."""


def needed_labels(labels: Tensor | None) -> Tensor:
    """The labels, or ``ValueError`` if there are none."""
    if labels is None:
        raise ValueError("this objective needs the true labels of the batch, got None")
    return labels
