"""What distillation did to each class on average over seeds, and how far two kinds of chance may have moved it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evendistill.distillation.effects import Effects, share, spearman_of
from evendistill.maths.intervals import paired_interval
from evendistill.maths.quantiles import student_t_quantile
from evendistill.maths.rank_correlation import RankCorrelation


@dataclass(frozen=True, eq=False)
class EffectsOverSeeds:
    """The mean of :class:`evendistill.distillation.effects.Effects` over seeds, paired by seed.

    Two kinds of chance have intervals of their own. That over seeds says whether other trainings would gain as well on
    these test examples; a few seeds may by chance agree exactly on a class of few examples, and it is then empty. That
    over examples says whether other test examples would show it. What lies beyond noise lies beyond both.

    Attributes:
        seeds: how many.
        recalls: ``(3, C)`` mean recalls of teacher, student and the student alone.
        gain: ``(C,)`` mean gain.
        lower: ``(C,)`` lower end of its Student t interval over seeds; NaN with a single seed.
        upper: ``(C,)`` upper end.
        lower_over_examples: ``(C,)`` lower end of its paired interval over test examples, of mean counts; too wide
            rather than too narrow, for it takes the seeds for one another's copies.
        upper_over_examples: ``(C,)`` upper end.
        teacher_errors: ``(C,)`` errors of the teachers of all seeds together.
        inherited: ``(C,)`` share of them on which the student of the seed gives the same wrong class.
        inherited_alone: ``(C,)`` the same of the student alone.
        inheritance: mean share of inherited errors among all errors of the teacher; NaN if a teacher makes none.
        inheritance_alone: the same of the student alone.
        inheritance_gap: mean difference of the two.
        inheritance_lower: lower end of its Student t interval over seeds; with a single seed of its paired interval.
        inheritance_upper: upper end.
        beyond_noise: ``(C,)`` int64: 1 where the gain is positive beyond noise, -1 where it is negative, else 0.
        amplified: ``(C,)`` bool: classes that lose beyond noise and have a lower mean recall than with the teacher.
        worst_k: ``(3, C')`` mean over seeds of the mean of the k least recalls.
        margins: ``(C,)`` the teachers' mean average margins; None if a seed has none.
        margin_correlation: Spearman's correlation of these margins and gains; None where there is none.
        level: coverage of the intervals.
    """

    seeds: int
    recalls: Tensor
    gain: Tensor
    lower: Tensor
    upper: Tensor
    lower_over_examples: Tensor
    upper_over_examples: Tensor
    teacher_errors: Tensor
    inherited: Tensor
    inherited_alone: Tensor
    inheritance: float
    inheritance_alone: float
    inheritance_gap: float
    inheritance_lower: float
    inheritance_upper: float
    beyond_noise: Tensor
    amplified: Tensor
    worst_k: Tensor
    margins: Tensor | None
    margin_correlation: RankCorrelation | None
    level: float


def over_seeds(seeds: Sequence[Effects]) -> EffectsOverSeeds:
    r"""Average the effects of several seeds; gains are paired, since student and student alone share a seed.

    .. math::
        \bar g_y \pm t_{(1 + \mathrm{level})/2,\, S - 1}\, \sqrt{\frac{\sum_s (g_{sy} - \bar g_y)^2}{S\, (S - 1)}}

    cut off at -1 and 1.

    Args:
        seeds: effects of each seed, S of them, of the same classes at the same level.

    Raises:
        ValueError: if there are none, or classes or levels differ.
    """
    _check_alike(seeds)
    level = seeds[0].level
    gain, lower, upper = _mean_interval(torch.stack([each.gain for each in seeds]), level)
    counts = (_mean([getattr(each, name) for each in seeds]) for name in ("gained", "lost", "total"))
    examples = paired_interval(*counts, level=level)
    recalls = _mean([each.recalls for each in seeds])
    beyond = _sign(*examples)
    if len(seeds) > 1:
        beyond = beyond * (beyond == _sign(lower, upper))
    margins = [each.margins for each in seeds if each.margins is not None]
    known = _mean(margins) if len(margins) == len(seeds) else None
    return EffectsOverSeeds(
        seeds=len(seeds),
        recalls=recalls,
        gain=gain,
        lower=lower,
        upper=upper,
        lower_over_examples=examples[0],
        upper_over_examples=examples[1],
        **_inheritance(seeds),
        beyond_noise=beyond,
        amplified=(beyond < 0) & (recalls[1] < recalls[0]),
        worst_k=_mean([each.worst_k for each in seeds]),
        margins=known,
        margin_correlation=spearman_of(known, gain, level),
        level=level,
    )


def _check_alike(seeds: Sequence[Effects]) -> None:
    if not seeds:
        raise ValueError("there are no effects to average")
    first = seeds[0]
    for position, each in enumerate(seeds):
        if each.level != first.level:
            raise ValueError(f"seed {position} has level {each.level}, the first has {first.level}")
        if len(each.total) != len(first.total) or not torch.equal(each.total > 0, first.total > 0):
            raise ValueError(f"seed {position} has examples of other classes than the first")


def _mean(rows: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(rows)).double().mean(dim=0)


def _mean_interval(rows: Tensor, level: float) -> tuple[Tensor, Tensor, Tensor]:
    """Mean of differences of shares over the first dimension with its Student t interval; NaN for a single row."""
    mean, count = rows.mean(dim=0), len(rows)
    if count == 1:
        return mean, torch.full_like(mean, torch.nan), torch.full_like(mean, torch.nan)
    spread = student_t_quantile((1 + level) / 2, count - 1) * rows.std(dim=0) / count**0.5
    return mean, (mean - spread).clamp_min(-1), (mean + spread).clamp_max(1)  # no share differs by more


def _sign(lower: Tensor, upper: Tensor) -> Tensor:
    """1 where an interval lies above zero, -1 where it lies below, else 0."""
    return (lower > 0).long() - (upper < 0).long()


def _inheritance(seeds: Sequence[Effects]) -> dict[str, Any]:
    """Fields of :class:`EffectsOverSeeds` about the teachers' errors; a teacher makes too few on a class for a mean."""
    errors = torch.stack([each.teacher_errors for each in seeds])
    pooled = {
        name: share(torch.stack([getattr(each, name) for each in seeds]).nan_to_num().mul(errors).sum(0), errors.sum(0))
        for name in ("inherited", "inherited_alone")
    }
    totals = {
        name: statistics.fmean(getattr(each, name) for each in seeds)
        for name in ("inheritance", "inheritance_alone", "inheritance_gap")
    }
    ends = seeds[0].inheritance_lower, seeds[0].inheritance_upper
    if len(seeds) > 1:
        gaps = torch.tensor([each.inheritance_gap for each in seeds], dtype=torch.float64)
        _, *found = _mean_interval(gaps, seeds[0].level)
        ends = found[0].item(), found[1].item()
    return {
        "teacher_errors": errors.sum(dim=0),
        **pooled,
        **totals,
        "inheritance_lower": ends[0],
        "inheritance_upper": ends[1],
    }
