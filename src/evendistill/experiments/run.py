"""The wiring room: a frozen spec becomes data, network, problem and a finished folder; specs are read nowhere below."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import Tensor

from evendistill.data.datasets import Data
from evendistill.distillation.asking import asked
from evendistill.distillation.brought import tried
from evendistill.distillation.problem import Distillation, Problem, Task, student_problem, true_problem
from evendistill.distillation.teacher import teacher_scores
from evendistill.experiments.mended import mended
from evendistill.experiments.networks import finished_network, network_to_train
from evendistill.experiments.objectives import (
    AdaAlphaSpec,
    AdaMarginSpec,
    BalancedKDSpec,
    FrontierSpec,
    GroupDROSpec,
    ObjectiveSpec,
    TrainedObjective,
)
from evendistill.experiments.predictions import PREDICTIONS
from evendistill.experiments.results import FRONTIER
from evendistill.experiments.samedata import check_same_data
from evendistill.experiments.sources import seen
from evendistill.experiments.spec import DataSpec, OwnSpec, RunSpec, TimmSpec, ViewSpec
from evendistill.maths.margins import margins_of_classes
from evendistill.models.conditioned import Conditioned
from evendistill.models.ranks import Ranks
from evendistill.objectives.adaptive import AdaAlpha, AdaMargin
from evendistill.objectives.balancedkd import BalancedKD
from evendistill.objectives.frontier import FrontierObjective
from evendistill.objectives.groupdro import GroupDRO
from evendistill.objectives.objective import Description
from evendistill.objectives.tradeoff import TradeOff
from evendistill.storage.files import json_bytes, known
from evendistill.storage.intact import DamagedError
from evendistill.storage.tensors import tensor_bytes
from evendistill.training import randomness
from evendistill.training.complete import complete
from evendistill.training.evaluation import scores_of
from evendistill.training.evidence import findings
from evendistill.training.folder import RunFolder, WrongStartError, finish_once, model_bytes
from evendistill.training.result import Result
from evendistill.training.turns import Turns

STOPS = 20  # between the ends of a frontier, where it is measured


def train_run(spec: RunSpec, runs: Path, *, beside: Iterable[RunSpec] = ()) -> Turns[RunFolder]:
    """Train one run in its folder, a step at a time, unless it is finished.

    Args:
        spec: what to train; a student's teacher must be finished.
        runs: folder of all runs.
        beside: further runs of the same table, which must have been trained on the same data.

    Returns:
        The finished folder.

    Raises:
        ValueError: if the spec and the data do not fit together, the teacher is not there, or finished runs saw other
            data (WrongStartError).
        FloatingPointError: if the loss diverges.
        BlockingIOError: if another process is training this run.
    """
    torch.set_num_threads(spec.training.threads)  # before the first operation: their number changes the last bits
    folder = RunFolder(runs / spec.folder_name)
    if Ranks.here().agreed(folder.finished):
        return folder
    device = device_here()
    data = _data(spec.data.model_dump_json(), spec.view and spec.view.model_dump_json(), device)
    check_same_data(spec, data, runs, beside=beside)
    names = (data.class_names, data.group_names)
    task = Task(data.train, data.validation, names[0], device, spec.training.sampler, spec.grouping, names[1])
    if spec.mend is not None:
        work = partial(_mended, spec, task, data, runs)
        yield from finish_once(folder, spec.canonical(), work)
        return folder
    problem = _problem(spec, task, data, runs)

    def more(result: Result) -> Mapping[str, bytes]:
        if isinstance(result.model, Conditioned):
            return _frontier(result.model, task, data)
        if spec.role == "teacher":
            teacher_scores(result.model, task.train, task.validation, device=device, folder=folder.path)
        return _tested(result.scores(data.test), task, data)

    network = network_to_train(spec, data)
    if isinstance(spec.network, OwnSpec | TimmSpec):
        tried(network, next(data.train.batches([torch.arange(2)])).cpu(), torch.device("cpu"))
    yield from complete(
        network,
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
def _data(told: str, view: str | None, device: torch.device) -> Data:
    seen_by = None if view is None else ViewSpec.model_validate_json(view)
    return seen(DataSpec.model_validate_json(told), seen_by).to(device)


def objective_of(spec: TrainedObjective) -> Description:
    """The objective that a spec names."""
    match spec:
        case ObjectiveSpec(alpha=alpha, base=base, form=form):
            return TradeOff(alpha, base=base, form=form)
        case GroupDROSpec(multipliers=multipliers, step_size=step_size, adjustment=adjustment):
            return GroupDRO(multipliers, step_size=step_size, adjustment=adjustment)
        case AdaMarginSpec(per=per):
            return AdaMargin(per)
        case AdaAlphaSpec(per=per):
            return AdaAlpha(per)
        case FrontierSpec(alphas=alphas, by=by):
            return FrontierObjective(alphas, by=by)
        case BalancedKDSpec(weight=weight, beta=beta):
            return BalancedKD(weight=weight, beta=beta)


def _tested(scores: Tensor, task: Task, data: Data) -> dict[str, bytes]:
    """What a run says of the test set, and of which data."""
    margins = margins_of_classes(scores.double().softmax(dim=1), data.test.labels).tolist()
    told: dict[str, object] = {"class_names": list(data.class_names), "margins": [known(each) for each in margins]}
    test = findings(scores, data.test, task) | told
    predicted = {"predictions": scores.argmax(dim=1).int(), "labels": data.test.labels.int()}
    return {
        "test.json": json_bytes(test),
        PREDICTIONS: tensor_bytes(predicted),
        "data.json": _told(data, task),
    }


def _told(data: Data, task: Task) -> bytes:
    counted = {"class_names": list(data.class_names), "training_examples": task.class_counts.tolist()}
    return json_bytes({"fingerprint": data.fingerprint, **counted})


def stops(alphas: Sequence[float]) -> list[float]:
    """Where a frontier of these trade-offs, in their order, is measured: at each, and between them."""
    low, high = alphas[0], alphas[-1]
    return sorted({*alphas, *(round(low + (high - low) * part / STOPS, 6) for part in range(STOPS + 1))})


def _frontier(model: Conditioned, task: Task, data: Data) -> dict[str, bytes]:
    """What a run of several trade-offs finds at each of them, and between them."""
    alphas = stops(model.alphas)
    networks = {alpha: model.at(alpha) for alpha in alphas}
    found = {
        split: [findings(scores_of(each, examples), examples, task) for each in networks.values()]
        for split, examples in (("validation", data.validation), ("test", data.test))
    }
    return {FRONTIER: json_bytes({"alphas": alphas, **found}), "data.json": _told(data, task)}


def _mended(spec: RunSpec, task: Task, data: Data, runs: Path) -> Turns[Mapping[str, bytes]]:
    """Finished teachers with something put on them; its scores are kept for its students."""
    if Ranks.here().size > 1:
        raise WrongStartError("a mended teacher trains nothing; run this recipe in one process first")
    yield from ()
    model, numbers = mended(spec, task, data, runs)
    held_out = None
    if spec.trained.listening is None:
        folder = runs / spec.folder_name
        held_out = teacher_scores(model, task.train, task.validation, device=task.device, folder=folder).validation
    held_out = scores_of(model, data.validation) if held_out is None else held_out.cpu()
    found = findings(held_out, data.validation, task) | numbers
    files = {"model.safetensors": model_bytes(model), "validation.json": json_bytes(found)}
    return files | _tested(scores_of(model, data.test), task, data)


def _problem(spec: RunSpec, task: Task, data: Data, runs: Path) -> Problem:
    objective, step_size = objective_of(spec.objective), spec.training.multiplier_step
    if spec.teacher is None or spec.listening is None:
        return true_problem(task, objective, step_size=step_size)
    listening = Distillation(
        temperature=spec.listening.temperature,
        validation_temperature=spec.listening.validation_temperature,
        validation_labels=spec.listening.validation_labels or "teacher",
        onehot_weight=spec.listening.onehot_weight,
        teacher_view=spec.listening.teacher_view,
        feature_weight=spec.listening.feature_weight,
    )
    try:
        teacher = finished_network(spec.teacher, data, runs)
    except (
        DamagedError
    ) as error:  # nothing is wrong with the student: who begins the sweep next has the teacher made anew
        raise OSError(str(error)) from None
    said = asked(teacher, task, listening, runs / spec.teacher.folder_name)
    told = {"step_size": step_size, "teacher": said.teacher, "features": said.features}
    return student_problem(task, said.scores, objective, listening, **told)
