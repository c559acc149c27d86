"""The Python face: train and distill on whatever data and networks the user brings."""

import copy
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import nn

from evendistill.data.examples import Examples, as_examples, in_order
from evendistill.data.sampling import Sampler
from evendistill.distillation.asking import asked
from evendistill.distillation.brought import check_examples, checked_network, tried
from evendistill.distillation.problem import Distillation, Problem, Task, student_problem, true_problem
from evendistill.distillation.teacher import TeacherScores
from evendistill.maths.grouping import Grouping
from evendistill.models.inference import in_channels_last
from evendistill.models.ranks import Ranks
from evendistill.objectives.frontier import FrontierObjective, conditioned
from evendistill.objectives.objective import Description
from evendistill.objectives.tradeoff import Robust, Standard
from evendistill.storage.files import digest
from evendistill.storage.tensors import tensor_bytes
from evendistill.training.complete import complete
from evendistill.training.folder import RunFolder
from evendistill.training.identity import identity
from evendistill.training.interrupted import saved_if_interrupted
from evendistill.training.progress import progress_bar
from evendistill.training.randomness import derive_seed, isolated, threads
from evendistill.training.recipe import Recipe
from evendistill.training.result import Result
from evendistill.training.telling import Record, telling
from evendistill.training.turns import drained


def train(
    model: nn.Module,
    train: object,
    validation: object | None,
    *,
    objective: Description | None = None,
    recipe: Recipe | None = None,
    seed: int = 0,
    num_classes: int | None = None,
    grouping: Grouping = "class",
    device: str | torch.device = "auto",
    out: str | Path | None = None,
    progress: bool = True,
    workers: int = 0,
    on_record: Callable[[Record], object] | None = None,
) -> Result:
    """Train a network on the ground truth: a teacher, or a student without one.

    Args:
        model: from inputs ``(B, ...)`` to scores ``(B, C)``. It is copied; your own is not touched.
        train: map-style ``Dataset`` of ``(x, y)`` or ``(x, y, group)``, or a pair of arrays. Inputs reach the network
            as they are: nothing is scaled or normalised.
        validation: the same; moves the multipliers and picks the best iterate. None if neither is wanted.
        objective: ``Standard()`` (default), ``Balanced()``, ``Robust()``, ``TradeOff(alpha)``, ``Reweighted()`` or
            ``GroupDRO()``.
        recipe: hyper-parameters; the defaults of :class:`Recipe` if None.
        seed: of the order of examples and of all that is drawn at random. The weights you bring are yours.
        num_classes: C; the width of the scores if None.
        grouping: whose worst counts: each "class", each "attribute" (the third item of the data), or each
            "class x attribute". Attributes alone need ``GroupDRO()`` or ``TradeOff(alpha, form="weighted")``.
        device: "auto" takes a GPU if there is one.
        out: a folder for checkpoints and results: the same call resumes there, and does nothing once it is done. Ctrl-C
            saves before it is raised; a crash costs ``recipe.checkpoint_every`` seconds at most.
        progress: show a bar, on a terminal.
        workers: loading processes for data sets that are not in memory.
        on_record: called with each new record of ``history``, once an epoch, by the first process: the place for
            wandb, MLflow and the like. A resumed run does not repeat the epochs that it takes over. What it raises ends
            the call; with ``out`` the same call then goes on after that epoch.

    Returns:
        The trained copy with its history and multipliers.

    Raises:
        ValueError: if data, model and arguments do not fit together, saying what and where.
        FloatingPointError: if the loss diverges, saying at which step.
    """
    recipe, objective = _checked(recipe or Recipe(), objective or Standard(), on_record)
    with threads(recipe.threads), isolated(derive_seed(seed, "reading"), _device(device)):
        told = (num_classes, device, workers, grouping)
        network, task = _copy_and_task(model, train, validation, objective, recipe.sampler, *told)
        problem = true_problem(task, objective, step_size=recipe.multiplier_step)
        spec = {"role": "train"} | identity(network, task, objective, recipe, seed)
        return _complete(
            network, problem, recipe, seed=seed, out=out, spec=spec, progress=progress, on_record=on_record
        )


