"""Baselines as cells: each method under the recipe's own data, networks, schedule and seeds."""

from collections.abc import Iterator
from dataclasses import replace

from evendistill.experiments.cells import (
    BALANCED,
    Cell,
    Teachers,
    member,
    mended_runs,
    student_runs,
    students_of,
    teacher_runs,
)
from evendistill.experiments.listening import Labels, listenings
from evendistill.experiments.mends import AnyMend, LogitAdjustmentSpec, PostShiftSpec
from evendistill.experiments.methods import APPLIES, WITHOUT_TEACHER, BaselineSpec
from evendistill.experiments.objectives import (
    AdaAlphaSpec,
    AdaMarginSpec,
    AnyObjective,
    BalancedKDSpec,
    GroupDROSpec,
    ObjectiveSpec,
)
from evendistill.experiments.recipe import GridSpec
from evendistill.experiments.spec import ListeningSpec
from evendistill.training.recipe import Recipe

TRADE_OFFS = {"standard-distillation": "standard", "balanced-student": "balanced", "robust-student": "robust"}
PER = ("example", "class")


def baseline_cells(grid: GridSpec) -> tuple[Cell, ...]:
    """The cells of every baseline that the recipe names; several of one method differ in hyper-parameters."""
    cells: list[Cell] = []
    for baseline in grid.baselines:
        cells += _cells(grid, baseline)
    return tuple(cells)


def _cells(grid: GridSpec, baseline: BaselineSpec) -> Iterator[Cell]:
    match baseline.kind:
        case kind if kind in WITHOUT_TEACHER:
            for objective in _objectives(baseline):
                yield _alone(grid, baseline, objective)
        case "post-shift":
            yield _mended(grid, baseline, PostShiftSpec(kind="post-shift", of=baseline.teacher))
        case "logit-adjustment":
            for tau in baseline.taus:
                yield _mended(
                    grid, baseline, LogitAdjustmentSpec(kind="logit-adjustment", of=baseline.teacher, tau=tau)
                )
        case "costs-afterwards":
            yield from _adjusted(grid, baseline)
        case _:
            yield from _distilled(grid, baseline)


def _distilled(grid: GridSpec, baseline: BaselineSpec) -> Iterator[Cell]:
    """The students of one teacher under every hyper-parameter of the method."""
    teachers = teacher_runs(grid, baseline.teacher)
    labels: tuple[Labels, ...] | None = ("true",) if baseline.kind == "distilled-group-dro" else None
    for objective in _objectives(baseline):
        for listening in listenings(students_of(grid), is_adversarial=objective.is_adversarial, labels=labels):
            yield _taught(grid, baseline, objective, teachers, listening)


def _adjusted(grid: GridSpec, baseline: BaselineSpec) -> Iterator[Cell]:
    """The balanced student, with the costs of each trade-off put on its scores: the runs of ``shared: costs``."""
    teachers = teacher_runs(grid, baseline.teacher)
    for listening in listenings(students_of(grid), is_adversarial=False):
        balanced = student_runs(grid, BALANCED, teachers, listening)
        for alpha in baseline.alphas:
            objective = ObjectiveSpec(alpha=alpha)
            runs = tuple(member(run, objective) for run in balanced)
            yield Cell(baseline.teacher, objective, listening, runs, baseline)


def _objectives(baseline: BaselineSpec) -> list[AnyObjective]:
    match baseline.kind:
        case "ada-margin":
            return [AdaMarginSpec(kind="ada-margin", per=per) for per in PER]
        case "ada-alpha":
            return [AdaAlphaSpec(kind="ada-alpha", per=per) for per in PER]
        case "balanced-kd":
            return [BalancedKDSpec(kind="balanced-kd")]
        case "group-dro-train":
            return [GroupDROSpec(kind="group-dro", adjustment=each) for each in baseline.adjustments]
        case "group-dro-validation" | "distilled-group-dro":
            return [_group_dro()]
        case "reweighted":
            return [ObjectiveSpec(alpha=0.0, form="weighted")]
        case _:
            return [ObjectiveSpec.model_validate(TRADE_OFFS[baseline.kind])]


def _group_dro() -> GroupDROSpec:
    return GroupDROSpec(kind="group-dro", multipliers="validation")


def _alone(grid: GridSpec, baseline: BaselineSpec, objective: AnyObjective) -> Cell:
    """The student's network without a teacher."""
    runs = student_runs(grid, objective, None, None, _training(grid, baseline))
    return Cell(None, objective, None, runs, baseline)


def _taught(
    grid: GridSpec, baseline: BaselineSpec, objective: AnyObjective, teachers: Teachers, listening: ListeningSpec
) -> Cell:
    runs = student_runs(grid, objective, teachers, listening, _training(grid, baseline))
    return Cell(baseline.teacher, objective, listening, runs, baseline)


def _mended(grid: GridSpec, baseline: BaselineSpec, mend: AnyMend) -> Cell:
    """Nothing is trained, so there is one for each seed's own teacher."""
    runs = mended_runs(grid, mend)
    return Cell(baseline.teacher, None, None, tuple(runs[seed] for seed in grid.seeds), baseline)


def _training(grid: GridSpec, baseline: BaselineSpec) -> Recipe:
    """The students' training; multipliers of group DRO that validation moves have a gain and a step of their own."""
    training = students_of(grid).training or grid.training
    if baseline.kind not in APPLIES["gain"]:
        return training
    return replace(training, gain=baseline.gain, multiplier_step=baseline.multiplier_step)
