"""What one run optimises: a teacher's problem and a student's differ in who labels, in nothing else."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from evendistill.distillation.labels import Labeller, LiveTeacherLabels, TeacherLabels, TrueLabels, soften
from evendistill.distillation.listening import Distillation
from evendistill.distillation.task import Task, named
from evendistill.distillation.teacher import TeacherScores
from evendistill.maths.groups import group_mass, group_numbers
from evendistill.models.head import head_of
from evendistill.models.matching import matching
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
        features: ``(N, K)`` of the teacher on the training set, standardised, on the device; None if none are matched.
        feature_weight: of the mean squared distance to them.
    """

    task: Task
    labeller: Labeller
    objective: BoundObjective
    validation_targets: Tensor | None
    labels: Tensor | None = None
    attributes: Tensor | None = None
    features: Tensor | None = None
    feature_weight: float = 0.0

    @contextmanager
    def learner(self, network: nn.Module) -> Iterator[nn.Module]:
        """What descends while this network learns: itself or, where features are matched, it and its projection.

        Raises:
            ValueError: if features are to be matched and no linear layer gives the network's scores.
        """
        if self.features is None:
            yield network
            return
        inputs = next(self.task.train.batches([torch.arange(2)])).to(self.task.device)
        with matching(network, head_of(network, inputs, role="student"), self.features.shape[1]) as learner:
            yield learner

    def loss(self, outputs: Tensor, rows: Tensor, inputs: Tensor) -> Tensor:
        r"""Scalar to descend on for the examples in these rows ``(B,)``.

        Where features are matched it is, with t the targets and w the weight,

        .. math:: \ell(f_s, t) + \frac{w}{B K} \sum_{b,k} (P \varphi_s(x_b) + b - \varphi_t(x_b))_k^2

        Source: Romero et al. 2015 (FitNets) for the second term. There it comes before distillation, for layers in the
        middle; that it stands beside the loss, for what goes into the last layer and standardised, is ours.

        Args:
            outputs: scores ``(B, C)`` or, where features are matched, with projected features behind, ``(B, C + K)``.
            rows: of the training set.
            inputs: ``(B, ...)`` that the student saw.
        """
        if self.features is None:
            return self._score_loss(outputs, rows, inputs)
        width = self.features.shape[1]
        distance = (outputs[:, -width:] - self.features[rows]).square().mean()
        return self._score_loss(outputs[:, :-width], rows, inputs) + self.feature_weight * distance

    def _score_loss(self, scores: Tensor, rows: Tensor, inputs: Tensor) -> Tensor:
        labels = None if self.labels is None else self.labels[rows]
        attributes = None if self.attributes is None else self.attributes[rows]
        return self.objective(scores, self.labeller.targets(rows, inputs), labels, attributes)


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
    features: Tensor | None = None,
) -> Problem:
    """The problem of a student: its teacher labels the training set, and perhaps the validation set.

    Args:
        task: the data.
        scores: the teacher's raw scores of it.
        objective: of the student.
        distillation: how it listens.
        step_size: of the multipliers.
        teacher: frozen network on the task's device, for ``teacher_view="augmented"`` alone.
        features: ``(N, K)`` of the teacher, see :func:`evendistill.distillation.features.teacher_features`; for a
            positive ``feature_weight`` alone.

    Raises:
        ValueError: if scores and data do not fit together, or an adversarial objective lacks what moves it, or features
            are to be matched and not there.
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
    problem = _bound(task, labeller, objective, targets, step_size, temperature=distillation.temperature)
    if distillation.feature_weight == 0:
        return problem
    if problem.objective.heads > 1:
        raise ValueError("features are matched under one objective, not under a frontier; feature_weight must be 0")
    if features is None:
        raise ValueError("feature_weight needs the teacher itself, got its scores alone")
    return replace(problem, features=features, feature_weight=distillation.feature_weight)


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
    told: dict[str, Any] = {
        "labels": task.train.labels.to(task.device) if bound.reads_labels else None,
        "attributes": attributes,
    }
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
        where = "validation" if targets.ndim == 1 else "what the teacher says of validation"
        unmeasured = " and its accuracy is not measured" if targets.ndim == 1 else ""
        names = ", ".join(named(number, task.group_names) for number in absent)
        warnings.warn(
            f"absent from {where}: {task.kind} {names}; its multiplier keeps its value{unmeasured}", stacklevel=4
        )
