"""The wiring room: a frozen spec becomes data, network, problem and a finished folder; specs are read nowhere below."""

import math
from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from evendistill.data.datasets import Data, load_data
from evendistill.data.view import View
from evendistill.distillation.postshift import PostShift, logit_adjustment
from evendistill.distillation.problem import Distillation, Problem, Task, student_problem, true_problem
from evendistill.distillation.teacher import frozen, teacher_scores
from evendistill.experiments.objectives import (
    AdaAlphaSpec,
    AdaMarginSpec,
    AnyObjective,
    BalancedKDSpec,
    GroupDROSpec,
    LogitAdjustmentSpec,
    ObjectiveSpec,
    ShiftSpec,
)
from evendistill.experiments.spec import (
    ConvnetSpec,
    MlpSpec,
    NetworkSpec,
    OwnSpec,
    ResNetSpec,
    RunSpec,
    TimmSpec,
)
from evendistill.models.convnet import convnet
from evendistill.models.inference import in_channels_last, score_width
from evendistill.models.mlp import mlp
from evendistill.models.own import from_path, from_timm
from evendistill.models.ranks import Ranks
from evendistill.models.resnet import cifar_resnet, resnet18
from evendistill.objectives.adaptive import AdaAlpha, AdaMargin
from evendistill.objectives.balancedkd import BalancedKD
from evendistill.objectives.groupdro import GroupDRO
from evendistill.objectives.objective import Description
from evendistill.objectives.tradeoff import Standard, TradeOff
from evendistill.storage.files import json_bytes
from evendistill.training import randomness
from evendistill.training.complete import complete
from evendistill.training.evaluation import scores_of
from evendistill.training.evidence import findings
from evendistill.training.folder import RunFolder, finish_once
from evendistill.training.result import Result
from evendistill.training.turns import Turns


def train_run(spec: RunSpec, runs: Path) -> Turns[RunFolder]:
    """Train one run in its folder, a step at a time, unless it is finished.

    Args:
        spec: what to train; a student's teacher must be finished.
        runs: folder of all runs.

    Returns:
        The finished folder.

    Raises:
        ValueError: if the spec and the data do not fit together, or the teacher is not there.
        FloatingPointError: if the loss diverges.
        BlockingIOError: if another process is training this run.
    """
    torch.set_num_threads(spec.training.threads)  # before the first operation: their number changes the last bits
    folder = RunFolder(runs / spec.folder_name)
    if Ranks.here().agreed(folder.finished):
        return folder
    device = device_here()
    view = None if spec.view is None else View(**spec.view.model_dump())
    data = _data(view, device, **spec.data.model_dump())
    names = (data.class_names, data.group_names)
    task = Task(data.train, data.validation, names[0], device, spec.training.sampler, spec.grouping, names[1])
    if spec.shift is not None:
        work = partial(_shifted, spec, spec.shift, task, data, runs)
        yield from finish_once(folder, spec.canonical(), work)
        return folder
    problem = _problem(spec, task, data, runs)

    def more(result: Result) -> Mapping[str, bytes]:
        if spec.role == "teacher":
            teacher_scores(result.model, task.train, task.validation, device=device, folder=folder.path)
        return _tested(result.scores(data.test), task, data)

    yield from complete(
        _network(spec, data),
        problem,
        spec.training,
        seed=randomness.derive_seed(spec.order_seed, spec.role),
        folder=folder,
        spec=spec.canonical(),
        robust_k=spec.robust_k,
        more=more,
    )
    return folder


