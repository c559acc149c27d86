"""What distillation did to each class: whom it helped, whom it harmed, which of the teacher's errors it passed on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evendistill.maths.intervals import paired_interval
from evendistill.maths.rank_correlation import RankCorrelation, spearman

NAMES = ("labels", "teacher", "student", "alone")


@dataclass(frozen=True, eq=False)
class Effects:
    """What distillation did on one test set, beside the same student trained without a teacher ("alone").

    Whatever a class has no examples for is NaN, never 0.

    Attributes:
        total: ``(C,)`` int64 examples of each class.
        recalls: ``(3, C)`` of teacher, student and the student alone.
        gained: ``(C,)`` int64 examples that the student recognises and the student alone does not.
        lost: ``(C,)`` int64 the reverse.
        gain: ``(C,)`` recall of the student minus that of the student alone.
        lower: ``(C,)`` lower end of its paired interval over test examples.
        upper: ``(C,)`` upper end.
        teacher_errors: ``(C,)`` int64 examples that the teacher gets wrong.
        inherited: ``(C,)`` of these, the share on which the student gives the very same wrong class.
        inherited_alone: ``(C,)`` the same of the student alone: what any student of that size would get wrong so.
        inherited_gap: ``(C,)`` the difference of the two.
        inherited_lower: ``(C,)`` lower end of its paired interval.
        inherited_upper: ``(C,)`` upper end.
        inheritance: share of inherited errors among all errors of the teacher.
        inheritance_alone: the same of the student alone.
        inheritance_gap: the difference of the two.
        inheritance_lower: lower end of its paired interval.
        inheritance_upper: upper end.
        amplified: ``(C,)`` bool: classes on which the student errs more often than the teacher, and more often than
            alone beyond the paired interval.
        worst_k: ``(3, C')`` mean of the k least recalls of teacher, student and the student alone, for every k up to
            the number C' of classes present.
        margins: ``(C,)`` the teacher's mean average margin on each class; None if not told.
        margin_correlation: Spearman's correlation of margins and gains over the classes present, with its bootstrap
            interval; None without margins or with fewer than three classes.
        level: coverage of the intervals.
    """

    total: Tensor
    recalls: Tensor
    gained: Tensor
    lost: Tensor
    gain: Tensor
    lower: Tensor
    upper: Tensor
    teacher_errors: Tensor
    inherited: Tensor
    inherited_alone: Tensor
    inherited_gap: Tensor
    inherited_lower: Tensor
    inherited_upper: Tensor
    inheritance: float
    inheritance_alone: float
    inheritance_gap: float
    inheritance_lower: float
    inheritance_upper: float
    amplified: Tensor
    worst_k: Tensor
    margins: Tensor | None
    margin_correlation: RankCorrelation | None
    level: float


def effects(
    labels: object,
    teacher: object,
    student: object,
    alone: object,
    *,
    num_classes: int | None = None,
    margins: object | None = None,
    level: float = 0.95,
) -> Effects:
    r"""What distillation did to each class, from the classes that three networks predict on the same test examples.

    With true class y, and t, s and a what teacher, student and the student alone predict,

    .. math::
        \mathrm{gain}_y = P(s = y \mid y) - P(a = y \mid y), \qquad
        \mathrm{inherited}_y = P(s = t \mid y, t \ne y), \qquad
        \mathrm{inherited\ alone}_y = P(a = t \mid y, t \ne y)

    A class is amplified if P(s != y | y) exceeds P(t != y | y) and, beyond the interval of the gain, P(a != y | y). All
    intervals compare the same examples (:func:`evendistill.maths.intervals.paired_interval`); they know of the draw of
    the test examples alone, not of the training, and are not corrected for the number of classes.

    The question, and the margin as what may foretell the answer, are those of Lukasik et al. 2022, "Teacher's pet"
    (TMLR). Its body could not be had: the definitions of inherited and amplified are **ours**.

    Args:
        labels: ``(N,)`` true classes, integers in [0, C), tensor or array.
        teacher: ``(N,)`` classes that the teacher predicts.
        student: ``(N,)`` classes that its student predicts.
        alone: ``(N,)`` classes that the same student predicts if it is trained without a teacher.
        num_classes: C; None takes the largest class that occurs, plus one.
        margins: ``(C,)`` the teacher's mean average margin on each class
            (:func:`evendistill.maths.margins.margins_of_classes`); finite where a class has examples.
        level: coverage of the intervals, in (0, 1).

    Raises:
        ValueError: if lengths differ, there are no examples, a class is out of range (names the first row), margins do
            not fit or ``level`` is out of range.

    Example:
        >>> told = effects([0, 0, 1, 1], teacher=[0, 1, 1, 0], student=[0, 1, 1, 1], alone=[0, 0, 0, 1])
        >>> told.gain.tolist(), told.inherited.tolist(), told.inherited_alone.tolist(), told.inheritance
        ([-0.5, 0.5], [1.0, 0.0], [0.0, 0.0], 0.5)
    """
    truth, *told = _checked((labels, teacher, student, alone), num_classes)
    classes = num_classes or int(max(each.max() for each in (truth, *told))) + 1

    def count(rows: Tensor) -> Tensor:
        return truth[rows].bincount(minlength=classes)

    by_teacher, by_student, by_itself = (each == truth for each in told)
    total = truth.bincount(minlength=classes)
    recalls = torch.stack([share(count(rows), total) for rows in (by_teacher, by_student, by_itself)])
    gained, lost = count(by_student & ~by_itself), count(by_itself & ~by_student)
    gain = share(gained - lost, total)
    lower, upper = paired_interval(gained, lost, total, level=level)
    known = _margins(margins, total)
    return Effects(
        total=total,
        recalls=recalls,
        gained=gained,
        lost=lost,
        gain=gain,
        lower=lower,
        upper=upper,
        **_inheritance(~by_teacher, told[1] == told[0], told[2] == told[0], count, level),
        amplified=(recalls[1] < recalls[0]) & (upper < 0),
        worst_k=_worst_means(recalls),
        margins=known,
        margin_correlation=spearman_of(known, gain, level),
        level=level,
    )


def _inheritance(
    wrong: Tensor, same: Tensor, same_alone: Tensor, count: Callable[[Tensor], Tensor], level: float
) -> dict[str, Any]:
    """Fields of :class:`Effects` about the teacher's errors, by class and in all."""
    errors, ours, theirs = count(wrong), count(wrong & same), count(wrong & same_alone)
    more, fewer = count(wrong & same & ~same_alone), count(wrong & same_alone & ~same)
    lower, upper = paired_interval(more, fewer, errors, level=level)
    every, one, other = (each.sum(dim=0, keepdim=True) for each in (errors, ours, theirs))
    ends = paired_interval(more.sum(dim=0, keepdim=True), fewer.sum(dim=0, keepdim=True), every, level=level)
    return {
        "teacher_errors": errors,
        "inherited": share(ours, errors),
        "inherited_alone": share(theirs, errors),
        "inherited_gap": share(more - fewer, errors),
        "inherited_lower": lower,
        "inherited_upper": upper,
        "inheritance": share(one, every).item(),
        "inheritance_alone": share(other, every).item(),
        "inheritance_gap": share(one - other, every).item(),
        "inheritance_lower": ends[0].item(),
        "inheritance_upper": ends[1].item(),
    }


def share(part: Tensor, whole: Tensor) -> Tensor:
    """A part of a whole, ``(C,)`` each, in float64; NaN where the whole is nothing."""
    return part.double() / whole.double().masked_fill(whole == 0, torch.nan)


def _worst_means(recalls: Tensor) -> Tensor:
    """Mean of the k least of each row for every k, absent classes left out: ``(3, C) -> (3, C')``."""
    present = recalls[:, ~recalls.isnan().any(dim=0)].sort(dim=1).values
    return present.cumsum(dim=1) / torch.arange(1, present.shape[1] + 1)


def spearman_of(margins: Tensor | None, gain: Tensor, level: float) -> RankCorrelation | None:
    """Spearman's correlation of margins and gains of the classes present; None without margins or below 3 classes."""
    present = ~gain.isnan()
    classes = int(present.sum())
    if margins is None or classes < 3:
        return None
    return spearman(margins[present], gain[present], level=level)


def _checked(told: Sequence[object], num_classes: int | None) -> list[Tensor]:
    """Labels and predictions ``(N,)`` int64, or one line that says which is wrong."""
    columns = [_column(values, name) for values, name in zip(told, NAMES, strict=True)]
    if not len(columns[0]):
        raise ValueError("there are no examples to compare")
    for column, name in zip(columns, NAMES, strict=True):
        if len(column) != len(columns[0]):
            raise ValueError(f"{name} has {len(column)} rows, labels have {len(columns[0])}")
        rows = ((column < 0) | (column >= (torch.inf if num_classes is None else num_classes))).nonzero()
        if len(rows):
            row = int(rows[0])
            there = "classes count from 0" if num_classes is None else f"there are {num_classes} classes"
            raise ValueError(f"{name} has class {int(column[row])} in row {row}, which is out of range: {there}")
    return columns


def _column(values: object, name: str) -> Tensor:
    try:
        column = torch.as_tensor(values).cpu()
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{name} must be integer classes of shape (N,), got {type(values).__name__}") from None
    if column.ndim != 1 or column.is_floating_point() or column.is_complex():
        raise ValueError(f"{name} must be integer classes of shape (N,), got {column.dtype} {tuple(column.shape)}")
    return column.long()


def _margins(margins: object | None, total: Tensor) -> Tensor | None:
    if margins is None:
        return None
    try:
        values = torch.as_tensor(margins, dtype=torch.float64).cpu()
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"margins must be numbers, NaN for a class without examples, got {margins!r}") from None
    if values.shape != total.shape:
        raise ValueError(f"margins must be one for each of {len(total)} classes, got shape {tuple(values.shape)}")
    wrong = (~values.isfinite() & (total > 0)).nonzero()
    if len(wrong):
        label = int(wrong[0])
        raise ValueError(f"margins must be finite where a class has examples, class {label} has {values[label]:g}")
    return values
