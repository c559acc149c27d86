"""The wiring room: a frozen spec becomes data, network, problem and a finished folder; specs are read nowhere below."""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from evendistill.data.datasets import Data, load_data
from evendistill.distillation.problem import Distillation, Problem, Task, student_problem, true_problem
from evendistill.distillation.teacher import frozen, teacher_scores
from evendistill.experiments.spec import ConvnetSpec, MlpSpec, ObjectiveSpec, RunSpec
from evendistill.models.convnet import convnet
from evendistill.models.mlp import mlp
from evendistill.objectives.tradeoff import TradeOff
from evendistill.storage.files import json_bytes
from evendistill.training import randomness
from evendistill.training.complete import complete
from evendistill.training.evidence import evidence
from evendistill.training.folder import RunFolder
from evendistill.training.result import Result

_load = lru_cache(maxsize=2)(load_data)  # a worker trains many runs on one data set


def train_run(
    spec: RunSpec, runs: Path, *, on_step: Callable[[int, int], None] = lambda done, total: None
) -> RunFolder:
    """Train one run in its folder, unless it is finished.

    Args:
        spec: what to train; a student's teacher must be finished.
        runs: folder of all runs.
        on_step: called with steps done and steps in all.

    Returns:
        The finished folder.

    Raises:
        ValueError: if the spec and the data do not fit together, or the teacher is not there.
        FloatingPointError: if the loss diverges.
        BlockingIOError: if another process is training this run.
    """
    torch.set_num_threads(spec.training.threads)  # before the first operation: their number changes the last bits
    folder = RunFolder(runs / spec.folder_name)
    if folder.finished:
        return folder
    data = _load(**spec.data.model_dump())
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    task = Task(data.train, data.validation, data.class_names, device)
    problem = _problem(spec, task, data, runs)

    def more(result: Result) -> Mapping[str, bytes]:
        if spec.role == "teacher":
            teacher_scores(result.model, task.train, task.validation, device=device, folder=folder.path)
        test = evidence(result.evaluate(data.test)) | {"class_names": list(data.class_names)}
        return {"test.json": json_bytes(test)}

    complete(
        _network(spec, data),
        problem,
        spec.training,
        seed=randomness.derive_seed(spec.order_seed, spec.role),
        folder=folder,
        spec=spec.canonical(),
        robust_k=spec.robust_k,
        on_step=on_step,
        more=more,
    )
    return folder


def _network(spec: RunSpec, data: Data) -> nn.Module:
    """A freshly initialised network; teacher and student of one seed do not start from the same weights."""
    seed = randomness.derive_seed(spec.initialisation_seed, spec.role, "initialisation")
    shape = tuple(data.train[0][0].shape)
    with randomness.isolated(seed, torch.device("cpu")):
        match spec.network:
            case MlpSpec(hidden=hidden):
                return mlp(math.prod(shape), data.num_classes, hidden)
            case ConvnetSpec(width=width):
                return convnet(shape[0], data.num_classes, width)


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
    scores = teacher_scores(teacher, task.train, task.validation, device=task.device, folder=folder.path)
    listening = Distillation(
        temperature=spec.listening.temperature,
        validation_temperature=spec.listening.validation_temperature,
        validation_labels=spec.listening.validation_labels or "teacher",
        onehot_weight=spec.listening.onehot_weight,
        teacher_view=spec.listening.teacher_view,
    )
    return student_problem(task, scores, objective, listening, step_size=step_size, teacher=teacher)
