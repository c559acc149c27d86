"""What Wang et al. (UAI 2023) printed, row by row, as data to lay beside runs of our own."""

import csv
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class Published:
    """One printed result; accuracies and errors are fractions in [0, 1], None where not printed.

    Figures are transcribed from the main text and the supplement of Wang et al., "Robust Distillation for Worst-class
    Performance" (UAI 2023), that contradict one another in places; ``note`` says where. Words are empty where they do
    not apply.

    Attributes:
        source: the table or figure, such as ``supplement table 1``.
        teacher_network: architecture of the teacher.
        student_network: architecture of the student.
        teacher: objective of the teacher, such as ``robust`` or ``tradeoff-0.25``.
        student: objective or method of the student; ``none`` is the teacher by itself.
        validation_labels: whose labels of the validation images were used: ``teacher``, ``true`` or ``unstated``.
        teacher_seed: ``fixed`` where all repeats have one teacher, ``matched`` where each has its own, or ``unstated``.
        robust_k: over how many of the worst classes ``worst`` is the mean.
        worst: mean recall of the ``robust_k`` worst classes.
        worst_se: its standard error.
        average: average accuracy.
        average_se: its standard error.
        repeats: number of training runs; None where not clear.
        note: misprints, contradictions and the like.
    """

    source: str
    teacher_network: str
    student_network: str
    teacher: str
    student: str
    validation_labels: str
    teacher_seed: str
    robust_k: int
    worst: float | None
    worst_se: float | None
    average: float | None
    average_se: float | None
    repeats: int | None
    note: str


def read_published(name: str) -> tuple[Published, ...]:
    """The printed results on a data set, in the order of their files.

    Args:
        name: of the data set, such as ``cifar10-lt``.

    Raises:
        ValueError: if nothing was published on a data set of that name.

    Example:
        >>> teacher = read_published("cifar10")[0]
        >>> teacher.source, teacher.teacher, teacher.student, teacher.worst
        ('supplement table 1', 'standard', 'none', 0.8648)
    """
    folder = resources.files("evendistill.experiments").joinpath("published")
    known = sorted(file.name.removesuffix(".csv") for file in folder.iterdir() if file.name.endswith(".csv"))
    if name not in known:
        raise ValueError(f"no published numbers for {name!r}; there are some for {', '.join(known)}")
    lines = folder.joinpath(f"{name}.csv").read_text(encoding="utf-8").splitlines()
    return tuple(_published(row) for row in csv.DictReader(lines, strict=True))


def _published(row: dict[str, str]) -> Published:
    return Published(
        source=row["source"],
        teacher_network=row["teacher_network"],
        student_network=row["student_network"],
        teacher=row["teacher"],
        student=row["student"],
        validation_labels=row["validation_labels"],
        teacher_seed=row["teacher_seed"],
        robust_k=int(row["robust_k"]),
        worst=_fraction(row["worst"]),
        worst_se=_fraction(row["worst_se"]),
        average=_fraction(row["average"]),
        average_se=_fraction(row["average_se"]),
        repeats=int(row["repeats"]) if row["repeats"] else None,
        note=row["note"],
    )


def _fraction(percent: str) -> float | None:
    return float(percent) / 100 if percent else None
