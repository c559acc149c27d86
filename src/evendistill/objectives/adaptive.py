"""AdaMargin and AdaAlpha: trust a teacher as far as it is sure. Our reconstructions of what could not be read."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from evendistill.maths.losses import as_distribution, margin_loss
from evendistill.maths.margins import average_margin, label_margin_losses
from evendistill.objectives.objective import NO_FACTS, Facts
from evendistill.objectives.unmoved import Unmoved, needed_labels

Per = Literal["example", "class"]


@dataclass(frozen=True)
class AdaMargin:
    r"""Distillation in which each class must win by the teacher's own average margin.

    .. math:: L(p, f) = \sum_y p_y \log\Bigl(1 + \sum_{j \ne y} e^{\gamma_{avg}(y, p) - (f_y - f_j)}\Bigr)

    **Our reconstruction.** Wang et al. 2023 (section 4) say that Lukasik et al. 2022 use the average margin of the
    teacher "as a margin in the distillation loss"; sign, scale and the pairs that it enters are not stated there. This
    is the margin loss of Wang et al. with log(c_y / c_j) replaced by the margin of y.

    Args:
        per: "example" takes each example's margins, "class" their mean over the training examples of the class.

    Raises:
        ValueError: if ``per`` is neither.
    """

    per: Per = "example"
    is_adversarial = False

    def __post_init__(self) -> None:
        _check_per(self.per)

    def bind(self, log_priors: Tensor, *, step_size: float, facts: Facts = NO_FACTS) -> "AdaMarginObjective":
        """Make the objective; priors and step size have no say."""
        return AdaMarginObjective(tuple(log_priors.shape), _margins(self.per, facts))


class AdaMarginObjective(Unmoved):
    """Mean loss of :class:`AdaMargin`.

    Args:
        shape: of the table of groups.
        margins: ``(C,)`` margin of each class; None takes those of each example.
    """

    margins: Tensor | None

    def __init__(self, shape: tuple[int, ...], margins: Tensor | None) -> None:
        super().__init__(shape)
        self.register_buffer("margins", None if margins is None else margins.float())

    def forward(
        self, scores: Tensor, targets: Tensor, labels: Tensor | None = None, attributes: Tensor | None = None
    ) -> Tensor:
        """Scalar loss of scores ``(B, C)`` against a teacher's targets ``(B, C)``."""
        rows = as_distribution(targets, scores)
        margins = average_margin(rows) if self.margins is None else self.margins
        return (rows * label_margin_losses(scores, margins)).sum(dim=1).mean()


@dataclass(frozen=True)
class AdaAlpha:
    r"""Distillation mixed with the true label, as far as the teacher is sure of it.

    .. math:: t(x) = (1 - a)\, e_y + a\, p(x), \qquad a = \mathrm{clip}(\gamma_{avg}(y, p(x)), 0, 1)

    with the cross-entropy on these targets. **Our reconstruction**: Wang et al. 2023 (section 4) say that Lukasik et
    al. 2022 mix adaptively between one-hot and distillation loss by the average margin; clip and averaging set are not
    stated there.

    Args:
        per: "example" takes each example's margin, "class" the mean over the training examples of its class.

    Raises:
        ValueError: if ``per`` is neither.
    """

    per: Per = "example"
    is_adversarial = False

    def __post_init__(self) -> None:
        _check_per(self.per)

    def bind(self, log_priors: Tensor, *, step_size: float, facts: Facts = NO_FACTS) -> "AdaAlphaObjective":
        """Make the objective; priors and step size have no say."""
        return AdaAlphaObjective(tuple(log_priors.shape), _margins(self.per, facts))


class AdaAlphaObjective(Unmoved):
    """Mean loss of :class:`AdaAlpha`.

    Args:
        shape: of the table of groups.
        margins: ``(C,)`` margin of each class; None takes that of each example.
    """

    reads_labels = True
    margins: Tensor | None

    def __init__(self, shape: tuple[int, ...], margins: Tensor | None) -> None:
        super().__init__(shape)
        self.register_buffer("margins", None if margins is None else margins.float())

    def forward(
        self, scores: Tensor, targets: Tensor, labels: Tensor | None = None, attributes: Tensor | None = None
    ) -> Tensor:
        """Scalar loss of scores ``(B, C)`` against a teacher's targets ``(B, C)`` and true labels ``(B,)``.

        Raises:
            ValueError: without labels.
        """
        labels = needed_labels(labels)
        rows = as_distribution(targets, scores)
        margins = average_margin(rows) if self.margins is None else self.margins.expand(len(rows), -1)
        alpha = margins.gather(1, labels.unsqueeze(1)).clamp(0, 1)
        mixed = torch.lerp(as_distribution(labels, rows), rows, alpha.to(rows.dtype))
        return margin_loss(scores, mixed, log_costs=scores.new_zeros(scores.shape[1])).mean()


def _check_per(per: str) -> None:
    if per not in ("example", "class"):
        raise ValueError(f"per must be 'example' or 'class', got {per!r}")


def _margins(per: Per, facts: Facts) -> Tensor | None:
    if per == "example":
        return None
    margins = facts.margins()
    if margins is None:
        raise ValueError("margins of classes need a teacher; there is none")
    return margins
