"""Balanced knowledge distillation: a teacher whose say on each class grows with the rarity of the class."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from evendistill.maths.losses import as_distribution, at_least_float32, margin_loss
from evendistill.objectives.objective import NO_FACTS, Facts
from evendistill.objectives.unmoved import Unmoved, needed_labels


@dataclass(frozen=True)
class BalancedKD:
    r"""Balanced knowledge distillation (Zhang et al. 2021, arXiv 2104.10510).

    .. math::
        L = CE(y, f) + a\, T^2\, KL(\hat p \,\|\, \mathrm{softmax}(f / T)), \qquad
        \hat p \propto w \odot p^t(T), \qquad w_y \propto \frac{1 - \beta}{1 - \beta^{n_y}}

    with w scaled to mean one and the product brought back to sum one. T is the temperature of the teacher's training
    targets. It is the one objective here with a student temperature and with T squared. The authors' code keeps w
    uniform until epoch 160 on CIFAR-10 and not on CIFAR-100; here it holds from the start.

    Args:
        weight: a.
        beta: of the effective number of examples, in [0, 1).

    Raises:
        ValueError: if an argument is out of range.
    """

    weight: float = 1.0
    beta: float = 0.9999
    is_adversarial = False

    def __post_init__(self) -> None:
        if not (0 <= self.weight < math.inf and 0 <= self.beta < 1):
            raise ValueError(f"weight must be non-negative and beta in [0, 1), got {self.weight} and {self.beta}")

    def bind(self, log_priors: Tensor, *, step_size: float, facts: Facts = NO_FACTS) -> "BalancedKDObjective":
        """Make the objective; priors and step size have no say.

        Raises:
            ValueError: if the class counts are not told.
        """
        if facts.class_counts is None:
            raise ValueError("balanced KD needs the number of training examples of each class")
        counts = facts.class_counts.double()
        weights = (1 - self.beta) / (1 - self.beta**counts)
        told = {"weight": self.weight, "temperature": facts.temperature, "shape": tuple(log_priors.shape)}
        return BalancedKDObjective(weights / weights.mean(), **told)


class BalancedKDObjective(Unmoved):
    """Mean loss of :class:`BalancedKD`.

    Args:
        class_weights: ``(C,)`` w.
        weight: a.
        temperature: T.
        shape: of the table of groups; that of the classes if None.
    """

    reads_labels = True
    class_weights: Tensor

    def __init__(
        self, class_weights: Tensor, *, weight: float, temperature: float, shape: tuple[int, ...] | None = None
    ) -> None:
        super().__init__(shape or (len(class_weights),))
        self.weight = weight
        self.temperature = temperature
        self.register_buffer("class_weights", class_weights.float())

    def forward(
        self, scores: Tensor, targets: Tensor, labels: Tensor | None = None, attributes: Tensor | None = None
    ) -> Tensor:
        """Scalar loss of scores ``(B, C)`` against a teacher's softened targets ``(B, C)`` and true labels ``(B,)``.

        Raises:
            ValueError: without labels.
        """
        labels = needed_labels(labels)
        scores = at_least_float32(scores)
        zero = scores.new_zeros(scores.shape[1])
        weighed = self.class_weights * as_distribution(targets, scores)
        rows = weighed / weighed.sum(dim=1, keepdim=True)
        entropy = -torch.special.xlogy(rows, rows).sum(dim=1)
        divergence = margin_loss(scores / self.temperature, rows, log_costs=zero) - entropy
        truth = margin_loss(scores, labels, log_costs=zero)
        return (truth + self.weight * self.temperature**2 * divergence).mean()
