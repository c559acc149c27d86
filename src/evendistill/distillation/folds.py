"""Folds of examples, each with its share of every class."""

import torch
from torch import Tensor


def halves(labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Rows of two halves, each with half of every class."""
    rows = _class_by_class(labels, seed)
    return rows[::2], rows[1::2]


def _class_by_class(labels: Tensor, seed: int) -> Tensor:
    """Row numbers ``(N,)`` sorted by class, in random order within each."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)).to(labels.device)
    return order[labels[order].sort(stable=True).indices]


def stratified_folds(labels: Tensor, folds: int, seed: int) -> Tensor:
    """Fold ``(N,)`` of each example; a class is in as many folds as it has examples, at most all of them."""
    fold = torch.empty(len(labels), dtype=torch.long, device=labels.device)
    fold[_class_by_class(labels, seed)] = torch.arange(len(labels), device=labels.device) % folds
    return fold
