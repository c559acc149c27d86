"""How far chance alone may have moved a recall, or the difference of two."""

import torch
from torch import Tensor

from evendistill.maths.quantiles import two_sided_quantile
from evendistill.maths.shares import wilson_ends


def wilson_interval(correct: Tensor, total: Tensor, *, level: float = 0.95) -> tuple[Tensor, Tensor]:
    r"""Wilson's score interval for a share, which stays inside [0, 1] and is honest for few examples.

    .. math:: \frac{\hat p + z^2/2n \pm z \sqrt{\hat p (1 - \hat p)/n + z^2/4n^2}}{1 + z^2/n}

    Source: Wilson 1927.

    Args:
        correct: ``(C,)`` counts of successes.
        total: ``(C,)`` counts of trials.
        level: coverage in (0, 1).

    Returns:
        ``(lower, upper)``, both ``(C,)`` float64, NaN where there are no trials.

    Raises:
        ValueError: if ``level`` is not in (0, 1).

    Example:
        >>> wilson_interval(torch.tensor([9]), torch.tensor([10]))
        (tensor([0.5958], dtype=torch.float64), tensor([0.9821], dtype=torch.float64))
    """
    z = two_sided_quantile(level)
    trials = total.double().masked_fill(total == 0, torch.nan)
    share = correct / trials
    lower, upper = wilson_ends(share, trials, z)
    return lower.clamp_min(0), upper.clamp_max(1)


def paired_interval(gained: Tensor, lost: Tensor, count: Tensor, *, level: float = 0.95) -> tuple[Tensor, Tensor]:
    r"""Adjusted Wald interval of the difference between two shares of the same examples, (gained - lost) / count.

    Half an example is added to each cell of the two by two table, so b = gained + 1/2, c = lost + 1/2, n = count + 2:

    .. math:: \frac{b - c}{n} \pm \frac{z}{n} \sqrt{b + c - \frac{(b - c)^2}{n}}

    cut off at -1 and 1.

    Source: Agresti and Min 2005, there called Wald+2.

    Args:
        gained: ``(C,)`` examples that only the first of the two has; fractions are welcome.
        lost: ``(C,)`` examples that only the second has.
        count: ``(C,)`` examples in all.
        level: coverage in (0, 1).

    Returns:
        ``(lower, upper)``, both ``(C,)`` float64, NaN where there are no examples.

    Raises:
        ValueError: if ``level`` is not in (0, 1), shapes differ, a number is negative, or more examples are gained and
            lost than there are; names the first class.

    Example:
        >>> paired_interval(torch.tensor([20]), torch.tensor([40]), torch.tensor([160]))
        (tensor([-0.2160], dtype=torch.float64), tensor([-0.0309], dtype=torch.float64))
    """
    z = two_sided_quantile(level)
    if not gained.shape == lost.shape == count.shape or gained.ndim != 1:
        shapes = " and ".join(str(tuple(each.shape)) for each in (gained, lost, count))
        raise ValueError(f"gained, lost and count must share one shape (C,), got {shapes}")
    wrong = (~((gained >= 0) & (lost >= 0) & (gained + lost <= count))).nonzero()
    if len(wrong):
        row = int(wrong[0])
        told = f"gained {gained[row].item():g} and lost {lost[row].item():g} of {count[row].item():g}"
        raise ValueError(f"gained and lost must be at least 0 and together at most count, class {row} {told}")
    trials = count.double().masked_fill(count == 0, torch.nan) + 2
    difference = gained.double() - lost.double()
    spread = z * (gained + lost + 1 - difference**2 / trials).sqrt()
    return ((difference - spread) / trials).clamp_min(-1), ((difference + spread) / trials).clamp_max(1)
