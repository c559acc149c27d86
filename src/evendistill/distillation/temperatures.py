"""Which temperature would a teacher be best calibrated at?"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from evendistill.distillation.labels import check_temperature
from evendistill.maths.calibration import calibration_error
from evendistill.maths.losses import check_scores
from evendistill.maths.metrics import check_labels
from evendistill.maths.reliability import binned_calibration, reliability

USUAL = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)


@dataclass(frozen=True, eq=False)
class Temperatures:
    """Calibration of a teacher at each of several temperatures.

    Attributes:
        tried: K temperatures.
        expected_error: ``(K, C)`` class-wise expected calibration error.
        calibration_error: ``(K, C)`` calibration term of Theorem 2, or its lower bound.
    """

    tried: tuple[float, ...]
    expected_error: Tensor
    calibration_error: Tensor

    @property
    def least_expected_error(self) -> float:
        """The temperature whose mean class-wise expected calibration error is least."""
        return self.tried[int(self.expected_error.mean(dim=1).argmin())]

    @property
    def least_calibration_error(self) -> float:
        """The temperature whose largest calibration term is least."""
        return self.tried[int(self.calibration_error.amax(dim=1).argmin())]

    @property
    def of_each_class(self) -> list[float]:
        """For each class the temperature at which its own calibration term is least."""
        return [self.tried[position] for position in self.calibration_error.argmin(dim=0).tolist()]


def temperatures(
    scores: Tensor,
    labels: Tensor,
    *,
    tried: Sequence[float] = USUAL,
    reference: Tensor | None = None,
    bins: int = 15,
) -> Temperatures:
    """Diagnose raw scores at several temperatures.

    Args:
        scores: ``(N, C)`` raw scores on held-out examples.
        labels: ``(N,)`` true labels.
        tried: the temperatures.
        reference: ``(N, C)`` the true conditional or an estimate of it; the own score of each class if None, and then a
            large temperature may look good for having erased what could be wrong.
        bins: of the reliability.

    Raises:
        ValueError: if nothing is tried, a temperature is not positive, or scores and labels do not fit together.
    """
    if not tried:
        raise ValueError("try at least one temperature")
    check_scores(scores)
    check_labels(labels, len(scores), scores.shape[1])
    errors, terms = [], []
    for temperature in tried:
        check_temperature(temperature)
        rows = F.softmax(scores.double() / temperature, dim=1)
        found = reliability(rows, labels, bins=bins)
        errors.append(found.expected_error)
        terms.append(binned_calibration(found) if reference is None else calibration_error(rows, reference))
    return Temperatures(tuple(tried), torch.stack(errors), torch.stack(terms))
