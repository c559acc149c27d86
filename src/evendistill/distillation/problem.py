"""What one run optimises: a teacher's problem and a student's differ in who labels, in nothing else."""

import warnings
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from evendistill.distillation.labels import (
    Labeller,
    LiveTeacherLabels,
    TeacherLabels,
    TrueLabels,
    check_temperature,
    soften,
)
from evendistill.distillation.task import Task, named
from evendistill.distillation.teacher import TeacherScores
from evendistill.maths.groups import group_mass, group_numbers
from evendistill.objectives.objective import BoundObjective, Description, Facts

__all__ = ["Distillation", "Problem", "Task", "student_problem", "true_problem"]


@dataclass(frozen=True)
class Problem:
    """All that one run optimises, and nothing of how.

    Attributes:
        task: the data.
        labeller: gives the training targets.
        objective: bound to the priors of these targets.
        validation_targets: what validation examples count as in the errors: ``(M, C)``, or labels ``(M,)``.
        labels: ``(N,)`` true training labels on the device, where the objective reads them.
        attributes: ``(N,)`` of the training examples on the device, where groups are not classes.
    """

    task: Task
    labeller: Labeller
    objective: BoundObjective
    validation_targets: Tensor | None
    labels: Tensor | None = None
    attributes: Tensor | None = None

    def loss(self, scores: Tensor, rows: Tensor, inputs: Tensor) -> Tensor:
        """Scalar to descend on for the examples in these rows ``(B,)``, whose scores ``(B, C)`` the student gives."""
        labels = None if self.labels is None else self.labels[rows]
        attributes = None if self.attributes is None else self.attributes[rows]
        return self.objective(scores, self.labeller.targets(rows, inputs), labels, attributes)


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
    return _bound(task, labeller, objective, targets, step_size, temperature=1.0)


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
    targets = _validation_targets(task, scores, objective, distillation)
    return _bound(task, labeller, objective, targets, step_size, temperature=distillation.temperature)


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


def _bound(
    task: Task,
    labeller: Labeller,
    objective: Description,
    targets: Tensor | None,
    step_size: float,
    *,
    temperature: float,
) -> Problem:
    attributes = task.attributes(task.train)
    log_priors = labeller.log_priors if attributes is None else labeller.log_group_priors(attributes, task.shape)
    facts = Facts(task.group_counts, task.class_counts, temperature, labeller.margins)
    bound = objective.bind(log_priors, step_size=step_size, facts=facts).to(task.device)
    told = {"labels": task.train.labels.to(task.device) if bound.reads_labels else None, "attributes": attributes}
    if not bound.is_adversarial:
        return Problem(task, labeller, bound, None, **told)
    if targets is None:
        raise ValueError("an objective with multipliers needs a validation set to move them, got None")
    _warn_of_absent(targets, task)
    return Problem(task, labeller, bound, targets, **told)


def _check_fit(scores: TeacherScores, task: Task) -> None:
    if scores.num_classes != len(task.class_names):
        raise ValueError(f"the teacher has {scores.num_classes} classes, the student {len(task.class_names)}")
    for split, rows in (("train", scores.train), ("validation", scores.validation)):
        examples = getattr(task, split)
        if rows is not None and examples is not None and len(rows) != len(examples):
            raise ValueError(f"teacher scores on {split} have {len(rows)} rows, the data set has {len(examples)}")


def _warn_of_absent(targets: Tensor, task: Task) -> None:
    attributes = None if task.validation is None else task.attributes(task.validation)
    if targets.ndim == 1:
        mass = group_numbers(targets, attributes, task.shape).bincount(minlength=len(task.group_names))
    else:
        mass = group_mass(targets, attributes, task.shape).flatten()
    absent = (mass == 0).nonzero().flatten().tolist()
    if absent:
        warnings.warn(
            f"absent from validation: {task.kind} {', '.join(named(number, task.group_names) for number in absent)}; "
            "its multiplier keeps its value and its accuracy is not measured",
            stacklevel=4,
        )
