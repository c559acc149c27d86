"""Evaluation: one pass to scores, then counts."""

import warnings

import torch
from torch import Tensor, nn

from evendistill.data.examples import Examples
from evendistill.distillation.task import Task
from evendistill.maths.metrics import Metrics, check_labels, class_counts, group_counts
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


def group_metrics(scores: Tensor, examples: Examples, task: Task) -> Metrics:
    """Metrics over the groups of a task; over its classes if those are its groups."""
    groups = task.group_numbers(examples)
    return Metrics(*group_counts(scores, examples.labels, groups, len(task.group_names)))


def evaluate(scores: Tensor, labels: Tensor, groups: Tensor | None = None) -> Metrics:
    """Per-class metrics of scores against the truth; per-group metrics where groups are given.

    Args:
        scores: ``(N, C)`` floating tensor or array, raw scores or probabilities.
        labels: ``(N,)`` integers in [0, C), tensor or array.
        groups: ``(N,)`` integers from 0: accuracy counts within each of them in place of each class.

    Returns:
        Metrics from integer counts; recalls of absent classes are NaN.

    Raises:
        ValueError: if shapes do not fit, a label is out of range or a score is NaN; names the first row.

    Warns:
        UserWarning: if a class or group has no examples, naming it.

    Example:
        >>> metrics = evaluate(torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1, 1]))
        >>> metrics.average_accuracy, metrics.worst_class_accuracy
        (0.75, 0.5)
    """
    scores, labels = torch.as_tensor(scores), torch.as_tensor(labels).long()
    if groups is None:
        metrics = Metrics(*class_counts(scores, labels))
    else:
        groups = torch.as_tensor(groups).long()
        count = int(groups.max()) + 1 if groups.numel() else 0
        check_labels(groups, len(scores), count, name="group")
        metrics = Metrics(*group_counts(scores, labels, groups, count))
    absent = (metrics.total == 0).nonzero().flatten().tolist()
    if absent:
        named = ", ".join(map(str, absent))
        kind = "class" if groups is None else "group"
        warnings.warn(f"absent from the labels: {kind} {named}; its accuracy is not measured", stacklevel=2)
    return metrics
