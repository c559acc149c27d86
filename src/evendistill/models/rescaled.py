"""Scores of a finished network, each class with a factor and a shift of its own."""

import torch
from torch import Tensor, nn


class Rescaled(nn.Module):
    r"""A network with its finished scores rescaled class by class.

    .. math:: f_y(x) \mapsto a_y f_y(x) + b_y

    Args:
        network: shared with the caller.
        scale: ``(C,)`` a.
        shift: ``(C,)`` b.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, scale: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def forward(self, inputs: Tensor) -> Tensor:
        """Rescaled scores ``(B, C)``."""
        scores = self.network(inputs)
        return scores * self.scale.to(scores) + self.shift.to(scores)

    @classmethod
    def unchanged(cls, network: nn.Module, classes: int) -> "Rescaled":
        """The network as it is: what stored factors and shifts are read into."""
        return cls(network, torch.ones(classes), torch.zeros(classes))
