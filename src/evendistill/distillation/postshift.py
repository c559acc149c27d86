"""Post-shift: class costs put on finished scores, so that the worst class does as well as it can without training."""

import math
from typing import Self

import torch
from torch import Tensor

from evendistill.maths.losses import check_scores
from evendistill.maths.metrics import Metrics, check_labels, class_counts
from evendistill.maths.risks import class_errors
from evendistill.maths.simplex import exponentiated_gradient


def logit_adjustment(log_priors: Tensor, *, tau: float = 1.0) -> Tensor:
    r"""Log costs of plain logit adjustment, to be added to finished scores.

    .. math:: f_y(x) \mapsto f_y(x) - \tau \log \pi_y

    Source: Menon et al. 2021, the post-hoc form of their official code.

    Args:
        log_priors: ``(C,)`` log of the training priors.
        tau: 0 changes nothing, 1 makes every class as likely.

    Returns:
        ``(C,)`` with mean zero.

    Raises:
        ValueError: if tau is negative or not finite.

    Example:
        >>> logit_adjustment(torch.tensor([0.8, 0.2]).log())
        tensor([-0.6931,  0.6931])
    """
    if not 0 <= tau < math.inf:
        raise ValueError(f"tau must be non-negative and finite, got {tau}")
    log_costs = -tau * log_priors
    return log_costs - log_costs.mean()


class PostShift:
    r"""Shift of finished scores that lifts the least recall.

    .. math:: f_y(x) \mapsto f_y(x) + \log c_y, \qquad h(x) = \arg\max_y c_y\, p_y(x)

    Wang et al. 2023 (appendix D.1) name it Algorithm 3 of Narasimhan and Menon 2021, whose text could not be had. The
    search is therefore **ours**: exponentiated gradient on the class errors of held-out examples, from c = 1/pi, with a
    step that falls from ``first_step`` to ``last_step`` in geometric progression; the iterate with the best least
    recall is kept, the higher average among equals, the earlier among equals again. It fits its held-out examples very
    well and may transfer badly, which is what the paper reports of it.

    Args:
        iterations: number of steps.
        first_step: step size at the start, in units of log cost per unit of class error.
        last_step: step size at the end.

    Attributes:
        log_costs: ``(C,)`` with mean zero, once fitted.

    Raises:
        ValueError: if an argument is not positive.

    Example:
        >>> scores, labels = torch.tensor([[2.0, 0.0], [2.0, 1.5], [2.0, 1.6]]), torch.tensor([0, 1, 1])
        >>> shift = PostShift().fit(scores, labels)
        >>> shift.transform(scores).argmax(dim=1).tolist()
        [0, 1, 1]
    """

    log_costs: Tensor

    def __init__(self, *, iterations: int = 2000, first_step: float = 2.0, last_step: float = 1e-3) -> None:
        if iterations < 1 or not 0 < last_step <= first_step:
            raise ValueError(
                f"iterations and steps must be positive and falling, got {iterations}, {first_step} to {last_step}"
            )
        self.iterations = iterations
        self.first_step = first_step
        self.last_step = last_step

    def __repr__(self) -> str:
        return f"PostShift(iterations={self.iterations}, first_step={self.first_step}, last_step={self.last_step})"

    def fit(self, scores: Tensor, labels: Tensor) -> Self:
        """Find the shift on held-out examples.

        Args:
            scores: ``(N, C)`` raw scores or log-probabilities of finished models.
            labels: ``(N,)`` true labels; classes without examples keep the cost they start with.

        Returns:
            Itself, fitted.

        Raises:
            ValueError: if shapes do not fit, a label is out of range or a score is NaN; names the first row.
        """
        scores, labels = torch.as_tensor(scores).double(), torch.as_tensor(labels).long()
        check_scores(scores)
        check_labels(labels, len(scores), scores.shape[1])
        present = labels.bincount(minlength=scores.shape[1]) > 0
        start = -(labels.bincount(minlength=scores.shape[1]).double() / len(labels)).log()
        log_weights = start.masked_fill(~present, start[present].mean()).log_softmax(dim=0)
        best, best_merit = log_weights, self._merit(scores + log_weights, labels)
        for iteration in range(self.iterations):
            errors = class_errors(scores + log_weights, labels)
            log_weights = exponentiated_gradient(log_weights, errors, self._step(iteration))
            merit = self._merit(scores + log_weights, labels)
            if merit > best_merit:
                best, best_merit = log_weights, merit
        self.log_costs = best - best.mean()
        return self

    def transform(self, scores: Tensor) -> Tensor:
        """Scores plus log costs, ``(N, C)``.

        Raises:
            ValueError: if the shift is not fitted or the width differs.
        """
        if not hasattr(self, "log_costs"):
            raise ValueError("fit the shift before transforming with it")
        scores = torch.as_tensor(scores)
        check_scores(scores)
        if scores.shape[1] != len(self.log_costs):
            raise ValueError(f"the shift is for {len(self.log_costs)} classes, scores have {scores.shape[1]}")
        return scores + self.log_costs.to(scores)

    def _step(self, iteration: int) -> float:
        progress = iteration / max(1, self.iterations - 1)
        return self.first_step * (self.last_step / self.first_step) ** progress

    @staticmethod
    def _merit(scores: Tensor, labels: Tensor) -> tuple[float, float]:
        metrics = Metrics(*class_counts(scores, labels))
        return metrics.worst_class_accuracy, metrics.average_accuracy
