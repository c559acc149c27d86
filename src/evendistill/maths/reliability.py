"""Reliability of each class's probability, by bins; and what it bounds of the calibration term from below."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

CLASSES_AT_ONCE = 64  # float64 columns in memory at once: 50,000 rows of a thousand classes would take gigabytes
HALVINGS = 30
DRAWN_AT_ONCE = 25


@dataclass(frozen=True, eq=False)
class Reliability:
    """Bins of each class's own probability; of B bins those that no example falls into have count 0.

    Before B there may be further dimensions, for bins that were drawn anew.

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
        return self.count / self.count.sum(dim=-2, keepdim=True)

    @property
    def marginals(self) -> Tensor:
        """``(C,)`` mean probability of each class."""
        return (self.shares * self.confidence).sum(dim=-2)

    @property
    def priors(self) -> Tensor:
        """``(C,)`` share of the examples that are of each class."""
        return (self.shares * self.frequency).sum(dim=-2)

    @property
    def expected_error(self) -> Tensor:
        r"""``(C,)`` class-wise expected calibration error, :math:`\sum_b w_b |\bar p_b - \bar y_b|`."""
        return (self.shares * (self.confidence - self.frequency).abs()).sum(dim=-2)

    @property
    def gaps(self) -> Tensor:
        """``(B, C)`` what a class's probability and its frequency differ by, each over its own mean."""
        return self.confidence / self.marginals.unsqueeze(-2) - self.frequency / self.priors.unsqueeze(-2)

    @property
    def noise(self) -> Tensor:
        """``(B, C)`` standard error of the gaps, from the counts alone."""
        count = self.count.clamp_min(1)
        # (k + 1/2) / (n + 1): a bin without one example of the class is not certain that there are none
        smoothed = (self.frequency * count + 0.5) / (count + 1)
        labels = smoothed * (1 - smoothed) / count / self.priors.unsqueeze(-2) ** 2
        return (labels + self.spread / count / self.marginals.unsqueeze(-2) ** 2).sqrt()


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
        rows = probabilities[:, start : start + CLASSES_AT_ONCE].T.contiguous().double()  # sorting wants neighbours
        truth = torch.arange(start, start + len(rows)).unsqueeze(1) == labels
        parts.append(_binned(rows, truth.double(), bins))
    return Reliability(*(torch.cat(each).T for each in zip(*parts, strict=True)))


def _binned(rows: Tensor, truth: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Count, mean, variance and share of the class in each bin, ``(C, B)``, from ``(C, N)``."""
    cuts = torch.arange(1, bins) * rows.shape[1] // bins
    edges = rows.sort(dim=1).values[:, cuts].contiguous()
    place = torch.searchsorted(edges, rows, right=True)

    def sums(values: Tensor) -> Tensor:
        return values.new_zeros(len(values), bins).scatter_add_(1, place, values)

    count = sums(torch.ones_like(rows))
    some = count.clamp_min(1)
    confidence = sums(rows) / some
    spread = (sums(rows**2) / some - confidence**2).clamp_min(0)
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
    return (found.shares * (_without_noise(gaps, found.noise) if debiased else gaps)).sum(dim=-2)


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
    # all at once, some at a time: a thousand small tensors would cost more in starting than in computing
    rounds = [min(DRAWN_AT_ONCE, replicates - start) for start in range(0, replicates, DRAWN_AT_ONCE)]
    drawn = torch.cat([binned_calibration(_drawn(found, count, generator)) for count in rounds])
    tails = torch.tensor([(1 + level) / 2, (1 - level) / 2], dtype=drawn.dtype)
    high, low = drawn.nanquantile(tails, dim=0)  # a draw may leave a class without examples
    return (2 * plain - high).clamp_min(0).minimum(plain), (2 * plain - low).maximum(plain)


def _drawn(found: Reliability, replicates: int, generator: torch.Generator) -> Reliability:
    """The same bins so many times over, ``(R, B, C)``."""
    count, often = (each.expand(replicates, -1, -1) for each in (found.count, found.frequency))
    frequency = torch.binomial(count.contiguous(), often.contiguous(), generator=generator) / count.clamp_min(1)
    noise = torch.randn(count.shape, generator=generator, dtype=count.dtype)
    confidence = (found.confidence + noise * (found.spread / found.count.clamp_min(1)).sqrt()).clamp_min(0)
    return Reliability(count, confidence, found.spread, frequency)
