"""Bounds on what a robust student loses by learning from a teacher, from quantities of each class."""

import math

import torch
from torch import Tensor

from evendistill.maths.calibration import calibration_error, point_shares
from evendistill.maths.losses import at_least_float32


def robust_gap_bound(calibration: Tensor, estimation: Tensor, loss_bound: float) -> Tensor:
    r"""How far the robust risk that a student sees may be from the one it is meant to lower.

    .. math:: |\hat L^{rob\text{-}d}(f) - L^{rob}(f)| \le B \max_y \mathrm{calibration}_y + \max_y \mathrm{estimation}_y

    Source: Wang et al. 2023, Theorem 2.

    Args:
        calibration: ``(C,)`` of :func:`evendistill.maths.calibration.calibration_error`.
        estimation: ``(C,)`` of :func:`estimation_error`, for the scorer f.
        loss_bound: B, the largest loss of f under any label.

    Raises:
        ValueError: if the shapes differ, or the bound of the loss is negative or not finite.

    Example:
        >>> robust_gap_bound(torch.tensor([0.0, 0.25]), torch.tensor([0.5, 0.0]), 4.0)
        tensor(1.5000)
    """
    _check_errors(calibration, estimation)
    _check_number("loss_bound", loss_bound)
    return loss_bound * calibration.max() + estimation.max()


def student_gap_bound(
    calibration: Tensor, training: Tensor, held_out: Tensor, *, loss_bound: float, scale: float = 1.0
) -> Tensor:
    r"""How far a student of the min-max game may end above the best robust risk, the game's own error left out.

    .. math:: 2B \max_y \mathrm{calibration}_y + 2 \max_y \mathrm{held\ out}_y + 2 \tau \max_y \mathrm{training}_y

    Add the second value of :func:`multiplier_game` for the whole bound.

    Source: Wang et al. 2023, Theorem 4, where tau is 1 and both errors are under the teacher's labels; and appendix C,
    where true labels move the multipliers and tau is any positive number. Appendix C prints tau before the held-out
    error; it belongs to the training error, which alone is weighed by the teacher.

    Args:
        calibration: ``(C,)`` of :func:`scaled_calibration_error` at that scale.
        training: ``(C,)`` of :func:`estimation_error` on the training set: the largest over the scorers in question.
        held_out: ``(C,)``, the same on the examples that move the multipliers, under the labels that they go by.
        loss_bound: B, the largest loss of these scorers under any label.
        scale: tau.

    Raises:
        ValueError: if the shapes differ, or a number is negative or not finite.
    """
    _check_errors(calibration, training, held_out)
    _check_number("loss_bound", loss_bound)
    _check_number("scale", scale)
    return 2 * (loss_bound * calibration.max() + held_out.max() + scale * training.max())


def multiplier_game(num_classes: int, moves: int, *, loss_bound: float, least_prior: float) -> tuple[float, float]:
    r"""Step size of the multipliers that the theory asks for, and what so many moves leave unfinished.

    .. math:: \gamma = \frac{1}{2BZ} \sqrt{\frac{\log m}{K}}, \qquad 4BZ \sqrt{\frac{\log m}{K}}

    Source: Wang et al. 2023, Theorem 4, with Z = 1 / min_y pi^t_y as in its proof.

    Args:
        num_classes: m.
        moves: K, the moves of the multipliers, and the scorers that are averaged.
        loss_bound: B, the largest loss of these scorers under any label.
        least_prior: the least mean probability that the teacher gives to a class.

    Returns:
        The step size, and the bound on the error of the game.

    Raises:
        ValueError: if an argument is out of range.
    """
    if num_classes < 2 or moves < 1:
        raise ValueError(f"there must be 2 classes and 1 move at least, got {num_classes} and {moves}")
    if not 0 < loss_bound < math.inf or not 0 < least_prior <= 1:
        raise ValueError(f"loss_bound must be positive and least_prior in (0, 1], got {loss_bound} and {least_prior}")
    scale = loss_bound / least_prior
    rate = math.sqrt(math.log(num_classes) / moves)
    return rate / (2 * scale), 4 * scale * rate


