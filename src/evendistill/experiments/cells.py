"""Cells of a table and the runs that fill them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from evendistill.experiments.mends import AnyMend, AtSpec
from evendistill.experiments.methods import BaselineSpec
from evendistill.experiments.objectives import AnyObjective, FrontierSpec, ObjectiveSpec
from evendistill.experiments.recipe import GridSpec, Shared, StudentsSpec
from evendistill.experiments.spec import ListeningSpec, RunSpec
from evendistill.training.recipe import Recipe


@dataclass(frozen=True)
class Cell:
    """One combination of choices, repeated over seeds.

    Attributes:
        teacher: objective of the teacher, or its mend; None where there is none.
        student: objective of the student; None for the teacher itself.
        listening: how the student listens; None if it has no teacher, or is the teacher.
        runs: one a seed.
        baseline: the method that the cell belongs to; None in the grid of teachers and students.
    """

    teacher: ObjectiveSpec | AnyMend | None
    student: AnyObjective | None
    listening: ListeningSpec | None
    runs: tuple[RunSpec, ...]
    baseline: BaselineSpec | None = None

    @property
    def validation_labels(self) -> str | None:
        """Whose labels move the multipliers; None where none move."""
        return self.listening.validation_labels if self.listening else None

    @property
    def is_student(self) -> bool:
        """Whether it is in the grid and learns from a teacher: one of these is selected."""
        return self.teacher is not None and self.student is not None and self.baseline is None

    @property
    def group(self) -> tuple[object, ...]:
        """The cell of the paper's table: its hyper-parameters are chosen on validation."""
        method = None if self.baseline is None else self.baseline.kind
        student = None if self.student is None or method else self.student
        return self.teacher, student, self.validation_labels, method


Teachers = dict[int, RunSpec]
BALANCED = ObjectiveSpec(alpha=0.0)
NO_TEACHERS: Mapping[ObjectiveSpec, Teachers] = MappingProxyType({})


def teacher_runs(grid: GridSpec, objective: ObjectiveSpec | FrontierSpec) -> Teachers:
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
            grouping=grid.grouping,
        )
        for seed in sorted(seeds)
    }


def teacher_of(grid: GridSpec, teachers: Teachers, seed: int) -> RunSpec:
    """The teacher that the student of this seed learns from."""
    return teachers[seed if grid.teacher_seed == "matched" else grid.teacher_seed.fixed]


def students_of(grid: GridSpec) -> StudentsSpec:
    """The students of a recipe; ``ValueError`` if it has none."""
    if grid.students is None:
        raise ValueError("the recipe has no students")
    return grid.students


def student_runs(
    grid: GridSpec,
    objective: AnyObjective | FrontierSpec,
    teachers: Teachers | None,
    listening: ListeningSpec | None,
    training: Recipe | None = None,
) -> tuple[RunSpec, ...]:
    """One run a seed of the student's network, with a teacher or, if both are None, without."""
    students = students_of(grid)
    return tuple(
        RunSpec(
            data=grid.data,
            network=students.network,
            objective=objective,
            training=training or students.training or grid.training,
            initialisation_seed=seed,
            order_seed=seed,
            robust_k=grid.robust_k,
            view=grid.view,
            grouping=grid.grouping,
            teacher=None if teachers is None else teacher_of(grid, teachers, seed),
            listening=listening,
        )
        for seed in grid.seeds
    )


def mended_runs(grid: GridSpec, mend: AnyMend, taught: Mapping[ObjectiveSpec, Teachers] = NO_TEACHERS) -> Teachers:
    """Mended teachers by seed, each of the teachers of that seed; of those at hand where they are."""
    first, *others = (taught.get(base) or teacher_runs(grid, base) for base in mend.bases)
    return {
        seed: run.changed(teacher=run, mend=mend, others=tuple(other[seed] for other in others))
        for seed, run in first.items()
    }


def shared(objectives: Sequence[object]) -> tuple[ObjectiveSpec, ...]:
    """The trade-offs that one training can serve: those between the balanced base and the worst class, by alpha."""
    members = [each for each in objectives if isinstance(each, ObjectiveSpec) and each.is_of_frontier]
    return tuple(sorted(members, key=lambda each: each.alpha)) if len(members) > 1 else ()


def together(members: Sequence[ObjectiveSpec], shared: Shared) -> FrontierSpec | ObjectiveSpec:
    """The objective of the training that serves them all; ``shared`` as a recipe says it."""
    if shared == "costs":
        return BALANCED
    alphas = tuple(each.alpha for each in members)
    return FrontierSpec(kind="frontier", alphas=alphas, by="scale-and-bias" if isinstance(shared, bool) else shared)


def member(run: RunSpec, objective: ObjectiveSpec) -> RunSpec:
    """One trade-off of a training that serves several."""
    if run.objective == objective:
        return run
    put_on = AtSpec(kind="at", alpha=objective.alpha, by_costs=run.objective == BALANCED)
    return run.changed(teacher=run, listening=None, others=(), mend=put_on, objective=objective)
