"""Losses of a scorer against a distribution over classes: one value per example, never reduced."""

import torch
import torch.nn.functional as F
from torch import Tensor

NO_LABEL = -(2**31)


def check_scores(scores: Tensor) -> None:
    """Raise ``ValueError`` unless ``scores`` is a floating ``(B, C)`` tensor with at least two columns."""
    if scores.ndim != 2 or not scores.is_floating_point() or scores.shape[1] < 2:
        raise ValueError(
            f"scores must be floating of shape (B, C) with C >= 2, got {scores.dtype} {tuple(scores.shape)}"
        )


def as_distribution(targets: Tensor, scores: Tensor) -> Tensor:
    """Targets as rows of class probabilities: ``(B, C)`` stays as it is, integer labels ``(B,)`` become one-hot rows.

    Args:
        targets: ``(B, C)`` floating, or ``(B,)`` integer labels.
        scores: ``(B, C)``, which gives the shape, the device and the dtype of one-hot rows.

    Raises:
        ValueError: if the shapes do not belong together.
    """
    if _are_labels(targets, scores):
        return F.one_hot(targets.long(), scores.shape[1]).to(scores.dtype)
    if targets.shape != scores.shape or not targets.is_floating_point():
        raise ValueError(
            f"targets must be floating of shape {tuple(scores.shape)} or integer labels of shape ({len(scores)},), "
            f"got {targets.dtype} {tuple(targets.shape)}"
        )
    return targets


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision widened to float32; all else stays as it is."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def label_losses(scores: Tensor) -> Tensor:
    r"""Cross-entropy that each example would pay under each possible label.

    .. math:: \ell(y, f(x)) = -\log \frac{\exp f_y(x)}{\sum_j \exp f_j(x)}

    Args:
        scores: ``(B, C)`` floating, unnormalised log-probabilities. Half precision is computed in float32, float64
            stays float64.

    Returns:
        ``(B, C)`` non-negative losses; column ``y`` is the loss against label ``y``.

    Raises:
        ValueError: if ``scores`` is not a floating ``(B, C)`` tensor.

    Example:
        >>> label_losses(torch.zeros(1, 4)).exp()  # a uniform scorer: C everywhere
        tensor([[4., 4., 4., 4.]])
    """
    check_scores(scores)
    return -F.log_softmax(at_least_float32(scores), dim=-1)


def margin_loss(
    scores: Tensor, targets: Tensor, costs: Tensor | None = None, *, log_costs: Tensor | None = None
) -> Tensor:
    r"""Softmax cross-entropy on scores from which the log class costs are taken: dear classes get wide margins.

    .. math::
        L(p, f; c) = \sum_y p_y \log\Bigl(1 + \sum_{j \ne y} e^{\log(c_y / c_j) - (f_y - f_j)}\Bigr)
                   = -\sum_y p_y \log \mathrm{softmax}_y(f - \log c)

    The factor 1/m that Wang et al. print before the sum is left out: it would only scale the gradients against the
    weight decay. Costs matter up to a common factor. Targets need not sum to one.

    Source: Wang et al. 2023, section 3.1 and appendix A.3; the official code of Narasimhan and Menon 2021 has no 1/m.

    Args:
        scores: ``(B, C)`` floating, the raw scores f.
        targets: ``(B, C)`` distribution p of each example, or ``(B,)`` integer labels.
        costs: ``(C,)``, or ``(B, C)`` for costs of each example, all positive.
        log_costs: the same in log space, for costs beyond the range of the dtype. Give exactly one of the two.

    Returns:
        ``(B,)`` losses, in float32 or better.

    Raises:
        ValueError: if shapes do not fit, if both or none of the costs are given, or if a cost is not positive.

    Example:
        >>> scores, targets = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 1.0]])
        >>> margin_loss(scores, targets, torch.tensor([1.0, 1.0]))
        tensor([2.1269])
        >>> margin_loss(scores, targets, torch.tensor([1.0, 4.0]))  # the second class has become dear
        tensor([3.4196])
    """
    check_scores(scores)
    log_costs = _one_log_costs(costs, log_costs, scores)
    shifted = at_least_float32(scores) - log_costs
    if _are_labels(targets, scores):  # one kernel; no label is to be ignored, whatever torch's default says
        return F.cross_entropy(shifted, targets.long(), reduction="none", ignore_index=NO_LABEL)
    return (as_distribution(targets, scores) * label_losses(shifted)).sum(dim=-1)


def weighted_loss(
    scores: Tensor, targets: Tensor, costs: Tensor | None = None, *, log_costs: Tensor | None = None
) -> Tensor:
    r"""Cross-entropy weighed by the class costs from outside, not normalised.

    .. math:: L(p, f; c) = -\sum_y c_y\, p_y \log \mathrm{softmax}_y(f)

    It has the minimiser of :func:`margin_loss` over all scorers (Wang et al. 2023, appendix A.3, Lemma 1), but a
    network that fits every training example ignores outer weights; see :func:`margin_loss`.

    Args:
        scores: ``(B, C)`` floating, the raw scores f.
        targets: ``(B, C)`` distribution p of each example, or ``(B,)`` integer labels.
        costs: ``(C,)`` or ``(B, C)``, non-negative.
        log_costs: the same in log space. Give exactly one of the two.

    Returns:
        ``(B,)`` losses, in float32 or better.

    Raises:
        ValueError: if shapes do not fit, if both or none of the costs are given, or if a cost is negative.
    """
    check_scores(scores)
    if costs is None and log_costs is not None:
        costs = log_costs.exp()  # not looked into: this is the hot path, and no logarithm is of a negative cost
    elif costs is None or log_costs is not None:
        raise ValueError("give exactly one of costs and log_costs")
    elif not bool((costs >= 0).all()):
        raise ValueError(f"costs must be non-negative, the least is {costs.min().item():g}")
    _check_cost_shape(costs, scores)
    return (costs * as_distribution(targets, scores) * label_losses(scores)).sum(dim=-1)


def _are_labels(targets: Tensor, scores: Tensor) -> bool:
    return targets.ndim == 1 and not targets.is_floating_point() and len(targets) == len(scores)


def _one_log_costs(costs: Tensor | None, log_costs: Tensor | None, scores: Tensor) -> Tensor:
    if costs is None and log_costs is not None:
        _check_cost_shape(log_costs, scores)
        return log_costs  # not looked into: this is the hot path, and every real number is a log cost
    if costs is None or log_costs is not None:
        raise ValueError("give exactly one of costs and log_costs")
    _check_cost_shape(costs, scores)
    if not bool((costs > 0).all()):
        raise ValueError(f"costs must be positive, the least is {costs.min().item():g}; log_costs know no underflow")
    return at_least_float32(costs).log()


def _check_cost_shape(costs: Tensor, scores: Tensor) -> None:
    if costs.shape not in (scores.shape, scores.shape[1:]):
        raise ValueError(
            f"costs must be of shape ({scores.shape[1]},) or {tuple(scores.shape)}, got {tuple(costs.shape)}"
        )
