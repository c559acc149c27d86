"""Rank correlation: does what is said beforehand put things in the order in which they end?"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rank correlation with a bootstrap interval.

    Attributes:
        value: in [-1, 1]; NaN if one side has no order at all.
        lower: end of the percentile interval.
        upper: end of the percentile interval.
        level: its coverage.
    """

    value: float
    lower: float
    upper: float
    level: float


def spearman(
    first: Tensor,
    second: Tensor,
    *,
    clusters: Tensor | None = None,
    level: float = 0.95,
    replicates: int = 2000,
    seed: int = 0,
) -> RankCorrelation:
    """Spearman's rho of paired values, ties by their mean rank, pairs drawn anew for the interval.

    Args:
        first: ``(N,)`` finite values, N at least 3.
        second: ``(N,)`` the same.
        clusters: ``(N,)`` numbers of what is drawn as a whole, where pairs do not stand alone; each pair if None.
        level: coverage of the interval, in (0, 1).
        replicates: of the bootstrap, at least 2.
        seed: of the bootstrap.

    Raises:
        ValueError: if the shapes differ, there are fewer than three pairs, a value is not finite or an argument is out
            of range.

    Example:
        >>> round(spearman(torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([1.0, 3.0, 2.0, 4.0])).value, 3)
        0.8
    """
    first, second = torch.as_tensor(first).double(), torch.as_tensor(second).double()
    if first.shape != second.shape or first.ndim != 1 or len(first) < 3:
        raise ValueError(f"give two rows of at least 3 values, got {tuple(first.shape)} and {tuple(second.shape)}")
    if not bool((first.isfinite() & second.isfinite()).all()):
        raise ValueError("values must be finite")
    if not 0 < level < 1 or replicates < 2:
        raise ValueError(f"level must lie in (0, 1) and replicates be at least 2, got {level} and {replicates}")
    generator = torch.Generator().manual_seed(seed)
    if clusters is None:
        drawn = torch.randint(len(first), (replicates, len(first)), generator=generator)
        found = _correlation(first[drawn], second[drawn])
    else:
        found = _of_clusters(first, second, clusters, replicates, generator)
    tails = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    lower, upper = found.nanquantile(tails).tolist()
    return RankCorrelation(_correlation(first[None], second[None]).item(), lower, upper, level)


def _of_clusters(
    first: Tensor, second: Tensor, clusters: Tensor, replicates: int, generator: torch.Generator
) -> Tensor:
    """Correlations ``(R,)`` where whole clusters are drawn; they may differ in size, so may what is drawn."""
    members = [(clusters == each).nonzero().flatten() for each in clusters.unique()]
    drawn = torch.randint(len(members), (replicates, len(members)), generator=generator)
    lengths = torch.tensor([len(each) for each in members])[drawn].sum(dim=1)
    found = first.new_empty(replicates)
    for length in lengths.unique():  # all draws of one length at once
        alike = lengths == length
        rows = torch.stack([torch.cat([members[number] for number in each]) for each in drawn[alike].tolist()])
        found[alike] = _correlation(first[rows], second[rows])
    return found


def _correlation(first: Tensor, second: Tensor) -> Tensor:
    """Of each of the rows ``(R, N)``; NaN where a row is constant."""
    one, two = (_centred(_mean_ranks(rows)) for rows in (first, second))
    return (one * two).sum(dim=1) / (one.square().sum(dim=1) * two.square().sum(dim=1)).sqrt()


def _mean_ranks(rows: Tensor) -> Tensor:
    """Ranks from 0 within each row, equal values sharing their mean rank."""
    rows = rows.contiguous()
    ordered = rows.sort(dim=1).values
    below, upto = (torch.searchsorted(ordered, rows, right=right) for right in (False, True))
    return (below + upto - 1).double() / 2


def _centred(rows: Tensor) -> Tensor:
    return rows - rows.mean(dim=1, keepdim=True)
