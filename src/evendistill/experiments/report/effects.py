"""What distillation did to whom: the selected student and standard distillation beside the same student alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from evendistill.data.wording import shown
from evendistill.experiments.mends import STANDARD
from evendistill.experiments.report.table import Row, Table
from evendistill.experiments.results import read_split
from evendistill.experiments.spec import RunSpec
from evendistill.storage.files import known, read_json

if TYPE_CHECKING:
    from torch import Tensor

    from evendistill.distillation.effects import Effects
    from evendistill.distillation.effects_over_seeds import EffectsOverSeeds

NOT_KEPT = (
    "This needs the predictions on every test example, which runs of an earlier version did not keep: delete their "
    "folders, or name another with --out, and run the recipe again."
)


@dataclass(frozen=True, eq=False)
class Comparison:
    """One student beside its teacher and beside the same network trained alone.

    Attributes:
        role: what makes it worth a look.
        title: of the student.
        alone: title of the student without a teacher.
        same_objective: whether that one minimises the same objective.
        seeds: effects of each seed.
        mean: of them.
        class_names: one a class.
        training_examples: of each class; None if the runs did not keep their number.
    """

    role: str
    title: str
    alone: str
    same_objective: bool
    seeds: "tuple[Effects, ...]"
    mean: "EffectsOverSeeds"
    class_names: tuple[str, ...]
    training_examples: tuple[int, ...] | None

    @property
    def interval(self) -> "tuple[Tensor, Tensor]":
        """``(C,)`` ends of the interval that is shown: over seeds or, with a single one, over test examples."""
        if len(self.seeds) > 1:
            return self.mean.lower, self.mean.upper
        return self.mean.lower_over_examples, self.mean.upper_over_examples


@dataclass(frozen=True, eq=False)
class Section:
    """What there is to show.

    Attributes:
        comparisons: at most the selected student's and that of standard distillation.
        why_not: why one is missing although its runs are there; empty else.
    """

    comparisons: tuple[Comparison, ...] = ()
    why_not: str = ""

    def __bool__(self) -> bool:
        return bool(self.comparisons or self.why_not)


def compare(table: Table, runs: Path) -> Section:
    """Compare the selected student, and standard distillation, with the same student alone, where all have runs.

    Raises:
        ValueError: if a file is not what its run wrote, or the runs were tested on different examples.
    """
    found, why_not = [], ""
    for role, row in _students(table):
        alone = _alone(table, row)
        if alone is None:
            continue
        trios = [_trio(*pair) for pair in zip(row.cell.runs, alone.cell.runs, strict=True)]
        if _are_kept(trios, runs):
            found.append(_comparison(role, row, alone, trios, runs))
        else:
            why_not = NOT_KEPT
    return Section(tuple(found), why_not)


def _are_kept(trios: Sequence[tuple[RunSpec, ...]], runs: Path) -> bool:
    from evendistill.experiments.predictions import keeps_predictions

    return all(keeps_predictions(spec, runs) for trio in trios for spec in trio)


def _students(table: Table) -> list[tuple[str, Row]]:
    """Whom to look at; once if they are the same."""
    chosen, plain = table.selected, table.find("standard", "standard")
    rows = [("Selected student", chosen), ("Standard distillation", plain)]
    if chosen is not None and plain is not None and chosen.folders == plain.folders:
        rows = [("Selected student, which is standard distillation", chosen)]
    return [(role, row) for role, row in rows if row is not None]


def _alone(table: Table, row: Row) -> Row | None:
    """The same student without a teacher: of the same objective if there is one, else of the standard one."""
    rows = [each for each in (*table.rows, *table.baselines) if _is_alone(each, row)]
    for objective in (row.cell.student, STANDARD):
        for each in rows:
            if each.cell.student == objective:
                return each
    return None


def _is_alone(row: Row, student: Row) -> bool:
    """Whether it learns from nobody with the network and the training of this student."""
    ours, theirs = row.cell.runs[0], student.cell.runs[0]
    is_student = row.cell.student is not None and row.cell.teacher is None and ours.trained.teacher is None
    return is_student and (ours.network, ours.training) == (theirs.network, theirs.training)


def _trio(student: RunSpec, alone: RunSpec) -> tuple[RunSpec, RunSpec, RunSpec]:
    teacher = student.trained.teacher
    if teacher is None:
        raise ValueError(f"the run {student.folder_name} has no teacher")
    return teacher, student, alone


def _comparison(role: str, row: Row, alone: Row, trios: Sequence[tuple[RunSpec, ...]], runs: Path) -> Comparison:
    from evendistill.distillation.effects_over_seeds import over_seeds

    told = read_split(trios[0][0], runs, "test")
    names = tuple(map(shown, told["class_names"]))
    seeds = tuple(_of_seed(trio, runs, len(names)) for trio in trios)
    told_data = read_json(runs / trios[0][1].folder_name / "data.json")
    examples = told_data.get("training_examples") if isinstance(told_data, dict) else None
    return Comparison(
        role=role,
        title=row.title,
        alone=alone.title,
        same_objective=alone.cell.student == row.cell.student,
        seeds=seeds,
        mean=over_seeds(seeds),
        class_names=names,
        training_examples=tuple(examples) if _are_counts(examples, len(names)) else None,
    )


def _are_counts(told: object, classes: int) -> TypeGuard[list[int]]:
    return isinstance(told, list) and len(told) == classes and all(isinstance(each, int) for each in told)


def _of_seed(trio: tuple[RunSpec, ...], runs: Path, classes: int) -> "Effects":
    import torch

    from evendistill.distillation.effects import effects
    from evendistill.experiments.predictions import read_predictions

    found = [read_predictions(spec, runs) for spec in trio]
    labels = found[0][1]
    for spec, (_, others) in zip(trio, found, strict=True):
        if not torch.equal(labels, others):
            raise ValueError(f"{trio[0].folder_name} and {spec.folder_name} were tested on different examples")
    if any(int(each.max()) >= classes for pair in found for each in pair):
        raise ValueError(f"{trio[0].folder_name} and its students know more classes than it names, {classes}")
    told = read_split(trio[0], runs, "test")
    margins = torch.tensor(
        [math.nan if each is None else each for each in told.get("margins", [])], dtype=torch.float64
    )
    present = labels.bincount(minlength=classes) > 0
    known = len(margins) == classes and bool(margins[present].isfinite().all())
    return effects(labels, *(each for each, _ in found), num_classes=classes, margins=margins if known else None)


def as_json(section: Section) -> list[dict[str, Any]]:
    """The comparisons as plain values, shares as fractions, None where there is nothing to measure."""
    return [_plain_comparison(each) for each in section.comparisons]


def _plain_comparison(told: Comparison) -> dict[str, Any]:
    mean, names = told.mean, ("teacher", "student", "alone")
    by_class = ["gain", "lower", "upper", "lower_over_examples", "upper_over_examples"]
    by_class += ["inherited", "inherited_alone", "margins"]
    totals = ["inheritance", "inheritance_alone", "inheritance_gap", "inheritance_lower", "inheritance_upper"]
    correlation = mean.margin_correlation
    return {
        "role": told.role,
        "student": told.title,
        "alone": told.alone,
        "same_objective": told.same_objective,
        "repeats": mean.seeds,
        "level": mean.level,
        "class_names": list(told.class_names),
        "training_examples": None if told.training_examples is None else list(told.training_examples),
        "recalls": {name: _plain(row) for name, row in zip(names, mean.recalls, strict=True)},
        "worst_k": {name: _plain(row) for name, row in zip(names, mean.worst_k, strict=True)},
        "teacher_errors": mean.teacher_errors.tolist(),
        "beyond_noise": mean.beyond_noise.tolist(),
        "amplified": mean.amplified.tolist(),
        **{name: _plain(getattr(mean, name)) for name in by_class},
        **{name: known(getattr(mean, name)) for name in totals},
        "margin_correlation": None
        if correlation is None
        else {name: known(value) for name, value in vars(correlation).items()},
    }


def _plain(values: "Tensor | None") -> list[float | None] | None:
    return None if values is None else [known(value) for value in values.tolist()]
