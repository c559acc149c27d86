"""Mended teachers: finished networks with something put on them that held-out examples determine."""

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from evendistill.data.datasets import Data
from evendistill.distillation.mending import adjusted, refitted, vector_scaling
from evendistill.distillation.postshift import PostShift, logit_adjustment
from evendistill.distillation.problem import Task, true_problem
from evendistill.distillation.teacher import frozen
from evendistill.experiments.mends import (
    AdjustedSpec,
    AtSpec,
    ClassTemperaturesSpec,
    LogitAdjustmentSpec,
    MeanSpec,
    PostShiftSpec,
    PutOn,
    RefittedSpec,
)
from evendistill.experiments.networks import finished_network
from evendistill.experiments.spec import RunSpec
from evendistill.models.average import MeanOfProbabilities
from evendistill.models.conditioned import Conditioned
from evendistill.models.head import Body, head_of
from evendistill.models.rescaled import Rescaled
from evendistill.objectives.tradeoff import Standard
from evendistill.training.evaluation import scores_of


def mended(spec: RunSpec, task: Task, data: Data, runs: Path) -> tuple[nn.Module, dict[str, Any]]:
    """A frozen mended teacher, and the numbers put on it, in plain values.

    Raises:
        ValueError: if a teacher is not finished, its network has no last linear layer where that is fitted anew, or
            held-out examples are too few.
    """
    members = [frozen(finished_network(each, data, runs), task.device) for each in spec.inputs]
    match spec.mend:
        case MeanSpec():
            return MeanOfProbabilities(members).eval(), {}
        case AtSpec(alpha=alpha, by_costs=False):
            return _of_frontier(members[0], alpha), {}
        case RefittedSpec(alpha=alpha):
            return _with_new_head(members[0], data, alpha), {}
    scale, shift = _put_on(spec, members[0], task, data)
    model = Rescaled(members[0], scale.float(), shift.float()).to(task.device).eval()
    return model, {"log_costs": shift.tolist(), "scale": scale.tolist()}


def _of_frontier(network: nn.Module, alpha: float) -> nn.Module:
    if not isinstance(network, Conditioned):
        raise TypeError(f"{type(network).__name__} is not a network of several trade-offs")
    return network.at(alpha)


def _put_on(spec: RunSpec, teacher: nn.Module, task: Task, data: Data) -> tuple[Tensor, Tensor]:
    """Factors and shifts of the scores, ``(C,)`` each."""
    scores, labels = scores_of(teacher, data.validation).cpu(), data.validation.labels.cpu()
    log_priors = true_problem(task, Standard(), step_size=1.0).labeller.log_priors.cpu()
    return put_on(spec.mend, scores, labels, log_priors)


def put_on(mend: PutOn | None, scores: Tensor, labels: Tensor, log_priors: Tensor) -> tuple[Tensor, Tensor]:
    """Factors and shifts of scores that held-out examples determine.

    Args:
        mend: what is put on.
        scores: ``(N, C)`` of the held-out examples, on the CPU.
        labels: ``(N,)`` likewise.
        log_priors: ``(C,)`` of the training examples.

    Returns:
        ``(C,)`` each.
    """
    ones = torch.ones(scores.shape[1], dtype=torch.float64)
    match mend:
        case LogitAdjustmentSpec(tau=tau):
            return ones, logit_adjustment(log_priors, tau=tau)
        case PostShiftSpec():
            return ones, PostShift().fit(scores, labels).log_costs
        case AtSpec(alpha=alpha):  # of a balanced network, whose training divided the priors out
            return ones, adjusted(scores, labels, torch.zeros_like(ones), alpha=alpha)
        case AdjustedSpec(alpha=alpha):
            return ones, adjusted(scores, labels, log_priors, alpha=alpha)
        case each:
            return vector_scaling(scores, labels, shifted=not isinstance(each, ClassTemperaturesSpec))


def _with_new_head(teacher: nn.Module, data: Data, alpha: float) -> nn.Module:
    """A copy of the teacher with its last linear layer fitted anew on the validation set."""
    network = copy.deepcopy(teacher)
    name = head_of(network, next(data.validation.batches([torch.arange(2)])))
    layer = network.get_submodule(name)
    if not isinstance(layer, nn.Linear):
        raise TypeError(f"{name} is not a linear layer")
    features = scores_of(Body(network, name), data.validation)
    weight, bias = refitted(features.cpu(), data.validation.labels.cpu(), *_parts(layer), alpha=alpha)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return network


def _parts(layer: nn.Linear) -> tuple[Tensor, Tensor | None]:
    bias: Tensor | None = layer.bias
    return layer.weight.detach().cpu(), None if bias is None else bias.detach().cpu()
