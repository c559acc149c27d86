"""Multipliers: class weights on the simplex that an adversary moves towards the classes with the largest errors."""

import math

import torch
from torch import Tensor, nn

from evendistill.maths.simplex import exponentiated_gradient


class Multipliers(nn.Module):
    """Class weights lambda under exponentiated-gradient ascent.

    They live in one buffer of log weights, so that ``state_dict``, ``.to`` and resuming are inherited, and a class
    whose weight has fallen to ``e^-200`` can come back.

    Source: Wang et al. 2023, Algorithms 1 and 2. Uniform start: Narasimhan and Menon 2021, official code.

    Args:
        num_classes: C, at least 2.
        step_size: gamma, positive; 0.1 in all experiments of the paper.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> multipliers = Multipliers(2, step_size=1.0)
        >>> multipliers.ascend(torch.tensor([1.0, 0.0]))
        >>> multipliers.weights
        tensor([0.7311, 0.2689])
    """

    log_weights: Tensor

    def __init__(self, num_classes: int, step_size: float) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2, got {num_classes}")
        if not 0 < step_size < math.inf:
            raise ValueError(f"step_size must be positive and finite, got {step_size}")
        self.step_size = step_size
        self.register_buffer("log_weights", torch.full((num_classes,), -math.log(num_classes)))

    @property
    def weights(self) -> Tensor:
        """``(C,)``, non-negative, summing to one."""
        return self.log_weights.exp()

    @torch.no_grad()
    def ascend(self, errors: Tensor, scale: float = 1.0) -> None:
        """Take one step of ``scale * step_size`` along the class errors ``(C,)``; NaN leaves a class where it is."""
        self.log_weights.copy_(
            exponentiated_gradient(self.log_weights, errors.to(self.log_weights), scale * self.step_size)
        )
