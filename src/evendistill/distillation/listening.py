"""How a student listens to its teacher: plain settings, checked once."""

import math
from dataclasses import dataclass
from typing import Literal

from evendistill.distillation.labels import check_temperature


@dataclass(frozen=True)
class Distillation:
    """How a student listens to its teacher.

    Attributes:
        temperature: divides the teacher's scores for the training targets.
        validation_temperature: the same for teacher-labelled validation; ``temperature`` if None.
        validation_labels: whether "teacher" or "true" labels move the multipliers.
        onehot_weight: share of the true label in the training targets.
        teacher_view: "clean" or "augmented".
        feature_weight: of the squared distance of the student's features from the teacher's; 0 matches none.

    Raises:
        ValueError: if a value is out of range.
    """

    temperature: float = 3.0
    validation_temperature: float | None = None
    validation_labels: Literal["teacher", "true"] = "teacher"
    onehot_weight: float = 0.0
    teacher_view: Literal["clean", "augmented"] = "clean"
    feature_weight: float = 0.0

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
        if not 0 <= self.feature_weight < math.inf:
            raise ValueError(f"feature_weight must be at least 0 and finite, got {self.feature_weight}")
        if self.feature_weight > 0 and self.teacher_view != "clean":
            raise ValueError(f"feature_weight needs teacher_view 'clean', got {self.teacher_view!r}")
