"""Splits and long tails: who trains, who judges, and how rare the rare classes are."""

import math
from typing import Literal

import torch
from torch import Tensor

Profile = Literal["exponential", "step"]


def stratified_parts(labels: Tensor, shares: tuple[float, ...], *, seed: int) -> list[Tensor]:
    """Cut the rows into parts with (nearly) the same class shares.

    The cut depends on the order of the rows and the seed alone, so that every thinned version of one data set is judged
    on the same rows.

    Args:
        labels: ``(N,)`` integers.
        shares: share of each part, summing to one.
        seed: of the split.

    Returns:
        For each part its row numbers in ascending order.

    Raises:
        ValueError: if the shares do not sum to one.
    """
    if not math.isclose(sum(shares), 1):
        raise ValueError(f"shares must sum to one, got {shares}")
    generator = torch.Generator().manual_seed(seed)
    parts: list[list[Tensor]] = [[] for _ in shares]
    for label in labels.unique().tolist():
        rows = (labels == label).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=generator)]
        start, share = 0, 0.0
        for part, width in zip(parts, shares, strict=True):
            share += width
            end = round(share * len(rows))
            part.append(rows[start:end])
            start = end
    return [torch.cat(part).sort().values for part in parts]


def halves(count: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Row numbers of two random halves of ``count`` rows, each ascending; the second has the odd one.

    They depend on the number of rows and the seed alone: two long-tailed versions of one data set are judged on the
    same examples (Wang et al. 2023, appendix E.1, halve the test set so).
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order[: count // 2].sort().values, order[count // 2 :].sort().values


def class_sizes(largest: int, num_classes: int, *, imbalance: float, profile: Profile = "exponential") -> list[int]:
    r"""How many training examples each class keeps, the first class most.

    .. math:: n_i = \lfloor n_0\, \rho^{-i/(m-1)} \rfloor \text{ (exponential)}, \qquad
              n_i = n_0 \text{ or } \lfloor n_0 / \rho \rfloor \text{ for the second half (step)}

    Source: Cui et al. 2019 and the code of Cao et al. 2019, which Wang et al. 2023 follow. No class falls below 1.

    Args:
        largest: size of the first class.
        num_classes: m.
        imbalance: rho, largest over smallest, at least 1.
        profile: shape of the tail.

    Raises:
        ValueError: if ``imbalance`` is below 1 or the profile unknown.

    Example:
        >>> class_sizes(5000, 10, imbalance=100)
        [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    """
    if not 1 <= imbalance < math.inf:
        raise ValueError(f"imbalance must be at least 1 and finite, got {imbalance}")
    if profile == "exponential":
        factors = [(1 / imbalance) ** (i / max(1, num_classes - 1)) for i in range(num_classes)]
    elif profile == "step":
        factors = [1.0 if i < (num_classes + 1) // 2 else 1 / imbalance for i in range(num_classes)]
    else:
        raise ValueError(f"profile must be 'exponential' or 'step', got {profile!r}")
    return [max(1, int(largest * factor)) for factor in factors]


def thinned_rows(labels: Tensor, num_classes: int, *, imbalance: float, profile: Profile, seed: int) -> Tensor:
    """Row numbers that a long-tailed version keeps, in ascending order.

    Each class is shuffled whole before it is cut, so that a smaller imbalance keeps every row that a larger one keeps.

    Args:
        labels: ``(N,)`` integers of the full training set.
        num_classes: m.
        imbalance: largest over smallest class.
        profile: shape of the tail.
        seed: of the subset.
    """
    counts = labels.bincount(minlength=num_classes)
    sizes = class_sizes(int(counts.max()), num_classes, imbalance=imbalance, profile=profile)
    generator = torch.Generator().manual_seed(seed)
    kept = []
    for label, size in enumerate(sizes):
        rows = (labels == label).nonzero().flatten()
        kept.append(rows[torch.randperm(len(rows), generator=generator)][:size])
    return torch.cat(kept).sort().values
