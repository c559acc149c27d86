"""How far chance alone may have moved a recall, or the least of many recalls."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import torch
from torch import Tensor


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
    z = _two_sided_quantile(level)
    trials = total.double().masked_fill(total == 0, torch.nan)
    share = correct / trials
    centre = share + z**2 / (2 * trials)
    spread = z * (share * (1 - share) / trials + z**2 / (4 * trials**2)).sqrt()
    scale = 1 + z**2 / trials
    return ((centre - spread) / scale).clamp_min(0), ((centre + spread) / scale).clamp_max(1)


@dataclass(frozen=True)
class WorstClassInterval:
    """What resampling says of the least recall.

    Attributes:
        estimate: the least recall observed.
        lower: lower end of the percentile interval.
        upper: upper end of the percentile interval.
        bias: mean of the resampled minima minus ``estimate``. The least of several noisy recalls lies below the least
            true recall on average; the bootstrap repeats that fall, so ``estimate`` is too low by about ``-bias``.
    """

    estimate: float
    lower: float
    upper: float
    bias: float


def worst_class_interval(
    correct: Tensor, total: Tensor, *, generator: torch.Generator, level: float = 0.95, replicates: int = 4000
) -> WorstClassInterval:
    """Class-stratified bootstrap of the least recall: examples are drawn anew within each class.

    Drawing n examples of a class with replacement makes its number of successes binomial, so counts are all it needs.

    Args:
        correct: ``(C,)`` examples of each class recognised.
        total: ``(C,)`` examples of each class; classes without any are left out.
        generator: source of the draws.
        level: coverage in (0, 1).
        replicates: number of resampled data sets.

    Returns:
        The percentile interval with its bias.

    Raises:
        ValueError: if ``level`` is not in (0, 1) or no class has examples.
    """
    tail = (1 - level) / 2
    _two_sided_quantile(level)
    present = total > 0
    if not bool(present.any()):
        raise ValueError("there are no examples to resample")
    trials = total[present].double()
    share = correct[present].double() / trials
    draws = torch.binomial(trials.expand(replicates, -1).clone(), share.expand(replicates, -1).clone(), generator)
    minima = (draws / trials).min(dim=1).values
    lower, upper = minima.quantile(torch.tensor([tail, 1 - tail], dtype=minima.dtype)).tolist()
    estimate = share.min().item()
    return WorstClassInterval(estimate, lower, upper, minima.mean().item() - estimate)


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
    z = _two_sided_quantile(level)
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


def _two_sided_quantile(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}")
    return NormalDist().inv_cdf((1 + level) / 2)


def student_t_quantile(level: float, freedom: int) -> float:
    r"""The value below which Student's t with ``freedom`` degrees of freedom lies with probability ``level``.

    Found by halving on the finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4, with
    :math:`\theta = \arctan(t / \sqrt{\nu})`.

    Args:
        level: in (0.5, 1).
        freedom: at least 1.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> round(student_t_quantile(0.95, 2), 4)
        2.92
    """
    if not 0.5 < level < 1 or freedom < 1:
        raise ValueError(f"level must lie in (0.5, 1) and freedom be at least 1, got {level} and {freedom}")
    low, high = 0.0, math.pi / 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if _central_probability(middle, freedom) < 2 * level - 1 else (low, middle)
    return math.sqrt(freedom) * math.tan(low)


def _central_probability(theta: float, freedom: int) -> float:
    """Probability that t lies between minus and plus ``sqrt(freedom) * tan(theta)``."""
    cosine, odd = math.cos(theta), freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for power in range(1 + odd, freedom, 2):
        total += term
        term *= cosine**2 * power / (power + 1)
    central = math.sin(theta) * total
    return 2 / math.pi * (theta + central) if odd else central
