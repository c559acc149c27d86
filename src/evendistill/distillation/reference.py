"""A reference for the true conditional: fitted to labels from what is known of the examples, fold by fold."""

import torch
import torch.nn.functional as F
from torch import Tensor

from evendistill.distillation.fitting import minimise

STEPS = 100


def cross_fitted(features: Tensor, labels: Tensor, *, folds: int = 5, penalty: float = 1e-3, seed: int = 0) -> Tensor:
    r"""Estimate of :math:`P(Y = y \mid Z)` for every example, from a model that has not seen its label.

    Multinomial logistic regression on standardised features, its weights under an L2 penalty, fitted by L-BFGS to all
    folds but the one that it is asked about.

    For teachers that are to be compared, Z is what all of them say: their log-probabilities side by side.

    Args:
        features: ``(N, K)`` what is conditioned on.
        labels: ``(N,)`` integers from 0.
        folds: at least 2.
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
    fold = torch.randperm(count, generator=torch.Generator().manual_seed(seed)) % folds
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
