"""From a recipe to runs: the cells of its table, and the runs that fill each."""

from evendistill.experiments.baselines import baseline_cells
from evendistill.experiments.cells import Cell, mended_runs, student_runs, teacher_runs
from evendistill.experiments.halving import trials
from evendistill.experiments.listening import listenings
from evendistill.experiments.recipe import GridSpec
from evendistill.experiments.spec import RunSpec

__all__ = ["Cell", "distinct_runs", "every_run", "expand"]

MOST_RUNS = 100_000  # of a recipe; a few lines could ask for more than any memory holds


def expand(grid: GridSpec) -> tuple[Cell, ...]:
    """The cells of a recipe: teachers, mended ones among them, students without and with them, baselines.

    Raises:
        ValueError: if they are too many.
    """
    if (count := _most_runs(grid)) > MOST_RUNS:
        raise ValueError(f"the recipe {grid.name} asks for up to {count:,} runs; at most {MOST_RUNS:,} are made")
    teachers = {objective: teacher_runs(grid, objective) for objective in grid.teachers.objectives}
    teachers |= {mend: mended_runs(grid, mend) for mend in grid.teachers.mended}
    cells = [
        Cell(objective, None, None, tuple(runs[seed] for seed in grid.seeds)) for objective, runs in teachers.items()
    ]
    if grid.students is not None:
        if grid.students.alone:
            cells += [Cell(None, each, None, student_runs(grid, each, None, None)) for each in grid.students.objectives]
        for teacher, runs in teachers.items():
            for student in grid.students.objectives:
                for listening in listenings(grid.students, is_adversarial=student.is_adversarial):
                    members = student_runs(grid, student, runs, listening)
                    cells.append(Cell(teacher, student, listening, members))
    return (*cells, *baseline_cells(grid))


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
