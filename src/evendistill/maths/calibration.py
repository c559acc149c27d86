"""Per-class calibration of a teacher: what Theorem 2 says a robust student needs."""

import torch
from torch import Tensor


def calibration_error(teacher: Tensor, conditional: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""How far the shape of each class's scores is from the shape of its conditional probability, exactly.

    .. math:: \mathbb{E}_x \left| \frac{p_y(x)}{\pi^t_y} - \frac{\eta_y(x)}{\pi_y} \right|,
              \qquad \pi^t_y = \mathbb{E}\, p_y(x),\quad \pi_y = \mathbb{E}\, \eta_y(x)

    Source: Wang et al. 2023, Theorem 2 (which takes the maximum over classes). It is zero for every teacher that is
    proportional to the truth within each class, whatever its arg max; rows need not sum to one.

    Args:
        teacher: ``(N, C)`` non-negative scores p, one row for each point x.
        conditional: ``(N, C)`` true conditional probabilities eta at the same points.
        weights: ``(N,)`` non-negative probabilities of the points, up to a factor; equal when None.

    Returns:
        ``(C,)`` errors in [0, 2].

    Raises:
        ValueError: if shapes differ, a score is negative or not finite, or a column has no mass.

    Example:
        >>> eta = torch.tensor([[0.9, 0.1], [0.5, 0.5]])
        >>> calibration_error(eta * torch.tensor([2.0, 0.5]), eta)  # other scale, same shape
        tensor([0., 0.])
    """
    if teacher.ndim != 2 or teacher.shape != conditional.shape:
        raise ValueError(
            f"teacher and conditional must share one shape (N, C), got {tuple(teacher.shape)} "
            f"and {tuple(conditional.shape)}"
        )
    dtype = torch.promote_types(torch.promote_types(teacher.dtype, conditional.dtype), torch.float32)
    teacher, conditional = teacher.to(dtype), conditional.to(dtype)
    shares = point_shares(weights, teacher)
    return shares @ (_shape(teacher, shares, "teacher") - _shape(conditional, shares, "conditional")).abs()


def calibration_spread(teacher: Tensor, conditional: Tensor) -> Tensor:
    r"""Standard error of :func:`calibration_error` where the points are a sample, by the delta method.

    With shapes :math:`t = p_y/\hat\pi^t_y`, :math:`s = \eta_y/\hat\pi_y` and the sign :math:`\sigma` of their
    difference, point i moves the error by

    .. math:: |t_i - s_i| - t_i\, \overline{\sigma t} + s_i\, \overline{\sigma s}

    up to a constant. Too small where the shapes agree, for the absolute value has no slope there. Ours.

    Args:
        teacher: ``(N, C)``, N at least 2.
        conditional: ``(N, C)``.

    Returns:
        ``(C,)``.

    Raises:
        ValueError: as :func:`calibration_error`.
    """
    calibration_error(teacher, conditional)  # which looks into all that was given
    dtype = torch.promote_types(torch.promote_types(teacher.dtype, conditional.dtype), torch.float32)
    teacher, conditional = teacher.to(dtype), conditional.to(dtype)
    ours, theirs = teacher / teacher.mean(dim=0), conditional / conditional.mean(dim=0)
    sign = (ours - theirs).sign()
    moved = (ours - theirs).abs() - ours * (sign * ours).mean(dim=0) + theirs * (sign * theirs).mean(dim=0)
    return moved.std(dim=0) / len(teacher) ** 0.5


def point_shares(weights: Tensor | None, like: Tensor) -> Tensor:
    """Probabilities ``(N,)`` of the points, in the dtype of ``like`` ``(N, ...)``; equal if no weights are given.

    Raises:
        ValueError: if the weights are not N non-negative numbers with a positive sum.
    """
    if weights is None:
        return like.new_full((len(like),), 1 / len(like))
    if weights.shape != (len(like),) or not bool((weights >= 0).all()) or not bool(weights.sum() > 0):
        raise ValueError(f"weights must be {len(like)} non-negative numbers with a positive sum")
    return (weights / weights.sum()).to(like.dtype)


def _shape(scores: Tensor, shares: Tensor, name: str) -> Tensor:
    """Scores divided by their mean, ``(N, C) -> (N, C)``."""
    if not bool(torch.isfinite(scores).all()) or not bool((scores >= 0).all()):
        raise ValueError(f"{name} must be finite and non-negative")
    marginal = shares @ scores
    if not bool((marginal > 0).all()):
        raise ValueError(f"{name} gives class {int(marginal.argmin())} no mass")
    return scores / marginal
