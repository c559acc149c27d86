"""Means of networks: of their raw scores or of their probabilities, never of their weights."""

import copy
import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
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


class MeanOfProbabilities(nn.Module):
    r"""Several networks as one teacher: the mean of their probabilities, as scores.

    .. math:: f(x) = \log \frac{1}{K} \sum_k \mathrm{softmax}\, f^k(x)

    A temperature divides these scores, so it softens the mean and not the members.

    Args:
        members: the K networks, at least one; they may differ in architecture. Shared with the caller.

    Raises:
        ValueError: if there are none.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        if not members:
            raise ValueError("a mean needs at least one network")
        self.members = nn.ModuleList(members)

    def forward(self, inputs: Tensor) -> Tensor:
        """Log of the mean probabilities ``(B, C)``."""
        logs = torch.stack([F.log_softmax(member(inputs), dim=1) for member in self.members])
        return logs.logsumexp(dim=0) - math.log(len(self.members))
