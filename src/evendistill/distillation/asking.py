"""All that a student needs of its teacher, asked once."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from evendistill.distillation.brought import checked_network
from evendistill.distillation.features import teacher_features
from evendistill.distillation.listening import Distillation
from evendistill.distillation.task import Task
from evendistill.distillation.teacher import TeacherScores, frozen, teacher_scores
from evendistill.models.ranks import Ranks


@dataclass(frozen=True, eq=False)
class Asked:
    """What a teacher said.

    Attributes:
        scores: of training and validation set.
        teacher: frozen, on the task's device; None if its scores alone are there.
        features: ``(N, K)`` standardised, of the training set; None if they are not to be matched, or scores alone are
            there.
    """

    scores: TeacherScores
    teacher: nn.Module | None = None
    features: Tensor | None = None


def asked(teacher: object, task: Task, listening: Distillation, folder: Path | None) -> Asked:
    """A teacher's scores over the data of a task and, if the student is to match them, its features.

    Args:
        teacher: a network, which is copied; or its ready scores.
        task: the data.
        listening: says whether features are wanted.
        folder: of the teacher's caches, made if it is not there; None keeps nothing.

    Raises:
        ValueError: if it is no teacher, a score is not finite, or features are wanted of a network that has none.
    """
    if isinstance(teacher, TeacherScores):
        return Asked(teacher)
    master = frozen(checked_network(teacher, "teacher", instead=" or ed.TeacherScores"), task.device)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    told = {"device": task.device, "folder": folder, "ranks": Ranks.here()}
    features = teacher_features(master, task.train, **told) if listening.feature_weight > 0 else None
    return Asked(teacher_scores(master, task.train, task.validation, **told), master, features)
