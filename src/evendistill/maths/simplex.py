"""Ascent on the probability simplex, in log space."""

import torch
from torch import Tensor

SUM_TOLERANCE = 1e-3  # half precision is no better


def are_probabilities(rows: Tensor) -> bool:
    """Whether each row of ``(N, C)`` is a distribution: nothing below 0, a sum of 1 to within 0.001.

    Example:
        >>> are_probabilities(torch.tensor([[0.2, 0.8], [1.0, 0.0]])), are_probabilities(torch.zeros(1, 2))
        (True, False)
    """
    return bool((rows >= 0).all()) and bool(((rows.double().sum(dim=1) - 1).abs() < SUM_TOLERANCE).all())


def exponentiated_gradient(log_weights: Tensor, gains: Tensor, step_size: float) -> Tensor:
    r"""One multiplicative step towards the coordinates with the largest gains.

    .. math:: \lambda_j \leftarrow \frac{\lambda_j e^{\gamma R_j}}{\sum_i \lambda_i e^{\gamma R_i}}

    Source: Wang et al. 2023, Algorithm 1; the multiplicative weights of Shalev-Shwartz 2011. In log space no weight
    is ever lost: a class at ``e^-200`` can come back.

    A coordinate whose gain is NaN (its class is absent) keeps its weight; the others are normalised to what remains.

    Args:
        log_weights: ``(C,)`` logarithms of weights that sum to one.
        gains: ``(C,)``, NaN for absent classes.
        step_size: gamma, positive.

    Returns:
        ``(C,)`` new log weights; the input is not changed.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> exponentiated_gradient(torch.tensor([0.5, 0.5]).log(), torch.tensor([1.0, 0.0]), 1.0).exp()
        tensor([0.7311, 0.2689])
    """
    if log_weights.ndim != 1 or log_weights.shape != gains.shape:
        raise ValueError(
            f"log_weights and gains must share one shape (C,), got {tuple(log_weights.shape)} and {tuple(gains.shape)}"
        )
    absent = gains.isnan()
    moved = log_weights + step_size * gains.masked_fill(absent, 0)
    kept = torch.where(absent, log_weights.exp(), 0).sum()
    # Normalising to 1 - kept, not to the old sum, lets rounding errors die instead of adding up over many steps.
    remaining = (1 - kept).clamp_min(torch.finfo(log_weights.dtype).tiny).log()
    normaliser = moved.masked_fill(absent, -torch.inf).logsumexp(dim=0)
    return torch.where(absent, log_weights, moved - normaliser + remaining)
