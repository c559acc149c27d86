"""Metrics as plain numbers for JSON: counts first, since all else follows from them."""

from typing import Any

from torch import Tensor

from evendistill.data.examples import Examples
from evendistill.distillation.task import Task
from evendistill.maths.metrics import Metrics
from evendistill.storage.files import known
from evendistill.training.evaluation import evaluate, group_metrics


def evidence(metrics: Metrics) -> dict[str, Any]:
    """Counts, recalls with Wilson intervals, and summaries; NaN recalls of absent classes become None."""
    lower, upper = metrics.recall_intervals()
    return {
        "accuracy": metrics.accuracy,
        "average_accuracy": metrics.average_accuracy,
        "correct": metrics.correct.tolist(),
        "harmonic_mean": metrics.harmonic_mean,
        "recall_lower": _plain(lower.tolist()),
        "recall_upper": _plain(upper.tolist()),
        "recalls": _plain(metrics.recalls.tolist()),
        "total": metrics.total.tolist(),
        "worst_class": metrics.worst_class,
        "worst_class_accuracy": metrics.worst_class_accuracy,
    }


def findings(scores: Tensor, examples: Examples, task: Task) -> dict[str, Any]:
    """What a run says of one split: evidence on classes and, where groups are not classes, the same on groups."""
    found = evidence(evaluate(scores, examples.labels))
    if task.grouping == "class":
        return found
    groups = evidence(group_metrics(scores, examples, task))
    return found | {"groups": groups | {"names": list(task.group_names)}}


def _plain(values: list[float]) -> list[float | None]:
    return [known(value) for value in values]
