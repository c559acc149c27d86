"""Standard, balanced, robust and everything between: one margin loss under one vector of class costs."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from evendistill.maths.losses import margin_loss
from evendistill.objectives.multipliers import Multipliers

Base = Literal["balanced", "standard"]


def trade_off_log_costs(log_weights: Tensor, log_priors: Tensor, *, alpha: float, base: Base = "balanced") -> Tensor:
    r"""Log class costs of the trade-off between a base objective and the worst class, centred on zero.

    .. math::
        \log c_y = \log\bigl((1 - \alpha)\, b_y + \alpha \lambda_y\bigr) - \log \pi_y,
        \qquad b_y = 1/m \text{ (balanced) or } \pi_y \text{ (standard)}

    Source: Wang et al. 2023, Algorithm 2, for the balanced base; the standard base is derived here the same way, the
    paper names it without an algorithm.

    Args:
        log_weights: ``(C,)`` log multipliers.
        log_priors: ``(C,)`` log of the mean of the targets over the training set.
        alpha: 0 is the base alone, 1 the worst class alone.
        base: what alpha trades the worst class against.

    Returns:
        ``(C,)`` log costs with mean zero, finite wherever the inputs are.
    """
    if base == "balanced":
        log_base = torch.full_like(log_priors, -math.log(len(log_priors)))
    else:
        log_base = log_priors
    mixed = torch.logaddexp(log_base + _log(1 - alpha), log_weights + _log(alpha))
    log_costs = mixed - log_priors
    return log_costs - log_costs.mean()


def _log(share: float) -> float:
    return math.log(share) if share > 0 else -math.inf


@dataclass(frozen=True)
class TradeOff:
    r"""Trade-off between a base objective and the worst class.

    .. math:: L(f) = (1 - \alpha)\, L^{base}(f) + \alpha\, L^{rob}(f)

    Source: Wang et al. 2023, equations 4 and 8.

    Args:
        alpha: in [0, 1]; 0 is the base, 1 the worst class.
        base: "balanced" (the papers') or "standard" (ours, derived). It has no say at alpha 1 and reads "balanced".

    Raises:
        ValueError: if ``alpha`` or ``base`` is none of these.
    """

    alpha: float
    base: Base = "balanced"

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1], got {self.alpha}")
        if self.base not in ("balanced", "standard"):
            raise ValueError(f"base must be 'balanced' or 'standard', got {self.base!r}")
        object.__setattr__(self, "alpha", float(self.alpha))
        if self.alpha == 1:
            object.__setattr__(self, "base", "balanced")

    @property
    def is_adversarial(self) -> bool:
        """Whether the worst class has a say."""
        return self.alpha > 0

    def bind(self, log_priors: Tensor, *, step_size: float) -> "MarginObjective":
        """Make the objective for targets whose mean over the training set is ``exp(log_priors)``, ``(C,)``."""
        return MarginObjective(log_priors, alpha=self.alpha, base=self.base, step_size=step_size)


def Standard() -> TradeOff:
    """The average over examples, equations 1 and 5: trade-off 0 on the standard base, where every cost is equal."""
    return TradeOff(0.0, base="standard")


def Balanced() -> TradeOff:
    """The average over classes, equations 2 and 6: trade-off 0 on the balanced base."""
    return TradeOff(0.0)


def Robust() -> TradeOff:
    """The worst class, equations 3 and 7: trade-off 1."""
    return TradeOff(1.0)


class MarginObjective(nn.Module):
    """Mean margin loss under the costs of a trade-off, with the multipliers that move them.

    Args:
        log_priors: ``(C,)`` log of the mean of the targets over the training set.
        alpha: in [0, 1].
        base: what alpha trades the worst class against.
        step_size: of the multipliers; Algorithm 2 multiplies it by alpha.

    Raises:
        ValueError: if a class has no prior, naming it, or an argument is out of range.
    """

    log_priors: Tensor
    log_costs: Tensor

    def __init__(self, log_priors: Tensor, *, alpha: float, base: Base = "balanced", step_size: float = 0.1) -> None:
        super().__init__()
        if not bool(log_priors.isfinite().all()):
            raise ValueError(f"class {int(log_priors.isfinite().int().argmin())} has no mass in the training targets")
        self.alpha = alpha
        self.base: Base = base
        self.multipliers = Multipliers(len(log_priors), step_size)
        self.register_buffer("log_priors", log_priors.detach().to(self.multipliers.log_weights, copy=True))
        self.register_buffer("log_costs", self._log_costs())

    @property
    def is_adversarial(self) -> bool:
        """Whether the multipliers have a say."""
        return self.alpha > 0

    @property
    def weights(self) -> Tensor:
        """The multipliers, ``(C,)``."""
        return self.multipliers.weights

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Mean margin loss of scores ``(B, C)`` against targets ``(B, C)`` or ``(B,)``; costs get no gradient."""
        return margin_loss(scores, targets, log_costs=self.log_costs).mean()

    @torch.no_grad()
    def ascend(self, errors: Tensor) -> None:
        """Algorithm 2: one step of ``alpha * step_size`` along held-out class errors ``(C,)``, then mix anew."""
        if not self.is_adversarial:
            return
        self.multipliers.ascend(errors, scale=self.alpha)
        self.log_costs.copy_(self._log_costs())

    def _log_costs(self) -> Tensor:
        return trade_off_log_costs(self.multipliers.log_weights, self.log_priors, alpha=self.alpha, base=self.base)
