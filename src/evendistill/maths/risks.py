"""Class risks: what a scorer loses on each class, under hard labels or under a distribution over labels."""

import torch
import torch.nn.functional as F
from torch import Tensor

from evendistill.maths.losses import as_distribution, at_least_float32, check_scores, label_losses

SOFT_ABSENCE = 1e-6
"""Share of the examples below which the mass of a class under soft targets counts as none."""


def class_mass(targets: Tensor) -> Tensor:
    """``(B, C) -> (C,)``: how much each class weighs in the targets, 0 where it counts as absent.

    Soft targets give every class some mass; below ``1e-6`` of the number of examples it counts as none.
    """
    mass = at_least_float32(targets).sum(dim=0)  # counts above 256 do not fit bfloat16, above 65,504 not float16
    return torch.where(mass < SOFT_ABSENCE * len(targets), 0.0, mass)


def class_risks(losses: Tensor, targets: Tensor) -> Tensor:
    r"""Mean loss on each class, examples weighed by how much they belong to it.

    .. math:: R_j = \frac{\sum_b t_{bj}\, \ell_{bj}}{\sum_b t_{bj}}

    Source: Wang et al. 2023, Algorithm 1; the denominator there is the mass of the same examples.

    Args:
        losses: ``(B, C)``, column j the loss against label j.
        targets: ``(B, C)`` distribution of each example, or ``(B,)`` integer labels.

    Returns:
        ``(C,)`` risks, NaN where the targets give a class no mass.

    Raises:
        ValueError: if the shapes do not belong together.
    """
    rows = at_least_float32(as_distribution(targets, losses))
    mass = rows.sum(dim=0) if targets.ndim == 1 else class_mass(rows)
    return (rows * losses).sum(dim=0) / mass.masked_fill(mass == 0, torch.nan)


def label_errors(scores: Tensor) -> Tensor:
    """0-1 loss that each example would pay under each possible label, ``(B, C) -> (B, C)``."""
    check_scores(scores)
    missed = 1 - F.one_hot(scores.argmax(dim=-1), scores.shape[1])
    return missed.to(torch.promote_types(scores.dtype, torch.float32))


def class_errors(scores: Tensor, targets: Tensor) -> Tensor:
    r"""0-1 risk of each class: the gain that moves the multipliers in practice.

    .. math:: R_j = \frac{\sum_b t_{bj}\, 1[\arg\max_y f_y(x_b) \ne j]}{\sum_b t_{bj}}

    Source: Wang et al. 2023, Algorithm 1 with the 0-1 loss of appendix E.3.1. With one-hot targets this is one minus
    the recall (the one-hot variant in appendix C omits the indicator of the class in print).

    Args:
        scores: ``(B, C)`` floating, raw scores.
        targets: ``(B, C)`` distribution of each example, or ``(B,)`` integer labels.

    Returns:
        ``(C,)`` errors in [0, 1], NaN where the targets give a class no mass.

    Raises:
        ValueError: if the shapes do not belong together.

    Example:
        >>> class_errors(torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1]))
        tensor([0., 1.])
    """
    return class_risks(label_errors(scores), targets)


def class_cross_entropies(scores: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy risk of each class, ``(B, C), (B, C) or (B,) -> (C,)``: the gain of the theory's game."""
    return class_risks(label_losses(scores), targets)
