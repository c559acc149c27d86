"""How sure a distribution is of each class against the others, and the loss that asks for as wide a margin."""

import torch
from torch import Tensor

from evendistill.maths.losses import as_distribution, at_least_float32, label_losses


def average_margin(probabilities: Tensor) -> Tensor:
    r"""Margin of each class over the average of the others.

    .. math::
        \gamma_{avg}(y, p) = p_y - \frac{1}{m - 1} \sum_{y' \ne y} p_{y'} = \frac{m\, p_y - 1}{m - 1}

    In [-1/(m - 1), 1] where the rows sum to one; negative if and only if the class has less than its even share.

    Source: Lukasik et al. 2022, as given in Wang et al. 2023, section 4.

    Args:
        probabilities: ``(B, C)``, rows that sum to one.

    Example:
        >>> average_margin(torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.25, 0.25]]))
        tensor([[ 1.0000, -0.5000, -0.5000],
                [ 0.2500, -0.1250, -0.1250]])
    """
    classes = probabilities.shape[1]
    return (classes * at_least_float32(probabilities) - 1) / (classes - 1)


def label_margin_losses(scores: Tensor, margins: Tensor) -> Tensor:
    r"""Loss that each example would pay under each possible label if that label were to win by a margin.

    .. math::
        \ell(y, f; \rho) = \log\Bigl(1 + \sum_{j \ne y} e^{\rho_y - (f_y - f_j)}\Bigr)
                         = \log\bigl(1 + (e^{\rho_y} - 1)(1 - q_y)\bigr) - \log q_y, \qquad q = \mathrm{softmax}(f)

    The second form has nothing that cancels or overflows. At margin 0 it is the cross-entropy.

    Args:
        scores: ``(B, C)`` floating, the raw scores f.
        margins: ``(C,)`` or ``(B, C)``.

    Returns:
        ``(B, C)`` losses, in float32 or better.
    """
    losses = label_losses(scores)
    return torch.log1p(torch.expm1(margins.to(losses.dtype)) * -torch.expm1(-losses)) + losses


def margins_of_classes(targets: Tensor, labels: Tensor) -> Tensor:
    """Mean of :func:`average_margin` of the true class over the examples of each class.

    Args:
        targets: ``(N, C)`` rows that sum to one.
        labels: ``(N,)`` true labels; every class has an example.

    Returns:
        ``(C,)`` in float64.
    """
    truth = as_distribution(labels, targets.double())
    return (truth * average_margin(targets.double())).sum(dim=0) / truth.sum(dim=0)