def scaled_calibration_error(
    teacher: Tensor, conditional: Tensor, scale: float, weights: Tensor | None = None
) -> Tensor:
    r"""Calibration error of a teacher whose shapes are all multiplied by one number.

    .. math:: \mathbb{E}_x \left| \tau \frac{p_y(x)}{\pi^t_y} - \frac{\eta_y(x)}{\pi_y} \right| \ge |1 - \tau|

    Source: Wang et al. 2023, appendix C. Arguments and errors are those of
    :func:`evendistill.maths.calibration.calibration_error`, which is scale 1.

    Args:
        teacher: ``(N, C)``.
        conditional: ``(N, C)``.
        scale: tau, finite and not negative, else ``ValueError``.
        weights: ``(N,)`` or None.

    Returns:
        ``(C,)`` errors in ``[|1 - tau|, 1 + tau]``.
    """
    _check_number("scale", scale)
    dtype = calibration_error(teacher, conditional, weights).dtype  # which looks into all that was given
    teacher, conditional = teacher.to(dtype), conditional.to(dtype)
    shares = point_shares(weights, teacher)
    return shares @ (scale * teacher / (shares @ teacher) - conditional / (shares @ conditional)).abs()


def estimation_error(teacher: Tensor, losses: Tensor, sample: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""How far class risks under a teacher's labels on a sample are from those on the whole distribution.

    .. math:: |\phi_y - \hat\phi_y|, \qquad
              \phi_y = \frac{\mathbb{E}_x\, p_y(x)\, \ell(y, f(x))}{\mathbb{E}_x\, p_y(x)}

    The second has means over the sample; the distribution is finite. Source: Wang et al. 2023, Theorem 2.

    Args:
        teacher: ``(N, C)`` non-negative scores p, one row for each point x; for true labels their probabilities.
        losses: ``(N, C)``, column y the loss of the scorer f against label y.
        sample: ``(n,)`` int64 numbers of the points that were drawn.
        weights: ``(N,)`` non-negative probabilities of the points, up to a factor; equal when None.

    Returns:
        ``(C,)`` errors, NaN where the distribution or the sample gives a class no mass.

    Raises:
        ValueError: if shapes do not fit.

    Example:
        >>> estimation_error(torch.tensor([[0.5], [0.5]]), torch.tensor([[1.0], [3.0]]), torch.tensor([1]))
        tensor([1.])
    """
    if teacher.ndim != 2 or teacher.shape != losses.shape:
        raise ValueError(
            f"teacher and losses must share one shape (N, C), got {tuple(teacher.shape)} and {tuple(losses.shape)}"
        )
    teacher, losses = at_least_float32(teacher), at_least_float32(losses)
    expected = _risks(teacher, losses, point_shares(weights, teacher))
    drawn = teacher[sample]
    return (expected - _risks(drawn, losses[sample], point_shares(None, drawn))).abs()


def loss_variance(teacher: Tensor, losses: Tensor) -> Tensor:
    r"""Empirical variance of what each training example adds to the risk of each class.

    .. math:: V_{n,y} = \frac{1}{n-1} \sum_i \Bigl(p_y(x_i)\, \ell(y, f(x_i))
              - \frac{1}{n} \sum_j p_y(x_j)\, \ell(y, f(x_j))\Bigr)^2

    The smaller, the better the student generalises: the estimation error is of the order of sqrt(V / n).
    Source: Wang et al. 2023, appendix B, Lemma 3. The divisor n - 1 is ours.

    Args:
        teacher: ``(n, C)`` labels p of the training examples, one-hot rows for true labels.
        losses: ``(n, C)``, column y the loss of the scorer f against label y.

    Raises:
        ValueError: if the shapes differ or there are fewer than two examples.
    """
    if teacher.ndim != 2 or teacher.shape != losses.shape or len(teacher) < 2:
        raise ValueError(
            "teacher and losses must share one shape (n, C) with n >= 2, "
            f"got {tuple(teacher.shape)} and {tuple(losses.shape)}"
        )
    return (at_least_float32(teacher) * at_least_float32(losses)).var(dim=0)


def _risks(teacher: Tensor, losses: Tensor, shares: Tensor) -> Tensor:
    mass = shares @ teacher
    return (shares @ (teacher * losses)) / mass.masked_fill(mass == 0, torch.nan)


def _check_errors(*errors: Tensor) -> None:
    if any(error.ndim != 1 or error.shape != errors[0].shape for error in errors):
        raise ValueError(f"errors must share one shape (C,), got {', '.join(str(tuple(e.shape)) for e in errors)}")


def _check_number(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be finite and not negative, got {value}")
