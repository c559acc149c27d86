"""Labellers: who says what a training example is, the ground truth or a teacher."""

import math
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evendistill.maths.groups import group_numbers
from evendistill.maths.losses import as_distribution
from evendistill.maths.margins import margins_of_classes
from evendistill.models.inference import evaluating

PART = 1 << 17  # rows in float64 at once: a million of a thousand classes would not fit


class Labeller(Protocol):
    """Gives the targets of training batches, and their mean over the whole training set.

    Attributes:
        log_priors: ``(C,)`` log of the mean of the targets over the training set.
    """

    log_priors: Tensor

    def log_group_priors(self, attributes: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Log of the targets' mass in each group over the training set, in the shape of the table of groups.

        Args:
            attributes: ``(N,)`` of the training examples; they are observed, no teacher has a say in them.
            shape: ``(A, 1)`` or ``(A, C)``, see :func:`evendistill.maths.groups.table_shape`.
        """
        ...

    def margins(self) -> Tensor | None:
        """``(C,)`` how sure the targets are of each class on its examples; None if they are the truth."""
        ...

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
        self._shares = shares
        self.log_priors = self._log_mass(labels, num_classes)

    def log_group_priors(self, attributes: Tensor, shape: tuple[int, ...]) -> Tensor:
        """By counting, as for classes."""
        return self._log_mass(group_numbers(self._labels, attributes, shape), math.prod(shape)).view(shape)

    def margins(self) -> Tensor | None:
        """None: the truth is sure of itself."""
        return None

    def targets(self, rows: Tensor, inputs: Tensor) -> Tensor:
        """Labels ``(B,)``, which the losses take for one-hot rows."""
        return self._labels[rows]

    def _log_mass(self, numbers: Tensor, count: int) -> Tensor:
        if self._shares is None:
            return (numbers.bincount(minlength=count).double() / len(numbers)).log()
        # on the CPU: a GPU sums weights in no fixed order, and the last bits would change from run to run
        mass = numbers.cpu().bincount(self._shares.cpu(), minlength=count).double()
        return mass.to(numbers.device).log()


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
        self._labels = labels
        self._shares = shares
        self.log_priors = self._with_truth(self._log_mass(slice(None)), self._truth.log_priors)

    def log_group_priors(self, attributes: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The mass that the softened targets give each class among the examples of an attribute."""
        truth = self._truth.log_group_priors(attributes, shape)
        if shape[1] == 1:
            return truth
        soft = torch.stack([self._log_mass(attributes == attribute) for attribute in range(shape[0])])
        return self._with_truth(soft, truth)

    def margins(self) -> Tensor | None:
        """Of the softened targets."""
        return margins_of_classes(soften(self._scores, self._temperature), self._labels)

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

    def _log_mass(self, members: Tensor | slice) -> Tensor:
        """Log of what the softened scores of these examples add to the mean over all."""
        weights = None if self._shares is None else self._shares[members].log().split(PART)
        sums = []
        for position, scores in enumerate(self._scores[members].split(PART)):
            log_soft = F.log_softmax(scores.double() / self._temperature, dim=-1)
            if weights is not None:
                log_soft = log_soft + weights[position].to(log_soft).unsqueeze(1)
            sums.append(log_soft.logsumexp(dim=0))
        whole = torch.stack(sums).logsumexp(dim=0) if len(sums) > 1 else sums[0]
        return whole - math.log(len(self._scores)) if weights is None else whole

    def _with_truth(self, log_mass: Tensor, truth: Tensor) -> Tensor:
        if self._onehot_weight == 0:
            return log_mass
        weight = torch.tensor(self._onehot_weight, dtype=torch.float64, device=log_mass.device)
        return torch.logaddexp(log_mass + (1 - weight).log(), truth + weight.log())


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

    def log_group_priors(self, attributes: Tensor, shape: tuple[int, ...]) -> Tensor:
        """From the clean scores."""
        return self._cached.log_group_priors(attributes, shape)

    def margins(self) -> Tensor | None:
        """From the clean scores."""
        return self._cached.margins()

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
