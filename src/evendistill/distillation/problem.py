"""What one run optimises: a teacher's problem and a student's differ in who labels, in nothing else."""

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor, nn

from evendistill.data.examples import Examples
from evendistill.data.sampling import Sampler, sampling_shares
from evendistill.distillation.labels import (
    Labeller,
    LiveTeacherLabels,
    TeacherLabels,
    TrueLabels,
    check_temperature,
    soften,
)
from evendistill.distillation.teacher import TeacherScores
from evendistill.maths.metrics import check_labels
from evendistill.maths.risks import class_mass
from evendistill.objectives.objective import BoundObjective, Description


@dataclass(frozen=True)
class Task:
    """The data of a problem.

    Attributes:
        train: examples to descend on.
        validation: examples to ascend on and to choose the best iterate by; None if neither is wanted.
        class_names: one a class, for messages.
        device: where targets and costs live.
        sampler: how often training draws each example: "uniform", or all classes alike under "balanced".

    Raises:
        ValueError: if a label is out of range or a class has no training example.
    """

    train: Examples
    validation: Examples | None
    class_names: tuple[str, ...]
    device: torch.device
    sampler: Sampler = "uniform"

    def __post_init__(self) -> None:
        for split in ("train", "validation"):
            examples = getattr(self, split)
            if examples is not None:
                try:
                    check_labels(examples.labels, len(examples), len(self.class_names))
                except ValueError as error:
                    raise ValueError(f"{split}: {error}") from None
        counts = self.train.labels.bincount(minlength=len(self.class_names))
        if bool((counts == 0).any()):
            missing = int((counts == 0).nonzero()[0])
            raise ValueError(f"class {_named(missing, self.class_names)} has no training example")

    @cached_property
    def shares(self) -> Tensor | None:
        """``(N,)`` the probability of each training example to be drawn; None if all are alike."""
        return sampling_shares(self.train.labels, self.sampler)

    @property
    def shares_on_device(self) -> Tensor | None:
        """The same where targets live."""
        return None if self.shares is None else self.shares.to(self.device)


@dataclass(frozen=True)
class Problem:
    """All that one run optimises, and nothing of how.

    Attributes:
        task: the data.
        labeller: gives the training targets.
        objective: bound to the priors of these targets.
        validation_targets: what validation examples count as in the class errors: ``(M, C)``, or labels ``(M,)``.
    """

    task: Task
    labeller: Labeller
    objective: BoundObjective
    validation_targets: Tensor | None


@dataclass(frozen=True)
class Distillation:
    """How a student listens to its teacher.

    Attributes:
        temperature: divides the teacher's scores for the training targets.
        validation_temperature: the same for teacher-labelled validation; ``temperature`` if None.
        validation_labels: whether "teacher" or "true" labels move the multipliers.
        onehot_weight: share of the true label in the training targets.
        teacher_view: "clean" or "augmented".

    Raises:
        ValueError: if a value is out of range.
    """

    temperature: float = 3.0
    validation_temperature: float | None = None
    validation_labels: Literal["teacher", "true"] = "teacher"
    onehot_weight: float = 0.0
    teacher_view: Literal["clean", "augmented"] = "clean"

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        if self.validation_temperature is not None:
            check_temperature(self.validation_temperature, "validation_temperature")
        if self.validation_labels not in ("teacher", "true"):
            raise ValueError(f"validation_labels must be 'teacher' or 'true', got {self.validation_labels!r}")
        if not 0 <= self.onehot_weight <= 1:
            raise ValueError(f"onehot_weight must lie in [0, 1], got {self.onehot_weight}")
        if self.teacher_view not in ("clean", "augmented"):
            raise ValueError(f"teacher_view must be 'clean' or 'augmented', got {self.teacher_view!r}")


def true_problem(task: Task, objective: Description, *, step_size: float) -> Problem:
    """The problem of a teacher, or of a student without one: the ground truth labels."""
    labeller = TrueLabels(task.train.labels.to(task.device), len(task.class_names), shares=task.shares_on_device)
    targets = None if task.validation is None else task.validation.labels.to(task.device)
    return _bound(task, labeller, objective, targets, step_size)


def student_problem(
    task: Task,
    scores: TeacherScores,
    objective: Description,
    distillation: Distillation,
    *,
    step_size: float,
    teacher: nn.Module | None = None,
) -> Problem:
    """The problem of a student: its teacher labels the training set, and perhaps the validation set.

    Args:
        task: the data.
        scores: the teacher's raw scores of it.
        objective: of the student.
        distillation: how it listens.
        step_size: of the multipliers.
        teacher: frozen network on the task's device, for ``teacher_view="augmented"`` alone.

    Raises:
        ValueError: if scores and data do not fit together, or an adversarial objective lacks what moves it.
    """
    _check_fit(scores, task)
    labels = task.train.labels.to(task.device)
    labeller: Labeller = TeacherLabels(
        scores.train.to(task.device),
        labels,
        temperature=distillation.temperature,
        onehot_weight=distillation.onehot_weight,
        shares=task.shares_on_device,
    )
    if distillation.teacher_view == "augmented":
        if teacher is None:
            raise ValueError("teacher_view 'augmented' needs the teacher itself, got its scores alone")
        labeller = LiveTeacherLabels(teacher, labeller)
    return _bound(task, labeller, objective, _validation_targets(task, scores, objective, distillation), step_size)


def _validation_targets(
    task: Task, scores: TeacherScores, objective: Description, distillation: Distillation
) -> Tensor | None:
    if task.validation is None or not objective.is_adversarial:
        return None
    if distillation.validation_labels == "true":
        return task.validation.labels.to(task.device)
    if scores.validation is None:
        raise ValueError(
            "teacher-labelled validation needs the teacher's scores there: give TeacherScores(train, validation), "
            "or set validation_labels to 'true'"
        )
    temperature = distillation.validation_temperature
    return soften(scores.validation.to(task.device), distillation.temperature if temperature is None else temperature)


def _bound(task: Task, labeller: Labeller, objective: Description, targets: Tensor | None, step_size: float) -> Problem:
    bound = objective.bind(labeller.log_priors, step_size=step_size).to(task.device)
    if not bound.is_adversarial:
        return Problem(task, labeller, bound, None)
    if targets is None:
        raise ValueError("an objective with multipliers needs a validation set to move them, got None")
    _warn_of_absent(targets, task.class_names)
    return Problem(task, labeller, bound, targets)


def _check_fit(scores: TeacherScores, task: Task) -> None:
    if scores.num_classes != len(task.class_names):
        raise ValueError(f"the teacher has {scores.num_classes} classes, the student {len(task.class_names)}")
    for split, rows in (("train", scores.train), ("validation", scores.validation)):
        examples = getattr(task, split)
        if rows is not None and examples is not None and len(rows) != len(examples):
            raise ValueError(f"teacher scores on {split} have {len(rows)} rows, the data set has {len(examples)}")


def _warn_of_absent(targets: Tensor, class_names: tuple[str, ...]) -> None:
    mass = targets.bincount(minlength=len(class_names)) if targets.ndim == 1 else class_mass(targets)
    absent = (mass == 0).nonzero().flatten().tolist()
    if absent:
        warnings.warn(
            f"absent from validation: class {', '.join(_named(label, class_names) for label in absent)}; "
            "its multiplier keeps its value and its accuracy is not measured",
            stacklevel=4,
        )


def _named(label: int, class_names: tuple[str, ...]) -> str:
    """A class by number, and by name where the name says more."""
    name = class_names[label]
    return str(label) if name == str(label) else f"{label} ({name!r})"
