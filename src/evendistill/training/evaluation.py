"""Evaluation: one pass to scores, then counts."""

import warnings

import torch
from torch import Tensor, nn

from evendistill.data.examples import Examples
from evendistill.maths.metrics import Metrics, class_counts
from evendistill.models.inference import scores_at
from evendistill.models.ranks import Ranks
from evendistill.training.heldout import EVALUATION_BATCH


def scores_of(network: nn.Module, examples: Examples, ranks: Ranks = Ranks()) -> Tensor:  # noqa: B008 - frozen
    """Raw scores ``(N, C)`` of a network over examples in order, on the CPU."""
    first = next(network.parameters(), None)
    device = torch.device("cpu") if first is None else first.device
    rows = torch.arange(len(examples))
    batches = examples.to(device).batches
    return scores_at(network, rows, batches, batch_size=EVALUATION_BATCH, device=device, ranks=ranks).cpu()


def evaluate(scores: Tensor, labels: Tensor) -> Metrics:
    """Per-class metrics of scores against the truth.

    Args:
        scores: ``(N, C)`` floating tensor or array, raw scores or probabilities.
        labels: ``(N,)`` integers in [0, C), tensor or array.

    Returns:
        Metrics from integer counts; recalls of absent classes are NaN.

    Raises:
        ValueError: if shapes do not fit, a label is out of range or a score is NaN; names the first row.

    Warns:
        UserWarning: if a class has no examples, naming it.

    Example:
        >>> metrics = evaluate(torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1, 1]))
        >>> metrics.average_accuracy, metrics.worst_class_accuracy
        (0.75, 0.5)
    """
    metrics = Metrics(*class_counts(torch.as_tensor(scores), torch.as_tensor(labels).long()))
    absent = (metrics.total == 0).nonzero().flatten().tolist()
    if absent:
        named = ", ".join(map(str, absent))
        warnings.warn(f"absent from the labels: class {named}; its accuracy is not measured", stacklevel=2)
    return metrics
