"""The processes that work on one run together; a process on its own is the plain case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """This process among those of its group.

    Attributes:
        rank: its number, from 0.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def here(cls) -> Ranks:
        """The default process group, or one process alone if none was begun."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and speaks to people."""
        return self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """The rows ``(B,)`` that are this process's: consecutive, none twice, none left out."""
        return rows if self.size == 1 else rows.tensor_split(self.size)[self.rank]

    def weight(self, count: int) -> float:
        """What the mean over this process's share of ``count`` rows is multiplied with, so that the mean over processes
        is the mean over all rows."""
        return len(self.share(torch.arange(count))) * self.size / count

    def shares(self, batches: Sequence[T]) -> list[Sequence[T]]:
        """Which batches each process takes: consecutive, none twice, none left out, none cut."""
        bounds = [len(batches) * rank // self.size for rank in range(self.size + 1)]
        return [batches[start:stop] for start, stop in pairwise(bounds)]

    def gather(self, scores: Tensor, lengths: Sequence[int]) -> Tensor:
        """All scores ``(N, C)``, on every process, from those of each process, of which there are ``lengths``."""
        if self.size == 1:
            return scores
        padded = scores.new_zeros(max(lengths), *scores.shape[1:])
        padded[: len(scores)] = scores
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(parts, padded)
        return torch.cat([part[:length] for part, length in zip(parts, lengths, strict=True)])

    def mean(self, values: Tensor) -> Tensor:
        """The mean over processes, on every process."""
        if self.size == 1:
            return values
        values = values.clone()
        dist.all_reduce(values)
        return values / self.size

    def agreed(self, value: T) -> T:
        """What the first process says, on every process."""
        said = [value]
        if self.size > 1:
            dist.broadcast_object_list(said, src=0)
        return said[0]

    def all(self, value: bool) -> bool:
        """Whether every process says so, on every process; none goes on before all have spoken."""
        said = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(said, value)
        return all(said)

    def share_buffers(self, network: nn.Module) -> None:
        """Give every process the first one's buffers: each has seen its own share of the batches in batch norm.

        Training takes them from the first before each step; so must all else that looks at the network.
        """
        if self.size > 1:
            for buffer in network.buffers():
                dist.broadcast(buffer, src=0)

    def wrapped(self, network: nn.Module) -> nn.Module:
        """The network with its gradients averaged over processes."""
        if self.size == 1:
            return network
        device = next(network.parameters()).device
        return DistributedDataParallel(network, device_ids=[device.index] if device.type == "cuda" else None)