def distill(
    teacher: nn.Module | TeacherScores,
    student: nn.Module,
    train: object,
    validation: object | None,
    *,
    objective: Description | None = None,
    temperature: float = 3.0,
    validation_temperature: float | None = None,
    validation_labels: Literal["teacher", "true"] = "teacher",
    onehot_weight: float = 0.0,
    teacher_view: Literal["clean", "augmented"] = "clean",
    feature_weight: float = 0.0,
    recipe: Recipe | None = None,
    seed: int = 0,
    num_classes: int | None = None,
    grouping: Grouping = "class",
    device: str | torch.device = "auto",
    out: str | Path | None = None,
    progress: bool = True,
    workers: int = 0,
    on_record: Callable[[Record], object] | None = None,
) -> Result:
    """Train a student on a teacher's softened probabilities.

    Args:
        teacher: a network, scored once over the data sets in eval mode; or its ready :class:`TeacherScores`, rows in
            the order of the data sets.
        student: from inputs ``(B, ...)`` to scores ``(B, C)``. It is copied; your own is not touched.
        train: map-style ``Dataset`` of ``(x, y)`` or ``(x, y, group)``, or a pair of arrays. Inputs reach the network
            as they are: nothing is scaled or normalised.
        validation: the same; moves the multipliers and picks the best iterate. None if neither is wanted.
        objective: ``Robust()`` (default), ``Balanced()``, ``Standard()``, ``TradeOff(alpha)``, or a baseline:
            ``GroupDRO()``, ``AdaMargin()``, ``AdaAlpha()``, ``BalancedKD()``, ``Reweighted()``.
        temperature: divides the teacher's scores for the training targets. The student's are never scaled.
        validation_temperature: the same for teacher-labelled validation; ``temperature`` if None. The paper searches
            it apart from ``temperature``; a sharp one, 1 or below, is worth a try first.
        validation_labels: whether "teacher" or "true" labels move the multipliers (Wang et al. 2023: Algorithm 1 and
            its one-hot variant).
        onehot_weight: share of the true label in the training targets.
        teacher_view: "clean" takes the teacher's scores of the data set as it is; "augmented" asks the teacher anew on
            each batch that the student sees, which is what a data set that augments at random wants.
        feature_weight: of the mean squared distance of the student's features, mapped linearly, from the teacher's
            standardised ones. Features are what goes into the last linear layer, which both must then have.
        recipe: hyper-parameters; the defaults of :class:`Recipe` if None.
        seed: of the order of examples and of all that is drawn at random.
        num_classes: C; the width of the scores if None.
        grouping: whose worst counts: each "class", each "attribute" (the third item of the data), or each
            "class x attribute". Attributes alone need ``GroupDRO()`` or ``TradeOff(alpha, form="weighted")``.
        device: "auto" takes a GPU if there is one.
        out: a folder for checkpoints, teacher scores and results: the same call resumes there, and does nothing once
            it is done. Ctrl-C saves before it is raised; a crash costs ``recipe.checkpoint_every`` seconds at most.
        progress: show a bar, on a terminal.
        workers: loading processes for data sets that are not in memory.
        on_record: called with each new record of ``history``, once an epoch, by the first process: the place for
            wandb, MLflow and the like. A resumed run does not repeat the epochs that it takes over. What it raises ends
            the call; with ``out`` the same call then goes on after that epoch.

    Returns:
        The trained copy of the student with its history and multipliers.

    Raises:
        ValueError: if data, models and arguments do not fit together, saying what and where.
        FloatingPointError: if the loss diverges, saying at which step.
    """
    recipe, objective = _checked(recipe or Recipe(), objective or Robust(), on_record)
    listening = Distillation(
        temperature, validation_temperature, validation_labels, onehot_weight, teacher_view, feature_weight
    )
    with threads(recipe.threads), isolated(derive_seed(seed, "reading"), _device(device)):
        given = (num_classes, device, workers, grouping)
        network, task = _copy_and_task(student, train, validation, objective, recipe.sampler, *given)
        said = asked(teacher, task, listening, None if out is None else Path(out))
        told = {"step_size": recipe.multiplier_step, "teacher": said.teacher, "features": said.features}
        problem = student_problem(task, said.scores, objective, listening, **told)
        known = _told(said.scores) if said.teacher is None else said.teacher.state_dict()
        spec = {"role": "distill", "teacher": digest(tensor_bytes(known)), **asdict(listening)}
        if feature_weight == 0:
            del spec["feature_weight"]  # folders of calls that did not know of it stay theirs
        spec |= identity(network, task, objective, recipe, seed)
        return _complete(
            network, problem, recipe, seed=seed, out=out, spec=spec, progress=progress, on_record=on_record
        )


