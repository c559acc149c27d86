"""From a recipe to runs: the cells of its table, and the runs that fill each."""

from collections.abc import Iterator
from dataclasses import dataclass

from evendistill.experiments.recipe import GridSpec, StudentsSpec
from evendistill.experiments.spec import ListeningSpec, ObjectiveSpec, RunSpec


@dataclass(frozen=True)
class Cell:
    """One combination of choices, repeated over seeds.

    Attributes:
        teacher: objective of the teacher.
        student: objective of the student; None for the teacher itself.
        listening: how the student listens; None for the teacher itself.
        runs: one a seed.
    """

    teacher: ObjectiveSpec
    student: ObjectiveSpec | None
    listening: ListeningSpec | None
    runs: tuple[RunSpec, ...]

    @property
    def validation_labels(self) -> str | None:
        """Whose labels move the multipliers; None where none move."""
        return self.listening.validation_labels if self.listening else None

    @property
    def group(self) -> tuple[ObjectiveSpec, ObjectiveSpec | None, str | None]:
        """The cell of the paper's table: its hyper-parameters are chosen on validation."""
        return self.teacher, self.student, self.validation_labels


def expand(grid: GridSpec) -> tuple[Cell, ...]:
    """The cells of a recipe, teachers first."""
    teachers = {objective: _teacher_runs(grid, objective) for objective in grid.teachers.objectives}
    cells = [
        Cell(objective, None, None, tuple(runs[seed] for seed in grid.seeds)) for objective, runs in teachers.items()
    ]
    if grid.students is not None:
        for teacher, runs in teachers.items():
            for student, listening in _students(grid.students):
                members = tuple(_student_run(grid, runs, student, listening, seed) for seed in grid.seeds)
                cells.append(Cell(teacher, student, listening, members))
    return tuple(cells)


def distinct_runs(cells: tuple[Cell, ...]) -> dict[str, RunSpec]:
    """Every run that the cells need, once each, by hash; a teacher comes before its students."""
    runs: dict[str, RunSpec] = {}
    for cell in cells:
        for run in cell.runs:
            if run.teacher is not None:
                runs.setdefault(run.teacher.hash, run.teacher)
            runs.setdefault(run.hash, run)
    return runs


def _teacher_runs(grid: GridSpec, objective: ObjectiveSpec) -> dict[int, RunSpec]:
    """Teachers by seed: one for each seed of the grid, and the fixed one where there is one."""
    seeds = set(grid.seeds) | ({grid.teacher_seed.fixed} if grid.teacher_seed != "matched" else set())
    return {
        seed: RunSpec(
            data=grid.data,
            network=grid.teachers.network,
            objective=objective,
            training=grid.teachers.training or grid.training,
            initialisation_seed=seed,
            order_seed=seed,
            robust_k=grid.robust_k,
            view=grid.view,
        )
        for seed in sorted(seeds)
    }


def _student_run(
    grid: GridSpec, teachers: dict[int, RunSpec], objective: ObjectiveSpec, listening: ListeningSpec, seed: int
) -> RunSpec:
    students = grid.students
    if students is None:
        raise ValueError("the recipe has no students")
    return RunSpec(
        data=grid.data,
        network=students.network,
        objective=objective,
        training=students.training or grid.training,
        initialisation_seed=seed,
        order_seed=seed,
        robust_k=grid.robust_k,
        view=grid.view,
        teacher=teachers[seed if grid.teacher_seed == "matched" else grid.teacher_seed.fixed],
        listening=listening,
    )


def _students(students: StudentsSpec) -> Iterator[tuple[ObjectiveSpec, ListeningSpec]]:
    """Objectives crossed with temperatures and, where multipliers move, label modes and validation temperatures."""
    for objective in students.objectives:
        for temperature in students.temperatures:
            common = {
                "temperature": temperature,
                "onehot_weight": students.onehot_weight,
                "teacher_view": students.teacher_view,
            }
            if objective.alpha == 0:  # no multipliers: who labels the validation set makes no difference
                yield objective, ListeningSpec(**common)
                continue
            for labels in students.validation_labels:
                judging = students.validation_temperatures if labels == "teacher" else None
                for validation_temperature in judging or (None,):
                    yield (
                        objective,
                        ListeningSpec(
                            **common, validation_labels=labels, validation_temperature=validation_temperature
                        ),
                    )