def device_here() -> torch.device:
    """The GPU of this process if there is one."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


@lru_cache(maxsize=2)  # a worker trains many runs on one data set
def _data(view: View | None, device: torch.device, **told: Any) -> Data:  # noqa: ANN401 - what load_data takes
    data = load_data(**told)
    return (data if view is None else data.viewed(view)).to(device)


def _network(spec: RunSpec, data: Data) -> nn.Module:
    """A freshly initialised network; teacher and student of one seed do not start from the same weights."""
    seed = randomness.derive_seed(spec.initialisation_seed, spec.role, "initialisation")
    first = next(data.train.batches([torch.arange(1)])).cpu()
    with randomness.isolated(seed, torch.device("cpu")):
        network = in_channels_last(_made(spec.network, data.num_classes, tuple(first.shape[1:])), first)
    width = score_width(network, first, torch.device("cpu"))
    if width != data.num_classes:
        raise ValueError(
            f"the network of kind {spec.network.kind} gives {width} scores, there are {data.num_classes} classes"
        )
    return network


def _made(network: NetworkSpec, classes: int, shape: tuple[int, ...]) -> nn.Module:
    match network:
        case MlpSpec(hidden=hidden):
            return mlp(math.prod(shape), classes, hidden)
        case ConvnetSpec(width=width):
            return convnet(shape[0], classes, width)
        case ResNetSpec(depth=18, stem=stem):
            return resnet18(classes, stem or "imagenet", shape[0])
        case ResNetSpec(depth=depth):
            return cifar_resnet(depth, classes, shape[0])
        case OwnSpec(path=path, arguments=arguments):
            return from_path(path, classes, shape[0], arguments)
        case TimmSpec(name=name, arguments=arguments):
            return from_timm(name, classes, shape[0], arguments)


def _objective(spec: AnyObjective) -> Description:
    match spec:
        case ObjectiveSpec(alpha=alpha, base=base, form=form):
            return TradeOff(alpha, base=base, form=form)
        case GroupDROSpec(multipliers=multipliers, step_size=step_size, adjustment=adjustment):
            return GroupDRO(multipliers, step_size=step_size, adjustment=adjustment)
        case AdaMarginSpec(per=per):
            return AdaMargin(per)
        case AdaAlphaSpec(per=per):
            return AdaAlpha(per)
        case BalancedKDSpec(weight=weight, beta=beta):
            return BalancedKD(weight=weight, beta=beta)


def _tested(scores: Tensor, task: Task, data: Data) -> dict[str, bytes]:
    """What a run says of the test set, and of which data."""
    test = findings(scores, data.test, task) | {"class_names": list(data.class_names)}
    return {"test.json": json_bytes(test), "data.json": json_bytes({"fingerprint": data.fingerprint})}


def _shifted(spec: RunSpec, shift: ShiftSpec, task: Task, data: Data, runs: Path) -> Turns[Mapping[str, bytes]]:
    """A finished teacher with costs on its scores, found on validation with its true labels; nothing is trained."""
    if Ranks.here().size > 1:
        raise ValueError("a shift trains nothing; run this recipe in one process first")
    yield from ()
    teacher = _teacher(spec, task, data, runs)
    scores = {"validation": scores_of(teacher, data.validation), "test": scores_of(teacher, data.test)}
    if isinstance(shift, LogitAdjustmentSpec):
        log_costs = logit_adjustment(true_problem(task, Standard(), step_size=1.0).labeller.log_priors, tau=shift.tau)
    else:
        log_costs = PostShift().fit(scores["validation"], data.validation.labels).log_costs
    moved = {name: values + log_costs.cpu().to(values) for name, values in scores.items()}
    found = findings(moved["validation"], data.validation, task) | {"log_costs": log_costs.tolist()}
    return {"validation.json": json_bytes(found), **_tested(moved["test"], task, data)}


def _teacher(spec: RunSpec, task: Task, data: Data, runs: Path) -> nn.Module:
    """The finished teacher of a run, frozen."""
    if spec.teacher is None:
        raise ValueError(f"{spec.folder_name} has no teacher")
    folder = RunFolder(runs / spec.teacher.folder_name)
    if not folder.finished:
        raise ValueError(f"the teacher of {spec.folder_name} is not trained yet: {folder.path}")
    return frozen(folder.load_model(_network(spec.teacher, data)), task.device)


def _problem(spec: RunSpec, task: Task, data: Data, runs: Path) -> Problem:
    objective, step_size = _objective(spec.objective), spec.training.multiplier_step
    if spec.teacher is None or spec.listening is None:
        return true_problem(task, objective, step_size=step_size)
    teacher = _teacher(spec, task, data, runs)
    told = {"device": task.device, "folder": runs / spec.teacher.folder_name, "ranks": Ranks.here()}
    scores = teacher_scores(teacher, task.train, task.validation, **told)
    listening = Distillation(
        temperature=spec.listening.temperature,
        validation_temperature=spec.listening.validation_temperature,
        validation_labels=spec.listening.validation_labels or "teacher",
        onehot_weight=spec.listening.onehot_weight,
        teacher_view=spec.listening.teacher_view,
    )
    return student_problem(task, scores, objective, listening, step_size=step_size, teacher=teacher)
