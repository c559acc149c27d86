"""Successive halving: try every student briefly, and train to the end only those that validation likes."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evendistill.experiments.cells import Cell
from evendistill.experiments.frontier import pareto_front
from evendistill.experiments.recipe import GridSpec
from evendistill.experiments.results import Found
from evendistill.experiments.rules import HalvingSpec
from evendistill.experiments.selection import on_validation
from evendistill.experiments.spec import RunSpec
from evendistill.training.recipe import Recipe


def trials(grid: GridSpec, cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """A short run of each student's first seed, from the same finished teacher; none without a search."""
    search = grid.search
    if search is None:
        return ()
    return tuple(
        Cell(cell.teacher, cell.student, cell.listening, (_short(cell.runs[0], search),))
        for cell in cells
        if cell.is_student
    )


def survivors(grid: GridSpec, cells: Sequence[Cell], runs: Path) -> tuple[Cell, ...]:
    """The cells to train to the end: teachers that still have students, the students kept, and the baselines.

    Raises:
        ValueError: if a trial is not finished.
    """
    students = [cell for cell in cells if cell.is_student]
    if grid.search is None or not students:
        return tuple(cells)
    found = on_validation(trials(grid, cells), runs, robust_k=grid.robust_k)
    count = math.ceil(grid.search.keep * len(students))
    kept = {students[position].runs[0].hash for position in ranked(students, found)[:count]}
    remaining = [cell for cell in cells if not cell.is_student or cell.runs[0].hash in kept]
    teachers = [cell.teacher for cell in remaining if cell.is_student]
    return tuple(cell for cell in remaining if cell.is_student or cell.baseline or cell.teacher in (None, *teachers))


def ranked(cells: Sequence[Cell], found: Sequence[Found]) -> list[int]:
    """Positions from best to worst: frontier after frontier, within each by the robust metric, then the average."""
    left = list(range(len(cells)))
    order: list[int] = []
    while left:
        layer = [left[place] for place in pareto_front([(_average(found[at]), _robust(found[at])) for at in left])]
        layer = layer or left  # what is not a number comes last
        order += sorted(layer, key=lambda at: (-_robust(found[at]), -_average(found[at]), cells[at].runs[0].hash))
        left = [at for at in left if at not in layer]
    return order


def _robust(found: Found) -> float:
    return found.robust.mean


def _average(found: Found) -> float:
    return found.average.mean


def _short(run: RunSpec, search: HalvingSpec) -> RunSpec:
    return run.changed(training=shortened(run.training, search.epochs))


def shortened(training: Recipe, share: float) -> Recipe:
    """The same schedule in a share of its epochs, at least one."""
    epochs = max(1, round(training.epochs * share))
    at = {max(1, round(milestone * share)) for milestone in training.milestones}
    milestones = tuple(sorted(milestone for milestone in at if milestone < epochs))
    schedule = "constant" if training.schedule == "step" and not milestones else training.schedule
    warmup = min(round(training.warmup_epochs * share), epochs - 1)
    return replace(training, epochs=epochs, schedule=schedule, milestones=milestones, warmup_epochs=warmup)
