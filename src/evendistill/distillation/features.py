"""The teacher's features: asked once like its scores, and brought to one scale before a student matches them."""

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from evendistill.data.examples import Examples
from evendistill.distillation.teacher import cache_file_name, kept_or_asked, weights_of
from evendistill.models.head import Body, head_of
from evendistill.models.ranks import Ranks

COLUMNS = 64  # features in float64 at once
ROUNDING = 1e-6  # a feature that varies by less, relative to its size, says nothing


def teacher_features(
    teacher: nn.Module,
    train: Examples,
    *,
    device: torch.device,
    folder: Path | None = None,
    ranks: Ranks = Ranks(),  # noqa: B008 - frozen
) -> Tensor:
    """Standardised features of a frozen teacher over the training set, raw ones from the folder's cache if there.

    Args:
        teacher: on ``device``; its features are what goes into its last linear layer.
        train: un-augmented training examples.
        device: to compute on.
        folder: of the cache; None computes and keeps nothing.
        ranks: who shares the work; the first keeps the cache. Every one of them must be at it.

    Returns:
        ``(N, K)``, on ``device``.

    Raises:
        ValueError: if no linear layer gives the teacher's scores.
    """

    def body() -> nn.Module:
        return Body(teacher, head_of(teacher, next(train.batches([torch.arange(2)])).to(device), role="teacher"))

    path = (
        None
        if folder is None
        else folder / cache_file_name("features", "train", weights_of(teacher), train.fingerprint())
    )
    return standardised(kept_or_asked(path, "features", train, body, device=device, ranks=ranks))


def standardised(features: Tensor) -> Tensor:
    r"""Features with mean 0 and standard deviation 1 each over the examples; one that is constant is 0.

    .. math:: z_{ik} = \frac{x_{ik} - \frac{1}{N} \sum_j x_{jk}}{\sqrt{\frac{1}{N} \sum_j (x_{jk} - \bar x_k)^2}}

    Ours: FitNets match features as they are. So one weight means the same for teachers of any scale, and large
    features do not outweigh small ones.

    Args:
        features: ``(N, K)``.

    Returns:
        ``(N, K)`` in their own precision.

    Example:
        >>> standardised(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
        tensor([[-1.,  0.],
                [ 1.,  0.]])
    """
    return torch.cat([_standardised(part) for part in features.split(COLUMNS, dim=1)], dim=1)


def _standardised(features: Tensor) -> Tensor:
    values = features.double()
    deviation, mean = torch.std_mean(values, dim=0, correction=0)
    is_constant = deviation <= ROUNDING * values.abs().amax(dim=0)
    return ((values - mean) / deviation.masked_fill(is_constant, math.inf)).to(features.dtype)
