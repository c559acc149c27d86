"""Group DRO: the mean losses of the groups in a batch, weighed by multipliers that grow with them."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evendistill.maths.groups import group_numbers
from evendistill.maths.losses import margin_loss
from evendistill.objectives.multipliers import Multipliers
from evendistill.objectives.objective import NO_FACTS, Facts
from evendistill.objectives.unmoved import needed_labels

TRAINING_STEP = 0.01


@dataclass(frozen=True)
class GroupDRO:
    r"""Group distributionally robust optimisation (Sagawa et al. 2020): no margin, no division by priors.

    .. math:: L = \sum_g q_g\, \bar\ell_g, \qquad q_g \leftarrow \frac{q_g e^{\eta (\bar\ell_g + C / \sqrt{n_g})}}{Z}

    with the mean loss of each group in the batch, 0 for a group that is absent there. Groups are classes unless the
    data say otherwise.

    Args:
        multipliers: "train" moves them at every step by the losses of the batch before descending on it, as the
            authors' code does; "validation" by held-out errors as everywhere else here (the better variant in Wang et
            al. 2023, whose gain and step are not stated: ours are the recipe's, 0-1 errors and 0.1).
        step_size: eta of "train"; 0.01 in the authors' code.
        adjustment: C of "train", 0 for none.

    Raises:
        ValueError: if an argument is out of range.
    """

    multipliers: Literal["train", "validation"] = "train"
    step_size: float = TRAINING_STEP
    adjustment: float = 0.0

    def __post_init__(self) -> None:
        if self.multipliers not in ("train", "validation"):
            raise ValueError(f"multipliers must be moved by 'train' or 'validation', got {self.multipliers!r}")
        if not 0 < self.step_size < math.inf:
            raise ValueError(f"step_size must be positive and finite, got {self.step_size}")
        if not 0 <= self.adjustment < math.inf:
            raise ValueError(f"adjustment must be non-negative and finite, got {self.adjustment}")

    @property
    def is_adversarial(self) -> bool:
        """Whether held-out errors move the multipliers."""
        return self.multipliers == "validation"

    def bind(self, log_priors: Tensor, *, step_size: float, facts: Facts = NO_FACTS) -> "GroupDROObjective":
        """Make the objective for groups in the shape of ``log_priors``; ``step_size`` is for held-out errors.

        Raises:
            ValueError: if an adjustment is wanted and the counts are not told.
        """
        boost = torch.zeros(log_priors.numel())
        if self.adjustment > 0:
            if facts.counts is None:
                raise ValueError("the adjustment of group DRO needs the number of training examples of each group")
            boost = self.adjustment / facts.counts.double().sqrt()
        step = step_size if self.is_adversarial else self.step_size
        return GroupDROObjective(tuple(log_priors.shape), step, boost, is_adversarial=self.is_adversarial)


class GroupDROObjective(nn.Module):
    """Weighed mean losses of the groups in a batch, with the multipliers that weigh them.

    Args:
        shape: of the table of groups.
        step_size: of the multipliers.
        boost: ``(G,)`` added to the losses that move the multipliers.
        is_adversarial: whether held-out errors move them, and not the batches.
    """

    boost: Tensor
    reads_labels = True
    needs_whole_batch = True
    heads = 1

    def __init__(self, shape: tuple[int, ...], step_size: float, boost: Tensor, *, is_adversarial: bool) -> None:
        super().__init__()
        self.shape = shape
        self.is_adversarial = is_adversarial
        self.multipliers = Multipliers(len(boost), step_size)
        self.register_buffer("boost", boost.to(self.multipliers.log_weights))

    @property
    def weights(self) -> Tensor:
        """The multipliers, ``(G,)``."""
        return self.multipliers.weights

    def forward(
        self, scores: Tensor, targets: Tensor, labels: Tensor | None = None, attributes: Tensor | None = None
    ) -> Tensor:
        """Scalar loss; under "train" the multipliers move first, by this batch.

        Raises:
            ValueError: without labels.
        """
        groups = group_numbers(needed_labels(labels), attributes, self.shape)
        losses = margin_loss(scores, targets, log_costs=scores.new_zeros(scores.shape[1]))
        member = F.one_hot(groups, len(self.boost)).to(losses.dtype)  # a product with it sums in one order everywhere
        means = member.T @ losses / member.sum(dim=0).clamp_min(1)
        if not self.is_adversarial:
            self.multipliers.ascend(means.detach() + self.boost)
        return self.weights.to(means.dtype) @ means

    def ascend(self, errors: Tensor) -> None:
        """One step along held-out errors ``(G,)``; does nothing where the batches move the multipliers."""
        if self.is_adversarial:
            self.multipliers.ascend(errors)
