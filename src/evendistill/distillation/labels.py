"""Labellers: who says what a training example is, the ground truth or a teacher."""

import math
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evendistill.maths.losses import as_distribution
from evendistill.models.inference import evaluating


class Labeller(Protocol):
    """Gives the targets of training batches, and their mean over the whole training set.

    Attributes:
        log_priors: ``(C,)`` log of the mean of the targets over the training set.
    """

    log_priors: Tensor

    def targets(self, rows: Tensor, inputs: Tensor) -> Tensor:
        """Targets of the examples in these rows ``(B,)``, whose inputs may have been augmented.

        Returns:
            ``(B, C)`` distributions, or labels ``(B,)``.
        """
        ...


class TrueLabels:
    """The ground truth: labels as targets, class priors by counting.

    Args:
        labels: ``(N,)`` integers, on the device of the targets.
        num_classes: C.
        shares: ``(N,)`` how often training draws each example, summing to one; None if all alike.
    """

    def __init__(self, labels: Tensor, num_classes: int, *, shares: Tensor | None = None) -> None:
        self._labels = labels
        if shares is None:
            mass = labels.bincount(minlength=num_classes).double() / len(labels)
        else:  # on the CPU: a GPU sums weights in no fixed order, and the last bits would change from run to run
            mass = labels.cpu().bincount(shares.cpu(), minlength=num_classes).double().to(labels.device)
        self.log_priors = mass.log()

    def targets(self, rows: Tensor, inputs: Tensor) -> Tensor:
        """Labels ``(B,)``, which the losses take for one-hot rows."""
        return self._labels[rows]


class TeacherLabels:
    r"""A teacher's softened probabilities from its cached scores, perhaps mixed with the ground truth.

    .. math:: t(x) = (1 - w)\, \mathrm{softmax}(f^t(x) / T) + w\, e_y

    The priors are the mean of these very targets over the training set (Wang et al. 2023, section 3), in log space so
    that a class a teacher all but rules out keeps a finite prior. No factor T^2: student scores are not scaled, so
    gradients do not shrink with the temperature.

    Args:
        scores: ``(N, C)`` raw teacher scores of the training set.
        labels: ``(N,)`` integers, used only if ``onehot_weight`` is positive.
        temperature: T, positive.
        onehot_weight: w in [0, 1].
        shares: ``(N,)`` how often training draws each example, summing to one; None if all alike.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        scores: Tensor,
        labels: Tensor,
        *,
        temperature: float,
        onehot_weight: float = 0.0,
        shares: Tensor | None = None,
    ) -> None:
        check_temperature(temperature)
        if not 0 <= onehot_weight <= 1:
            raise ValueError(f"onehot_weight must lie in [0, 1], got {onehot_weight}")
        self._scores = scores
        self._truth = TrueLabels(labels, scores.shape[1], shares=shares)
        self._temperature = temperature
        self._onehot_weight = onehot_weight
        self.log_priors = self._log_priors(shares)

    def targets(self, rows: Tensor, inputs: Tensor) -> Tensor:
        """Softened probabilities ``(B, C)``."""
        return self.mixed(self._scores[rows], rows, inputs)

    def mixed(self, scores: Tensor, rows: Tensor, inputs: Tensor) -> Tensor:
        """Targets from teacher scores ``(B, C)`` of the examples in these rows."""
        soft = soften(scores, self._temperature)
        if self._onehot_weight == 0:
            return soft
        truth = as_distribution(self._truth.targets(rows, inputs), soft)
        return torch.lerp(soft, truth, self._onehot_weight)

    def _log_priors(self, shares: Tensor | None) -> Tensor:
        log_soft = F.log_softmax(self._scores.double() / self._temperature, dim=-1)
        if shares is None:
            log_mean = log_soft.logsumexp(dim=0) - math.log(len(log_soft))
        else:
            log_mean = (log_soft + shares.to(log_soft).log().unsqueeze(1)).logsumexp(dim=0)
        if self._onehot_weight == 0:
            return log_mean
        weight = torch.tensor(self._onehot_weight, dtype=torch.float64, device=log_mean.device)
        return torch.logaddexp(log_mean + (1 - weight).log(), self._truth.log_priors + weight.log())


class LiveTeacherLabels:
    """A teacher asked anew on each (augmented) batch; the priors still come from its clean scores.

    Args:
        teacher: frozen network on the device of the inputs.
        cached: labels of the same teacher from clean scores.
    """

    def __init__(self, teacher: nn.Module, cached: TeacherLabels) -> None:
        self._teacher = teacher
        self._cached = cached
        self.log_priors = cached.log_priors

    def targets(self, rows: Tensor, inputs: Tensor) -> Tensor:
        """Softened probabilities ``(B, C)`` of the inputs as they are now."""
        with evaluating(self._teacher):
            scores = self._teacher(inputs)
        return self._cached.mixed(scores, rows, inputs)


def soften(scores: Tensor, temperature: float) -> Tensor:
    """Probabilities ``softmax(scores / temperature)``, ``(B, C)``, in float32 or better."""
    scores = scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores
    return F.softmax(scores / temperature, dim=-1)


def check_temperature(temperature: float, name: str = "temperature") -> None:
    """Raise ``ValueError`` unless the temperature is positive and finite."""
    if not 0 < temperature < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {temperature}")
