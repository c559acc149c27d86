"""How far chance alone may have moved the least of many recalls; in NumPy, for reports that need no tensors."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evendistill.maths.quantiles import two_sided_quantile


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


def worst_class_interval(correct: Sequence[float], total: Sequence[int], *, level: float = 0.95) -> WorstClassInterval:
    r"""Class-stratified bootstrap of the least recall, exactly: what infinitely many resampled data sets would say.

    Drawing the :math:`n_c` examples of a class with replacement makes its successes binomial, so the least share has

    .. math:: P(\min_c B_c / n_c > x) = \prod_c P(B_c > x n_c), \qquad B_c \sim \mathrm{Bin}(n_c, k_c / n_c),

    and nothing need be drawn. The ends are the least values whose distribution function reaches either tail.

    Source: the percentile bootstrap of Efron 1979; that its law is summed in place of simulated is ours.

    Args:
        correct: ``(C,)`` examples of each class recognised; fractions are welcome.
        total: ``(C,)`` examples of each class; classes without any are left out.
        level: coverage in (0, 1).

    Raises:
        ValueError: if ``level`` is not in (0, 1) or no class has examples.

    Example:
        >>> worst_class_interval([45, 38], [50, 50]).lower
        0.64
    """
    two_sided_quantile(level)
    tail = (1 - level) / 2
    counts = np.asarray(total)
    present = counts > 0
    if not present.any():
        raise ValueError("there are no examples to resample")
    counts = counts[present].astype(np.int64)
    shares = np.asarray(correct, dtype=np.float64)[present] / counts
    values, factors = [], []
    for (share, count), classes in Counter(zip(shares.tolist(), counts.tolist(), strict=True)).items():
        values.append(np.arange(count + 1) / count)
        factors.append(classes * _log_survivals(share, count))
    order = np.argsort(points := np.concatenate(values), kind="stable")
    points, above = points[order], np.exp(np.cumsum(np.concatenate(factors)[order]))  # P(least > point)
    lower, upper = (float(points[np.argmax(above <= 1 - level)]) for level in (tail, 1 - tail))
    mean = points @ -np.diff(above, prepend=1.0)
    estimate = float(shares.min())
    return WorstClassInterval(estimate, lower, upper, float(mean) - estimate)


def _log_survivals(share: float, count: int) -> np.ndarray:
    """``log P(B > j | B >= j)`` of a binomial for each j from 0 to ``count``; minus infinity where it cannot be."""
    successes = np.arange(count + 1)
    if share in (0.0, 1.0):
        law = (successes == share * count).astype(np.float64)
    else:
        factorials = np.concatenate([[0.0], np.cumsum(np.log(successes[1:]))])
        logs = successes * np.log(share) + (count - successes) * np.log1p(-share)
        law = np.exp(factorials[-1] - factorials - factorials[::-1] + logs)
    at_least = np.append(np.cumsum(law[::-1])[::-1], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(at_least[1:] > 0, np.log(at_least[1:]) - np.log(at_least[:-1]), -np.inf)
