"""From a recipe to runs: the cells of its table, and the runs that fill each."""

from collections.abc import Iterator

from evendistill.experiments.baselines import baseline_cells
from evendistill.experiments.cells import (
    BALANCED,
    Cell,
    Teachers,
    member,
    mended_runs,
    shared,
    student_runs,
    students_of,
    teacher_runs,
    together,
)
from evendistill.experiments.halving import trials
from evendistill.experiments.listening import listenings
from evendistill.experiments.mends import AnyMend, MeanSpec
from evendistill.experiments.objectives import ObjectiveSpec
from evendistill.experiments.recipe import GridSpec
from evendistill.experiments.spec import ListeningSpec, RunSpec

__all__ = ["Cell", "distinct_runs", "every_run", "expand"]

MOST_RUNS = 100_000  # of a recipe; a few lines could ask for more than any memory holds


def expand(grid: GridSpec) -> tuple[Cell, ...]:
    """The cells of a recipe: teachers, mended ones among them, students without and with them, baselines.

    Raises:
        ValueError: if they are too many.
    """
    if (count := _most_runs(grid)) > MOST_RUNS:
        raise ValueError(f"the recipe {grid.name} asks for up to {count:,} runs; at most {MOST_RUNS:,} are made")
    taught = dict(_taught(grid))
    mends = (*grid.teachers.mended, *([_mean(grid)] if _is_of_the_mean(grid) else []))
    teachers: dict[ObjectiveSpec | AnyMend, Teachers] = {**taught}
    teachers |= {mend: mended_runs(grid, mend, taught) for mend in mends}
    cells = [
        Cell(objective, None, None, tuple(runs[seed] for seed in grid.seeds)) for objective, runs in teachers.items()
    ]
    if grid.students is not None:
        if grid.students.alone:
            cells += _students(grid, None, None)
        for teacher in [_mean(grid)] if _is_of_the_mean(grid) else teachers:
            cells += _students(grid, teacher, teachers[teacher])
    return (*cells, *baseline_cells(grid))


def _is_of_the_mean(grid: GridSpec) -> bool:
    return grid.students is not None and grid.students.teacher == "mean"


def _mean(grid: GridSpec) -> MeanSpec:
    first, *others = grid.teachers.objectives
    return MeanSpec(kind="mean", of=first, others=tuple(others))


def _taught(grid: GridSpec) -> Iterator[tuple[ObjectiveSpec, Teachers]]:
    """Teachers by objective, those of a frontier from one training a seed."""
    members = shared(grid.teachers.objectives) if grid.teachers.shared else ()
    whole = teacher_runs(grid, together(members, grid.teachers.shared)) if members else {}
    for objective in grid.teachers.objectives:
        if objective in members:
            yield objective, {seed: member(run, objective) for seed, run in whole.items()}
        else:
            yield objective, teacher_runs(grid, objective)


def _students(grid: GridSpec, teacher: ObjectiveSpec | AnyMend | None, runs: Teachers | None) -> Iterator[Cell]:
    """Every student of one teacher, or without one; those of a frontier from one training a way of listening."""
    students = students_of(grid)
    members = shared(students.objectives) if students.shared else ()

    def ways(*, is_adversarial: bool) -> Iterator[ListeningSpec | None]:
        return iter((None,)) if runs is None else listenings(students, is_adversarial=is_adversarial)

    aim = together(members, students.shared) if members else BALANCED
    whole = {way: student_runs(grid, aim, runs, way) for way in ways(is_adversarial=aim.is_adversarial) if members}
    for student in students.objectives:
        part = student if isinstance(student, ObjectiveSpec) and student in members else None
        for way in ways(is_adversarial=student.is_adversarial and (part is None or aim.is_adversarial)):
            if part is None:
                yield Cell(teacher, student, way, student_runs(grid, student, runs, way))
            else:
                of = whole.get(way) or next(found for told, found in whole.items() if _is_like(told, way))
                yield Cell(teacher, part, way, tuple(member(run, part) for run in of))


def _is_like(told: ListeningSpec | None, way: ListeningSpec | None) -> bool:
    """Whether they differ in who labels the validation set alone, which does not move the one without an adversary."""
    return told is not None and way is not None and told.temperature == way.temperature


def _most_runs(grid: GridSpec) -> int:
    """How many runs there will be, those of searches left out; a run that two cells share counts twice."""
    seeds, students = len(grid.seeds) + 1, grid.students
    mended = sum(1 + len(mend.bases) for mend in grid.teachers.mended)
    count = len(grid.teachers.objectives) + mended
    for baseline in grid.baselines:
        count += len(baseline.taus) + len(baseline.adjustments)
    if students is not None:
        temperatures = len(students.temperatures)
        judging = sum(len(students.validation_temperatures or (1,)) for _ in students.validation_labels)
        moving = sum(objective.is_adversarial for objective in students.objectives)
        still = len(students.objectives) - moving
        teachers = len(grid.teachers.objectives) + len(grid.teachers.mended)
        count += temperatures * (moving * judging + still) * teachers + len(students.objectives)
        count += temperatures * judging * len(grid.baselines)
    return count * seeds


def every_run(grid: GridSpec) -> dict[str, RunSpec]:
    """Every run that a recipe may come to need, its trials among them, by hash."""
    cells = expand(grid)
    return distinct_runs((*cells, *trials(grid, cells)))


def distinct_runs(cells: tuple[Cell, ...]) -> dict[str, RunSpec]:
    """Every run that the cells need, once each, by hash; a teacher comes before its students."""
    runs: dict[str, RunSpec] = {}
    for cell in cells:
        for run in cell.runs:
            _add(run, runs)
    return runs


def _add(run: RunSpec, runs: dict[str, RunSpec]) -> None:
    if run.hash not in runs:
        for needed in run.inputs:
            _add(needed, runs)
        runs[run.hash] = run
