"""The ways in which a recipe's students listen to their teachers."""

from collections.abc import Iterator, Sequence
from typing import Literal

from evendistill.experiments.recipe import StudentsSpec
from evendistill.experiments.spec import ListeningSpec

Labels = Literal["teacher", "true"]


def listenings(
    students: StudentsSpec, *, is_adversarial: bool, labels: Sequence[Labels] | None = None
) -> Iterator[ListeningSpec]:
    """Temperatures and, where multipliers move, label modes and validation temperatures.

    Args:
        students: of a recipe.
        is_adversarial: whether multipliers move; if not, who labels the validation set makes no difference.
        labels: label modes; the recipe's if None.
    """
    for temperature in students.temperatures:
        common = {
            "temperature": temperature,
            "onehot_weight": students.onehot_weight,
            "teacher_view": students.teacher_view,
            "feature_weight": students.feature_weight,
        }
        if not is_adversarial:
            yield ListeningSpec(**common)
            continue
        for mode in labels or students.validation_labels:
            judging = students.validation_temperatures if mode == "teacher" else None
            for validation_temperature in judging or (None,):
                yield ListeningSpec(**common, validation_labels=mode, validation_temperature=validation_temperature)