def _checked(recipe: object, objective: object, on_record: object) -> tuple[Recipe, Description]:
    if not isinstance(recipe, Recipe):
        raise ValueError(f"recipe must be an ed.Recipe, got {type(recipe).__name__}")
    if isinstance(objective, type) or not hasattr(objective, "bind"):
        raise ValueError(f"objective must be one such as ed.Robust(), brackets included, got {objective!r}")
    if not (on_record is None or callable(on_record)):
        raise ValueError(f"on_record must be a function of a record, got {type(on_record).__name__}")
    return recipe, cast(Description, objective)


def _copy_and_task(
    model: nn.Module,
    train: object,
    validation: object | None,
    objective: Description,
    sampler: Sampler,
    num_classes: int | None,
    device: str | torch.device,
    workers: int,
    grouping: Grouping,
) -> tuple[nn.Module, Task]:
    place = _device(device)
    network = copy.deepcopy(checked_network(model, "the network to train")).to(place)
    examples = _named_examples("train", train, workers)
    held_out = None if validation is None else _named_examples("validation", validation, workers)
    first = next(in_order(examples, 2)).to(place)
    width = tried(network, first, place)
    if num_classes not in (None, width):
        raise ValueError(f"the network gives {width} scores, num_classes is {num_classes}")
    check_examples(examples, held_out, width)
    task = Task(examples, held_out, tuple(str(label) for label in range(width)), place, sampler, grouping)
    network = in_channels_last(network, first)
    return (conditioned(network, first, objective) if isinstance(objective, FrontierObjective) else network), task


def _told(scores: TeacherScores) -> dict[str, torch.Tensor]:
    return {"train": scores.train} | ({} if scores.validation is None else {"validation": scores.validation})


def _device(device: str | torch.device) -> torch.device:
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)


def _named_examples(split: str, source: object, workers: int) -> Examples:
    try:
        return as_examples(source, workers=workers)
    except ValueError as error:
        raise ValueError(f"{split}: {error}") from None


def _complete(
    network: nn.Module,
    problem: Problem,
    recipe: Recipe,
    *,
    seed: int,
    out: str | Path | None,
    spec: dict[str, Any],
    progress: bool,
    on_record: Callable[[Record], object] | None,
) -> Result:
    folder = None if out is None else RunFolder(Path(out))
    with progress_bar(spec["role"], enabled=progress) as on_step:
        told: dict[str, Any] = {"seed": seed, "folder": folder, "spec": spec, "on_step": on_step}
        work = partial(complete, network, problem, recipe, **told)
        finish = drained if folder is None else saved_if_interrupted
        if on_record is None or not Ranks.here().is_first:
            return finish(work())
        return finish(telling(lambda on_epoch: work(on_epoch=on_epoch), on_record, problem.task.device))
