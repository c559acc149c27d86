"""The wiring room: a frozen spec becomes data, network, problem and a finished folder; specs are read nowhere below."""

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evendistill.data.datasets import Data, load_data
from evendistill.data.view import View
from evendistill.distillation.problem import Distillation, Problem, Task, student_problem, true_problem
from evendistill.distillation.teacher import frozen, teacher_scores
from evendistill.experiments.spec import (
    ConvnetSpec,
    MlpSpec,
    NetworkSpec,
    ObjectiveSpec,
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
from evendistill.objectives.tradeoff import TradeOff
from evendistill.storage.files import json_bytes
from evendistill.training import randomness
from evendistill.training.complete import complete
from evendistill.training.evidence import evidence
from evendistill.training.folder import RunFolder
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
    task = Task(data.train, data.validation, data.class_names, device, spec.training.sampler)
    problem = _problem(spec, task, data, runs)

    def more(result: Result) -> Mapping[str, bytes]:
        if spec.role == "teacher":
            teacher_scores(result.model, task.train, task.validation, device=device, folder=folder.path)
        test = evidence(result.evaluate(data.test)) | {"class_names": list(data.class_names)}
        return {"test.json": json_bytes(test), "data.json": json_bytes({"fingerprint": data.fingerprint})}

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


def _objective(spec: ObjectiveSpec) -> TradeOff:
    return TradeOff(spec.alpha, base=spec.base)


def _problem(spec: RunSpec, task: Task, data: Data, runs: Path) -> Problem:
    objective, step_size = _objective(spec.objective), spec.training.multiplier_step
    if spec.teacher is None or spec.listening is None:
        return true_problem(task, objective, step_size=step_size)
    folder = RunFolder(runs / spec.teacher.folder_name)
    if not folder.finished:
        raise ValueError(f"the teacher of {spec.folder_name} is not trained yet: {folder.path}")
    teacher = frozen(folder.load_model(_network(spec.teacher, data)), task.device)
    told = {"device": task.device, "folder": folder.path, "ranks": Ranks.here()}
    scores = teacher_scores(teacher, task.train, task.validation, **told)
    listening = Distillation(
        temperature=spec.listening.temperature,
        validation_temperature=spec.listening.validation_temperature,
        validation_labels=spec.listening.validation_labels or "teacher",
        onehot_weight=spec.listening.onehot_weight,
        teacher_view=spec.listening.teacher_view,
    )
    return student_problem(task, scores, objective, listening, step_size=step_size, teacher=teacher)
