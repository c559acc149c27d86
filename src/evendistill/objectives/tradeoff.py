"""Standard, balanced, robust and everything between: one loss under one vector of costs."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from evendistill.maths.losses import margin_loss, weighted_loss
from evendistill.objectives.multipliers import Multipliers
from evendistill.objectives.objective import NO_FACTS, Facts

Base = Literal["balanced", "standard"]
Form = Literal["margin", "weighted"]


def trade_off_log_costs(log_weights: Tensor, log_priors: Tensor, *, alpha: float, base: Base = "balanced") -> Tensor:
    r"""Log class costs of the trade-off between a base objective and the worst class, centred on zero.

    .. math::
        \log c_y = \log\bigl((1 - \alpha)\, b_y + \alpha \lambda_y\bigr) - \log \pi_y,
        \qquad b_y = 1/m \text{ (balanced) or } \pi_y \text{ (standard)}

    Source: Wang et al. 2023, Algorithm 2, for the balanced base; the standard base is derived here the same way, the
    paper names it without an algorithm.

    Args:
        log_weights: ``(C,)`` log multipliers, or of the shape of the groups.
        log_priors: the same shape, log of the mean of the targets over the training set.
        alpha: 0 is the base alone, 1 the worst class alone.
        base: what alpha trades the worst class against.

    Returns:
        Log costs of that shape with mean zero, finite wherever the inputs are.
    """
    log_costs = _of_mean_one(log_weights, log_priors, alpha, base)
    return log_costs - log_costs.mean()


def _of_mean_one(log_weights: Tensor, log_priors: Tensor, alpha: float, base: Base) -> Tensor:
    """The same, not centred: under the priors the mean of these costs is one."""
    if base == "balanced":
        log_base = torch.full_like(log_priors, -math.log(log_priors.numel()))
    else:
        log_base = log_priors
    return torch.logaddexp(log_base + _log(1 - alpha), log_weights + _log(alpha)) - log_priors


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
        form: "margin" takes the log costs from the scores, "weighted" weighs the losses from outside; see
            :func:`evendistill.maths.losses.weighted_loss` for what that is worth. Attributes as groups need the latter.

    Raises:
        ValueError: if ``alpha``, ``base`` or ``form`` is none of these.
    """

    alpha: float
    base: Base = "balanced"
    form: Form = "margin"

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1], got {self.alpha}")
        if self.base not in ("balanced", "standard"):
            raise ValueError(f"base must be 'balanced' or 'standard', got {self.base!r}")
        if self.form not in ("margin", "weighted"):
            raise ValueError(f"form must be 'margin' or 'weighted', got {self.form!r}")
        object.__setattr__(self, "alpha", float(self.alpha))
        if self.alpha == 1:
            object.__setattr__(self, "base", "balanced")

    @property
    def is_adversarial(self) -> bool:
        """Whether the worst class has a say."""
        return self.alpha > 0

    def bind(self, log_priors: Tensor, *, step_size: float, facts: Facts = NO_FACTS) -> "CostObjective":
        """Make the objective for targets whose mean over the training set is ``exp(log_priors)``."""
        return CostObjective(log_priors, alpha=self.alpha, base=self.base, form=self.form, step_size=step_size)


def Standard() -> TradeOff:
    """The average over examples, equations 1 and 5: trade-off 0 on the standard base, where every cost is equal."""
    return TradeOff(0.0, base="standard")


def Balanced() -> TradeOff:
    """The average over classes, equations 2 and 6: trade-off 0 on the balanced base."""
    return TradeOff(0.0)


def Robust() -> TradeOff:
    """The worst class, equations 3 and 7: trade-off 1."""
    return TradeOff(1.0)


def Reweighted() -> TradeOff:
    """The classical baseline: the average over classes by weights from outside, and no margin."""
    return TradeOff(0.0, form="weighted")


class CostObjective(nn.Module):
    """Mean loss under the costs of a trade-off, with the multipliers that move them.

    Where groups are attributes crossed with classes, each example is judged by the row of costs of its attribute.

    Args:
        log_priors: ``(C,)`` log of the mean of the targets over the training set; ``(A, C)`` or ``(A, 1)`` for groups.
        alpha: in [0, 1].
        base: what alpha trades the worst class against.
        form: of the loss.
        step_size: of the multipliers; Algorithm 2 multiplies it by alpha.

    Raises:
        ValueError: if a class has no prior, naming it, an argument is out of range, or the margin form is to tell
            attributes apart.
    """

    log_priors: Tensor
    log_costs: Tensor
    reads_labels = False
    needs_whole_batch = False
    heads = 1

    def __init__(
        self,
        log_priors: Tensor,
        *,
        alpha: float,
        base: Base = "balanced",
        form: Form = "margin",
        step_size: float = 0.1,
    ) -> None:
        super().__init__()
        self.shape = tuple(log_priors.shape)
        if not bool(log_priors.isfinite().all()):
            missing = int(log_priors.isfinite().int().argmin())
            raise ValueError(
                f"{'class' if log_priors.ndim == 1 else 'group'} {missing} has no mass in the training targets"
            )
        is_even = alpha == 0 and base == "standard"  # every cost is one: there is nothing to tell apart
        if form == "margin" and log_priors.ndim == 2 and log_priors.shape[1] == 1 and not is_even:
            raise ValueError(
                "attributes alone cannot be groups of the margin form: softmax cannot see one cost added to all scores "
                "of an example; take form 'weighted', or groups of class x attribute"
            )
        self.alpha = alpha
        self.base: Base = base
        self.form: Form = form
        self.multipliers = Multipliers(log_priors.numel(), step_size)
        self.register_buffer("log_priors", log_priors.detach().to(self.multipliers.log_weights, copy=True))
        self.register_buffer("log_costs", self._log_costs())

    @property
    def is_adversarial(self) -> bool:
        """Whether the multipliers have a say."""
        return self.alpha > 0

    @property
    def weights(self) -> Tensor:
        """The multipliers, ``(C,)``, or ``(G,)`` for groups."""
        return self.multipliers.weights

    def forward(
        self, scores: Tensor, targets: Tensor, labels: Tensor | None = None, attributes: Tensor | None = None
    ) -> Tensor:
        """Mean loss of scores ``(B, C)`` against targets ``(B, C)`` or ``(B,)``; costs get no gradient.

        Raises:
            ValueError: if there are groups and no attributes ``(B,)``.
        """
        log_costs = self.log_costs
        if len(self.shape) == 2:
            if attributes is None:
                raise ValueError("this objective needs the attributes of the batch, got None")
            log_costs = log_costs[attributes].expand(scores.shape)
        loss = margin_loss if self.form == "margin" else weighted_loss
        return loss(scores, targets, log_costs=log_costs).mean()

    @torch.no_grad()
    def ascend(self, errors: Tensor) -> None:
        """Algorithm 2: one step of ``alpha * step_size`` along held-out errors ``(G,)``, then mix anew."""
        if not self.is_adversarial:
            return
        self.multipliers.ascend(errors, scale=self.alpha)
        self.log_costs.copy_(self._log_costs())

    def _log_costs(self) -> Tensor:
        log_weights = self.multipliers.log_weights.view(self.shape)
        if self.form == "weighted":  # no factor is free here: it would be one on the learning rate
            return _of_mean_one(log_weights, self.log_priors, self.alpha, self.base)
        return trade_off_log_costs(log_weights, self.log_priors, alpha=self.alpha, base=self.base)
