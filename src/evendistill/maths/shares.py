"""How far chance may have moved a share of examples, or the difference of two, without tensors."""

import math
from typing import TYPE_CHECKING, TypeVar, cast

from evendistill.maths.quantiles import two_sided_quantile

if TYPE_CHECKING:
    from torch import Tensor

Number = TypeVar("Number", float, "Tensor")


def wilson_ends(share: Number, count: Number, z: float) -> tuple[Number, Number]:
    r"""Ends of Wilson's score interval for one share, or for as many as a tensor holds.

    .. math:: \frac{\hat p + z^2/2n \pm z \sqrt{\hat p (1 - \hat p)/n + z^2/4n^2}}{1 + z^2/n}

    They lie in [0, 1] but for rounding. Source: Wilson 1927.

    Args:
        share: p, in [0, 1].
        count: n, above 0.
        z: quantile of the standard normal law.
    """
    centre = share + z**2 / (2 * count)
    spread = z * cast(Number, (share * (1 - share) / count + z**2 / (4 * count**2)) ** 0.5)
    scale = 1 + z**2 / count
    return (centre - spread) / scale, (centre + spread) / scale


def newcombe_interval(ours: float, theirs: float, examples: int, *, level: float = 0.95) -> tuple[float, float]:
    r"""Interval of the difference of two shares of ``examples`` each, from the Wilson interval (l, u) of either.

    .. math:: \hat p - \hat q - \sqrt{(\hat p - l_p)^2 + (u_q - \hat q)^2}, \quad
              \hat p - \hat q + \sqrt{(u_p - \hat p)^2 + (\hat q - l_q)^2}

    It takes the two for samples apart. Two networks err together on hard examples, so on the same examples it is too
    wide rather than too narrow; which examples those are need not be known.

    Source: Newcombe 1998, method 10.

    Args:
        ours: p, in [0, 1].
        theirs: q.
        examples: at least 1.
        level: coverage in (0, 1).

    Raises:
        ValueError: if ``level`` is not in (0, 1).

    Example:
        >>> lower, upper = newcombe_interval(56 / 70, 48 / 70, 70)
        >>> round(lower, 4), round(upper, 4)
        (-0.0308, 0.2535)
    """
    z = two_sided_quantile(level)
    (low, high), (other_low, other_high) = (wilson_ends(share, examples, z) for share in (ours, theirs))
    apart = ours - theirs
    return apart - math.hypot(ours - low, other_high - theirs), apart + math.hypot(high - ours, theirs - other_low)
