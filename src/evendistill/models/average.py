"""The averaged scorer: the mean of the raw scores of several networks, never of their weights."""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class AverageOfScores(nn.Module):
    r"""Mean of the scores of K networks of one architecture.

    .. math:: \bar f(x) = \frac{1}{K} \sum_k f^k(x)

    Source: Wang et al. 2023, output of Algorithm 1.

    Args:
        network: gives the architecture; not kept.
        states: ``state_dict`` of each of the K networks, at least one.

    Raises:
        ValueError: if there are no states.
    """

    def __init__(self, network: nn.Module, states: Sequence[Mapping[str, Tensor]]) -> None:
        super().__init__()
        if not states:
            raise ValueError("an average needs at least one network")
        self.networks = nn.ModuleList(copy.deepcopy(network) for _ in states)
        for member, state in zip(self.networks, states, strict=True):
            member.load_state_dict(state)

    def forward(self, inputs: Tensor) -> Tensor:
        """Mean scores ``(B, C)``."""
        return torch.stack([network(inputs) for network in self.networks]).mean(dim=0)
