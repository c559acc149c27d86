"""The whole frontier at once: several trade-offs of one network, each with multipliers of its own."""

from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor, nn

from evendistill.maths.losses import margin_loss
from evendistill.models.conditioned import Conditioned, Conditioning
from evendistill.models.conditioning import condition
from evendistill.objectives.objective import NO_FACTS, Facts
from evendistill.objectives.tradeoff import Base, CostObjective, TradeOff


@dataclass(frozen=True)
class FrontierObjective:
    r"""The mean of several trade-offs, for one network that is conditioned on them.

    .. math:: L(f) = \frac{1}{K} \sum_k L^{tdf}_{\alpha_k}(f_k)

    By Theorem 1 of Wang et al. 2023 the trade-offs differ in nothing but a vector of class costs. So the features are
    shared, and each trade-off has its own multipliers and its own last layer; see
    :class:`evendistill.models.conditioned.Conditioned`. Of one alpha it is :class:`TradeOff`, bit for bit.

    Source: ours.

    Args:
        alphas: in [0, 1], rising.
        base: what they trade the worst class against.
        by: what is a trade-off's own: a scale of the last features and a bias, either alone, the last layer, or by
            ``"film"`` scale and shift of the last block and a bias.

    Raises:
        ValueError: if alphas do not rise, or an argument is none of these.
    """

    alphas: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    base: Base = "balanced"
    by: Conditioning = "scale-and-bias"

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "alphas", tuple(float(alpha + 0) for alpha in self.alphas))  # text has no sum
        except (TypeError, ValueError):
            raise ValueError(f"alphas must be numbers that rise, such as (0, 0.5, 1), got {self.alphas!r}") from None
        if not self.alphas or any(one >= next_one for one, next_one in zip(self.alphas, self.alphas[1:], strict=False)):
            raise ValueError(f"alphas must rise, got {self.alphas}")
        if self.by not in get_args(Conditioning):
            raise ValueError(f"by must be one of {', '.join(map(repr, get_args(Conditioning)))}, got {self.by!r}")
        _ = self._members

    @property
    def _members(self) -> tuple[TradeOff, ...]:
        return tuple(TradeOff(alpha, base=self.base) for alpha in self.alphas)

    @property
    def is_adversarial(self) -> bool:
        """Whether the worst class has a say in any of them."""
        return any(member.is_adversarial for member in self._members)

    def bind(self, log_priors: Tensor, *, step_size: float, facts: Facts = NO_FACTS) -> "FrontierCosts":
        """Make the objective for targets whose mean over the training set is ``exp(log_priors)``."""
        return FrontierCosts([member.bind(log_priors, step_size=step_size, facts=facts) for member in self._members])


def conditioned(network: nn.Module, inputs: Tensor, objective: FrontierObjective) -> Conditioned:
    """The network, conditioned on the trade-offs of the objective.

    Args:
        network: from inputs ``(B, ...)`` to scores ``(B, C)``; shared with the caller.
        inputs: to find its last linear layer by, on its device.
        objective: how many trade-offs, and what is theirs.

    Raises:
        ValueError: if the network does not allow it, see :func:`evendistill.models.conditioning.condition`.
    """
    return condition(network, inputs, objective.alphas, objective.by)


class FrontierCosts(nn.Module):
    """Mean of the losses of several trade-offs, each on scores of its own.

    Args:
        members: one a trade-off, of the margin form.
    """

    log_costs: Tensor
    reads_labels = False
    needs_whole_batch = False

    def __init__(self, members: list[CostObjective]) -> None:
        super().__init__()
        self._members = members  # typed as what they are; the list below makes them part of the module
        self.members = nn.ModuleList(members)
        self.shape = members[0].shape
        self.heads = len(members)
        self.register_buffer("log_costs", self._log_costs())  # all in one place: one loss is computed, not K

    @property
    def is_adversarial(self) -> bool:
        """Whether the multipliers have a say."""
        return any(member.is_adversarial for member in self._members)

    @property
    def weights(self) -> Tensor:
        """The multipliers, ``(K G,)``: those of each trade-off sum to one."""
        return torch.cat([member.weights for member in self._members])

    def forward(
        self, scores: Tensor, targets: Tensor, labels: Tensor | None = None, attributes: Tensor | None = None
    ) -> Tensor:
        """Mean loss of scores ``(B, K C)`` against targets ``(B, C)`` or ``(B,)``.

        Raises:
            ValueError: if there are groups and no attributes ``(B,)``.
        """
        log_costs = self.log_costs
        if len(self.shape) == 2:
            if attributes is None:
                raise ValueError("this objective needs the attributes of the batch, got None")
            log_costs = log_costs[:, attributes].transpose(0, 1)
        rows = scores.view(len(scores), self.heads, -1)
        costs = log_costs.expand_as(rows).flatten(0, 1)
        return margin_loss(rows.flatten(0, 1), _repeated(targets, self.heads), log_costs=costs).mean()

    @torch.no_grad()
    def ascend(self, errors: Tensor) -> None:
        """Move each trade-off's multipliers by its own held-out errors, ``(K G,)`` together."""
        for member, part in zip(self._members, errors.chunk(self.heads), strict=True):
            member.ascend(part)
        self.log_costs.copy_(self._log_costs())

    def _log_costs(self) -> Tensor:
        return torch.stack([member.log_costs for member in self._members])


def _repeated(targets: Tensor, count: int) -> Tensor:
    """Each row so many times, one after another."""
    return targets.unsqueeze(1).expand(-1, count, *targets.shape[1:]).flatten(0, 1)
