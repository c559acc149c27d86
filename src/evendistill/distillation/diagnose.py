"""Diagnosis of a teacher before any student is trained: how well is it calibrated on each class?"""

from dataclasses import dataclass
from statistics import NormalDist

import torch
import torch.nn.functional as F
from torch import Tensor

from evendistill.distillation.labels import check_temperature
from evendistill.distillation.reference import log_probabilities
from evendistill.distillation.terms import Terms, terms
from evendistill.maths.calibration import calibration_error, calibration_spread
from evendistill.maths.losses import check_scores
from evendistill.maths.metrics import Metrics, check_labels, class_counts
from evendistill.maths.reliability import Reliability, binned_calibration, reliability, resampled_calibration

SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What scores and labels say of a teacher, class by class.

    Attributes:
        recalls: ``(C,)`` share of each class that the teacher recognises.
        priors: ``(C,)`` share of each class among the labels.
        marginals: ``(C,)`` mean probability that the teacher gives each class.
        calibration_error: ``(C,)`` the calibration term of Theorem 2, or a lower bound of it.
        lower: ``(C,)`` lower end of its interval: by bootstrap on the own score, by the delta method against a
            reference; equal to it where it is exact.
        upper: ``(C,)`` upper end.
        is_lower_bound: whether the term is bounded from below only, which is all that scores and labels allow.
        conditioning: what the truth is conditioned on: "the true conditional", "the reference", or "the own score of
            each class".
        reliability: bins of the teacher's probabilities.
        temperature: that the scores were divided by.
        terms: variance and estimation error of each class, for a scorer f.
    """

    recalls: Tensor
    priors: Tensor
    marginals: Tensor
    calibration_error: Tensor
    lower: Tensor
    upper: Tensor
    is_lower_bound: bool
    conditioning: str
    reliability: Reliability
    temperature: float
    terms: Terms

    @property
    def bound(self) -> float:
        """Theorem 2 put together; a lower bound where the calibration error is one."""
        return self.terms.bound(self.calibration_error)

    @property
    def worst(self) -> float:
        """The largest calibration error of any class, which is what Theorem 2 counts."""
        return self.calibration_error.max().item()

    @property
    def expected_error(self) -> Tensor:
        """``(C,)`` class-wise expected calibration error."""
        return self.reliability.expected_error


def diagnose(
    teacher_scores: object,
    labels: object,
    *,
    conditional: object | None = None,
    reference: object | None = None,
    probabilities: bool = False,
    temperature: float = 1.0,
    bins: int = 15,
    level: float = 0.95,
    replicates: int = 100,
    seed: int = 0,
    scorer: object | None = None,
    train_size: int | None = None,
) -> Diagnosis:
    r"""Per-class calibration of a teacher, from its scores on examples that it was not trained on.

    .. math:: \mathbb{E}_x \left| \frac{p_y(x)}{\pi^t_y} - \frac{\eta_y(x)}{\pi_y} \right|

    is exact where eta is known. From scores and labels alone it is not identifiable: what can be estimated conditions
    on something that is seen, and is a lower bound. A teacher whose scores say nothing has a lower bound of zero on its
    own score; compare teachers by one shared ``reference``.

    Source: Wang et al. 2023, Theorem 2. The estimators are ours.

    Args:
        teacher_scores: ``(N, C)`` raw scores, or probabilities.
        labels: ``(N,)`` true labels.
        conditional: ``(N, C)`` true conditional probabilities eta, where they are known.
        reference: ``(N, C)`` estimate of eta by something else, such as
            :func:`evendistill.distillation.reference.cross_fitted`; its noise counts as error.
        probabilities: whether ``teacher_scores`` are probabilities; then ``temperature`` must stay 1.
        temperature: divides raw scores.
        bins: for reliability, and for the lower bound without reference.
        level: of the bootstrap intervals.
        replicates: of the bootstrap.
        seed: of the bootstrap.
        scorer: ``(N, C)`` raw scores of the scorer f whose risks the variance and the estimation error are of, such as
            a student's; the teacher's own if None.
        train_size: number of examples that the estimation error is for; N if None.

    Raises:
        ValueError: if shapes do not fit, a class has no example, probabilities do not sum to one (names the first row),
            a number is not finite, or the teacher gives a class no mass.
    """
    if conditional is not None and reference is not None:
        raise ValueError("give conditional or reference, not both")
    truth = torch.as_tensor(labels).long()
    rows = _probabilities(teacher_scores, truth, probabilities=probabilities, temperature=temperature)
    found = reliability(rows, truth, bins=bins)
    if not bool((found.marginals > 0).all()):
        raise ValueError(f"teacher gives class {int(found.marginals.argmin())} no mass")
    metrics = Metrics(*class_counts(rows, truth))
    scored = (
        _logs(teacher_scores, rows, temperature, are_probabilities=probabilities)
        if scorer is None
        else torch.as_tensor(scorer)
    )
    other = conditional if reference is None else reference
    if other is not None:
        target = _distributions(torch.as_tensor(other).double(), "conditional" if reference is None else "reference")
        error = calibration_error(rows, target)
        spread = calibration_spread(rows, target) if conditional is None else torch.zeros_like(error)
        reach = NormalDist().inv_cdf((1 + level) / 2) * spread
        lower, upper = (error - reach).clamp_min(0), error + reach
        words = "the true conditional" if reference is None else "the reference"
    else:
        error, words = binned_calibration(found), "the own score of each class"
        generator = torch.Generator().manual_seed(seed)
        lower, upper = resampled_calibration(found, level=level, replicates=replicates, generator=generator)
    return Diagnosis(
        recalls=metrics.recalls,
        priors=found.priors,
        marginals=found.marginals,
        calibration_error=error,
        lower=lower,
        upper=upper,
        is_lower_bound=conditional is None,
        conditioning=words,
        reliability=found,
        temperature=temperature,
        terms=terms(rows, truth, scored, train_size=train_size, level=level),
    )


def _logs(scores: object, rows: Tensor, temperature: float, *, are_probabilities: bool) -> Tensor:
    """The teacher as a scorer: its log-probabilities, none of them minus infinity."""
    told = rows if are_probabilities else torch.as_tensor(scores).double() / temperature
    return log_probabilities(told, are_probabilities=are_probabilities)


def _probabilities(scores: object, labels: Tensor, *, probabilities: bool, temperature: float) -> Tensor:
    """``(N, C)`` in float64."""
    check_temperature(temperature)
    rows = torch.as_tensor(scores)
    rows = rows.double() if not rows.is_floating_point() else rows
    check_scores(rows)
    check_labels(labels, len(rows), rows.shape[1])
    counts = labels.bincount(minlength=rows.shape[1])
    if bool((counts == 0).any()):
        raise ValueError(f"class {int(counts.argmin())} has no example, so nothing can be said of it")
    bad = (~rows.isfinite()).any(dim=1).nonzero()
    if len(bad):
        raise ValueError(f"scores are not finite, first in row {int(bad[0])}")
    if not probabilities:
        return F.softmax(rows.double() / temperature, dim=1)
    if temperature != 1:
        raise ValueError(f"temperature divides raw scores; probabilities have none to divide, got {temperature}")
    return _distributions(rows.double(), "probabilities")


def _distributions(rows: Tensor, name: str) -> Tensor:
    """The rows, if each is non-negative and sums to one."""
    wrong = ((rows < 0).any(dim=1) | ((rows.sum(dim=1) - 1).abs() > SUM_TOLERANCE)).nonzero()
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(f"{name} must be non-negative and sum to one, row {row} sums to {rows[row].sum().item():g}")
    return rows
