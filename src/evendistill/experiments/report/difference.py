"""How far one thing lies above another over seeds, and whether chance of two kinds may have put it there."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from evendistill.maths.quantiles import student_t_quantile
from evendistill.maths.shares import newcombe_interval

LEVEL = 0.95
BRACKETS = f"{100 * LEVEL:g} % Student-t interval over seeds"
ALIKE = 1e-9  # seeds that differ by no more agree; what is left is rounding


@dataclass(frozen=True)
class Difference:
    """How much one thing lies above another, over seeds; a difference of shares, so none is beyond -1 and 1.

    Attributes:
        mean: of the differences.
        lower: end of the Student t interval over seeds; NaN for a single seed.
        upper: the other end.
        lower_over_examples: end of the interval over test examples; NaN where their number is not known.
        upper_over_examples: the other end.
    """

    mean: float
    lower: float = math.nan
    upper: float = math.nan
    lower_over_examples: float = math.nan
    upper_over_examples: float = math.nan

    @classmethod
    def of(cls, ours: Sequence[float], theirs: Sequence[float], *, examples: int = 0) -> "Difference":
        """From one value a seed of each, seed by seed.

        A few seeds may agree exactly by chance, which is no proof that further ones would. Where the number of examples
        is known they are then taken to spread as if each had drawn its examples anew.

        Args:
            ours: shares, one a seed.
            theirs: of the same seeds.
            examples: of which both are shares; 0 if that is not known.
        """
        apart = [one - other for one, other in zip(ours, theirs, strict=True)]
        mean, shares = statistics.fmean(apart), (statistics.fmean(ours), statistics.fmean(theirs))
        over_examples = newcombe_interval(*shares, examples, level=LEVEL) if examples else (math.nan, math.nan)
        if len(apart) < 2:
            return cls(mean, math.nan, math.nan, *over_examples)
        spread = statistics.stdev(apart)
        if spread <= ALIKE and examples:
            spread = _drawn_anew(*shares, examples)
        reach = _quantile(len(apart) - 1) * spread / math.sqrt(len(apart))
        return cls(mean, max(-1.0, mean - reach), min(1.0, mean + reach), *over_examples)

    @property
    def are_alike(self) -> bool:
        """Whether all seeds agree, so that nothing is known of their spread."""
        return self.upper - self.lower <= ALIKE

    @property
    def is_beyond_noise(self) -> bool:
        """Whether the interval over seeds leaves out 0 and, where it is known, so does that over test examples."""
        over_seeds = _sign(self.lower, self.upper)
        if not over_seeds or self.are_alike:
            return False
        is_known = not math.isnan(self.lower_over_examples)
        return not is_known or over_seeds == _sign(self.lower_over_examples, self.upper_over_examples)

    def words(self) -> str:
        """In points, with the interval over seeds."""
        if math.isnan(self.lower):
            return points(self.mean)
        within = "all seeds alike" if self.are_alike else f"{points(self.lower)} to {points(self.upper)}"
        return f"{points(self.mean)} ({within})"


def points(share: float) -> str:
    """With its sign; nothing is never minus nothing."""
    return f"{round(100 * share, 1) + 0.0:+.1f}"


def _drawn_anew(ours: float, theirs: float, count: int) -> float:
    """Standard error of a difference of two shares, adjusted as in Agresti and Caffo 2000 so that none is certain."""
    adjusted = [(count * share + 1) / (count + 2) for share in (ours, theirs)]
    return math.sqrt(sum(share * (1 - share) for share in adjusted) / (count + 2))


@cache
def _quantile(freedom: int) -> float:
    return student_t_quantile((1 + LEVEL) / 2, freedom)


def _sign(lower: float, upper: float) -> int:
    """1 where an interval lies above zero, -1 where it lies below, else 0; so for ends that are not known."""
    return (lower > 0) - (upper < 0)
