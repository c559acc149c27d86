"""Reliability of each class's probability, by bins; and what it bounds of the calibration term from below."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

CLASSES_AT_ONCE = 64  # float64 columns in memory at once: 50,000 rows of a thousand classes would take gigabytes
HALVINGS = 30


@dataclass(frozen=True, eq=False)
class Reliability:
    """Bins of each class's own probability; of B bins those that no example falls into have count 0.

    Attributes:
        count: ``(B, C)`` examples in each bin.
        confidence: ``(B, C)`` mean probability there.
        spread: ``(B, C)`` variance of the probability there.
        frequency: ``(B, C)`` share of examples of the class there.
    """

    count: Tensor
    confidence: Tensor
    spread: Tensor
    frequency: Tensor

    @property
    def shares(self) -> Tensor:
        """``(B, C)`` of the examples in each bin, columns that sum to one."""
        return self.count / self.count.sum(dim=0)

    @property
    def marginals(self) -> Tensor:
        """``(C,)`` mean probability of each class."""
        return (self.shares * self.confidence).sum(dim=0)

    @property
    def priors(self) -> Tensor:
        """``(C,)`` share of the examples that are of each class."""
        return (self.shares * self.frequency).sum(dim=0)

    @property
    def expected_error(self) -> Tensor:
        r"""``(C,)`` class-wise expected calibration error, :math:`\sum_b w_b |\bar p_b - \bar y_b|`."""
        return (self.shares * (self.confidence - self.frequency).abs()).sum(dim=0)

    @property
    def gaps(self) -> Tensor:
        """``(B, C)`` what a class's probability and its frequency differ by, each over its own mean."""
        return self.confidence / self.marginals - self.frequency / self.priors

    @property
    def noise(self) -> Tensor:
        """``(B, C)`` standard error of the gaps, from the counts alone."""
        count = self.count.clamp_min(1)
        # (k + 1/2) / (n + 1): a bin without one example of the class is not certain that there are none
        smoothed = (self.frequency * count + 0.5) / (count + 1)
        labels = smoothed * (1 - smoothed) / count / self.priors**2
        return (labels + self.spread / count / self.marginals**2).sqrt()


def reliability(probabilities: Tensor, labels: Tensor, *, bins: int = 15) -> Reliability:
    """Sort each class's probabilities into bins of (nearly) equal numbers; equal probabilities share a bin.

    Args:
        probabilities: ``(N, C)``.
        labels: ``(N,)`` integers.
        bins: B, at least 1.

    Raises:
        ValueError: if there are no bins.
    """
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    parts = []
    for start in range(0, probabilities.shape[1], CLASSES_AT_ONCE):
        columns = probabilities[:, start : start + CLASSES_AT_ONCE].double()
        truth = labels.unsqueeze(1) == torch.arange(start, start + columns.shape[1])
        parts.append(_binned(columns, truth.double(), bins))
    return Reliability(*(torch.cat(each, dim=1) for each in zip(*parts, strict=True)))


def _binned(columns: Tensor, truth: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    ordered = columns.sort(dim=0).values
    cuts = torch.arange(1, bins) * len(ordered) // bins
    place = torch.searchsorted(ordered[cuts].T.contiguous(), columns.T.contiguous(), right=True).T

    def sums(values: Tensor) -> Tensor:
        return values.new_zeros(bins, values.shape[1]).scatter_add_(0, place, values)

    count = sums(torch.ones_like(columns))
    some = count.clamp_min(1)
    confidence = sums(columns) / some
    spread = (sums(columns**2) / some - confidence**2).clamp_min(0)
    return count, confidence, spread, sums(truth) / some


def binned_calibration(found: Reliability, *, debiased: bool = True) -> Tensor:
    r"""Lower bound of the calibration term of Theorem 2, from scores and labels alone.

    .. math:: \sum_b w_b \left| \frac{\bar p_b}{\pi^t_y} - \frac{\bar y_b}{\pi_y} \right|
              \;\le\; \mathbb{E} \left| \frac{p_y}{\pi^t_y} - \frac{\eta_y}{\pi_y} \right|

    The right side is not identifiable from scores and labels: two worlds with the same scores and labels may differ in
    it. The left side conditions on the bin of the class's own probability. Its plain estimate is too high where bins
    are small, since noise has no sign; debiased, each bin's gap is the one whose mean observed size, noise included,
    would be what was observed (the mean of a folded normal inverted), and 0 if noise alone explains it. Ours.

    Args:
        found: bins of the scores.
        debiased: take the noise out.

    Returns:
        ``(C,)`` in [0, 2].
    """
    gaps = found.gaps.abs()
    return (found.shares * (_without_noise(gaps, found.noise) if debiased else gaps)).sum(dim=0)


def _without_noise(sizes: Tensor, noise: Tensor) -> Tensor:
    """The m >= 0 for which |N(m, noise^2)| has these mean sizes; 0 where there is none."""
    low, high = torch.zeros_like(sizes), sizes.clone()
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        is_low = _folded_mean(middle, noise) < sizes
        low, high = torch.where(is_low, middle, low), torch.where(is_low, high, middle)
    return low


def _folded_mean(mean: Tensor, noise: Tensor) -> Tensor:
    ratio = mean / noise.clamp_min(torch.finfo(noise.dtype).tiny)
    return noise * math.sqrt(2 / math.pi) * (-(ratio**2) / 2).exp() + mean * torch.erf(ratio / math.sqrt(2))


def resampled_calibration(
    found: Reliability, *, level: float, replicates: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Bootstrap interval of :func:`binned_calibration`, each bin's frequency and mean drawn anew.

    The basic interval: what resampling adds on one side is taken off on the other, since noise only ever adds. It is
    stretched to hold the estimate, which near zero it may miss.

    Args:
        found: bins of the scores.
        level: coverage in (0, 1).
        replicates: how often to draw.
        generator: to draw from.

    Returns:
        ``(lower, upper)``, both ``(C,)`` and not below zero.

    Raises:
        ValueError: if ``level`` or ``replicates`` is out of range.
    """
    if not 0 < level < 1 or replicates < 2:
        raise ValueError(f"level must lie in (0, 1) and replicates be at least 2, got {level} and {replicates}")
    plain = binned_calibration(found)
    drawn = torch.stack([binned_calibration(_drawn(found, generator)) for _ in range(replicates)])
    tails = torch.tensor([(1 + level) / 2, (1 - level) / 2], dtype=drawn.dtype)
    high, low = drawn.nanquantile(tails, dim=0)  # a draw may leave a class without examples
    return (2 * plain - high).clamp_min(0).minimum(plain), (2 * plain - low).maximum(plain)


def _drawn(found: Reliability, generator: torch.Generator) -> Reliability:
    frequency = torch.binomial(found.count, found.frequency, generator=generator) / found.count.clamp_min(1)
    noise = torch.randn(found.count.shape, generator=generator, dtype=found.count.dtype)
    confidence = (found.confidence + noise * (found.spread / found.count.clamp_min(1)).sqrt()).clamp_min(0)
    return Reliability(found.count, confidence, found.spread, frequency)
