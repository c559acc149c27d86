"""A reference for the true conditional: fitted to labels from what is known of the examples, fold by fold."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from evendistill.distillation.fitting import minimise
from evendistill.distillation.folds import stratified_folds

STEPS = 100
JOINT_PENALTY = 1e-2  # many correlated features, few examples
LEAST = 1e-6


def log_probabilities(scores: Tensor, *, are_probabilities: bool) -> Tensor:
    """``(N, C)`` in float64, of raw scores or of probabilities; what is below a millionth counts as that."""
    scores = scores.double()
    return scores.clamp_min(LEAST).log() if are_probabilities else F.log_softmax(scores, dim=1)


def joint_reference(scores: Sequence[Tensor], labels: Tensor, *, are_probabilities: bool = False) -> Tensor:
    """The reference that teachers share who are to be compared: the truth given all that they say of an example.

    Args:
        scores: ``(N, C)`` of each teacher.
        labels: ``(N,)`` true labels.
        are_probabilities: whether these are no raw scores.

    Returns:
        ``(N, C)`` of :func:`cross_fitted` on their log-probabilities side by side.
    """
    logs = [log_probabilities(each, are_probabilities=are_probabilities) for each in scores]
    return cross_fitted(torch.cat(logs, dim=1), labels, penalty=JOINT_PENALTY)


def cross_fitted(features: Tensor, labels: Tensor, *, folds: int = 5, penalty: float = 1e-3, seed: int = 0) -> Tensor:
    r"""Estimate of :math:`P(Y = y \mid Z)` for every example, from a model that has not seen its label.

    Multinomial logistic regression on standardised features, its weights under an L2 penalty, fitted by L-BFGS to all
    folds but the one that it is asked about.

    For teachers that are to be compared, Z is what all of them say: their log-probabilities side by side.

    Args:
        features: ``(N, K)`` what is conditioned on.
        labels: ``(N,)`` integers from 0.
        folds: at least 2; each holds its share of every class.
        penalty: of the squared weights.
        seed: draws the folds.

    Returns:
        ``(N, C)`` probabilities in float64; C is the largest label plus one.

    Raises:
        ValueError: if there are fewer than two folds, fewer examples than folds, or features that are not finite.
    """
    count, classes = len(labels), int(labels.max()) + 1
    if not 2 <= folds <= count:
        raise ValueError(f"folds must lie between 2 and the {count} examples, got {folds}")
    if features.ndim != 2 or len(features) != count or not bool(features.isfinite().all()):
        raise ValueError(f"features must be finite, ({count}, K), got {tuple(features.shape)}")
    scaled = _standardised(features.double())
    fold = stratified_folds(labels, folds, seed)
    found = torch.empty(count, classes, dtype=torch.float64)
    for number in range(folds):
        asked = fold == number
        weights = _fitted(scaled[~asked], labels[~asked], classes, penalty)
        found[asked] = F.softmax(_scores(scaled[asked], weights), dim=1)
    return found


def _standardised(features: Tensor) -> Tensor:
    spread = features.std(dim=0)
    return (features - features.mean(dim=0)) / spread.masked_fill(spread == 0, 1)


def _scores(features: Tensor, weights: Tensor) -> Tensor:
    return features @ weights[1:] + weights[0]


def _fitted(features: Tensor, labels: Tensor, classes: int, penalty: float) -> Tensor:
    """Weights ``(K + 1, C)``, the first row the intercepts."""
    weights = torch.zeros(features.shape[1] + 1, classes, dtype=torch.float64, requires_grad=True)

    def loss() -> Tensor:
        return F.cross_entropy(_scores(features, weights), labels) + penalty * (weights[1:] ** 2).sum()

    minimise([weights], loss, steps=STEPS)
    return weights.detach()
