"""A student whose features are to match a teacher's: beside its scores it gives a linear map of what its head gets."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Matching(nn.Module):
    r"""A student and, for as long as it learns, a linear map of its features to the width of a teacher's.

    .. math:: x \mapsto (f_s(x),\; P \varphi_s(x) + b)

    Source: Romero et al. 2015 (FitNets), whose regressor the map is. That it starts at zero is ours: it draws nothing
    at random, and it pulls at the student only once it says something.

    Args:
        student: shared with the caller; from inputs ``(B, ...)`` to scores ``(B, C)``.
        head: name of its last linear layer, which the features go into.
        width: K, of the teacher's features.
    """

    _features: Tensor

    def __init__(self, student: nn.Module, head: str, width: int) -> None:
        super().__init__()
        layer = student.get_submodule(head)
        if not isinstance(layer, nn.Linear):
            raise TypeError(f"{head} is not a linear layer")
        self.student = student
        self.projection = nn.Parameter(layer.weight.new_zeros(width, layer.in_features))
        self.bias = nn.Parameter(layer.weight.new_zeros(width))
        self.hook = layer.register_forward_pre_hook(self._keep)  # one that stays: a graph can be compiled through it

    def forward(self, inputs: Tensor) -> Tensor:
        """Scores and projected features side by side, ``(B, C + K)``."""
        scores = self.student(inputs)
        outputs = torch.cat([scores, F.linear(self._features, self.projection, self.bias)], dim=1)
        del self._features  # they hold the graph of this step, which must not outlive it
        return outputs

    def _keep(self, layer: nn.Module, given: tuple[Any, ...]) -> None:
        self._features = given[0]


@contextmanager
def matching(student: nn.Module, head: str, width: int) -> Iterator[Matching]:
    """The student with its projection inside; afterwards nothing in the student remembers it."""
    learner = Matching(student, head, width)
    try:
        yield learner
    finally:
        learner.hook.remove()
