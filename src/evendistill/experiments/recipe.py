"""A recipe file: which teachers, which students, how often; read strictly, with one clear line for each mistake."""

import reprlib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from evendistill.experiments.mends import MENDS, NamedMend
from evendistill.experiments.methods import Baselines, BaselineSpec
from evendistill.experiments.mistakes import in_one_line
from evendistill.experiments.objectives import MOST_CHOICES, AnyObjective, Conditioning, ObjectiveSpec, Spec, crossed
from evendistill.experiments.published_numbers import read_published
from evendistill.experiments.rules import RULES, BestRobust, HalvingSpec, PaperRule, Rule
from evendistill.experiments.spec import (
    ConvnetSpec,
    DataSpec,
    MlpSpec,
    NetworkSpec,
    OwnSpec,
    ResNetSpec,
    Seed,
    TimmSpec,
    Training,
    ViewSpec,
)
from evendistill.experiments.yamlfile import read_yaml
from evendistill.maths.grouping import Grouping
from evendistill.training.recipe import Recipe

MOST_BYTES = 1 << 20
MOST_SEEDS = 1000


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """A choice told twice would be a second row of the table, a seed told twice a repeat that is none."""
    for position, value in enumerate(values):
        if value in values[:position]:
            raise ValueError(f"must differ from one another, got {getattr(value, 'name', value)} twice")
    return values


Shared = Literal[False, True, Conditioning, "costs"]
Distinct = AfterValidator(_distinct)
Some = Field(min_length=1, max_length=MOST_CHOICES, strict=False)
Objectives = Annotated[tuple[ObjectiveSpec, ...], Some, Distinct, BeforeValidator(crossed)]
AnyObjectives = Annotated[tuple[AnyObjective, ...], Some, Distinct, BeforeValidator(crossed)]
Temperature = Annotated[float, Field(gt=0)]
Temperatures = Annotated[tuple[Temperature, ...], Some, Distinct]
Labels = Annotated[tuple[Literal["teacher", "true"], ...], Some, Distinct]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1, max_length=MOST_SEEDS, strict=False), Distinct]


class TeachersSpec(Spec):
    """The teachers of a grid. With ``shared``, one training a seed serves all trade-offs on the balanced base.

    What of the last layer is a trade-off's own may be said in place of ``true``. With "costs" it is nothing: the
    balanced one is trained, and the costs of each trade-off are put on its scores afterwards.
    """

    network: NetworkSpec
    objectives: Objectives
    shared: Shared = False
    training: Training | None = None
    mended: Annotated[tuple[NamedMend, ...], Field(max_length=MOST_CHOICES, strict=False), Distinct] = ()


class StudentsSpec(Spec):
    """The students of a grid: objectives crossed with temperatures and, where multipliers move, with label modes.

    With ``alone``, each objective is also trained without a teacher. With ``shared``, one training for each teacher,
    seed and way of listening serves all trade-offs on the balanced base. With ``teacher`` "mean" they learn from the
    mean of all teachers instead of each: the loss is linear in the targets, so a teacher drawn anew at each step would
    teach the same in expectation, with more noise.
    """

    network: NetworkSpec
    objectives: AnyObjectives
    alone: bool = False
    shared: Shared = False
    teacher: Literal["each", "mean"] = "each"
    training: Training | None = None
    temperatures: Temperatures = (3.0,)
    validation_temperatures: Temperatures | None = None
    validation_labels: Labels = ("teacher", "true")
    onehot_weight: float = Field(default=0.0, ge=0, le=1)
    teacher_view: Literal["clean", "augmented"] = "clean"
    feature_weight: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _features_of_clean_inputs(self) -> Self:
        if self.feature_weight > 0 and self.teacher_view != "clean":
            raise ValueError(f"feature_weight needs teacher_view clean, got {self.teacher_view}")
        return self

    @field_validator("validation_labels", mode="before")
    @classmethod
    def _yaml_true(cls, value: Any) -> Any:  # noqa: ANN401 - whatever a recipe says
        """YAML reads a bare ``true`` as a boolean; it is meant as the word."""
        return ["true" if label is True else label for label in value] if isinstance(value, list) else value


class FixedTeacher(Spec):
    """Every student learns from the teacher of one seed."""

    fixed: Seed


class GridSpec(Spec):
    """A recipe: teachers crossed with students, repeated over seeds."""

    name: str = Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")
    data: DataSpec
    view: ViewSpec | None = None
    training: Training = Recipe()
    teachers: TeachersSpec
    students: StudentsSpec | None = None
    seeds: Seeds = (0, 1, 2)
    teacher_seed: Literal["matched"] | FixedTeacher = "matched"
    robust_k: int = Field(default=1, ge=1)
    grouping: Grouping = "class"
    baselines: Baselines = ()
    selection: Rule = BestRobust()
    published: str | None = None
    search: HalvingSpec | None = None

    @field_validator("seeds", mode="before")
    @classmethod
    def _count_or_list(cls, value: Any) -> Any:  # noqa: ANN401 - whatever a recipe says
        if not isinstance(value, int) or isinstance(value, bool):
            return value
        if not 1 <= value <= MOST_SEEDS:
            raise ValueError(f"must be a list or a count from 1 to {MOST_SEEDS}, got {value}")
        return tuple(range(value))

    @model_validator(mode="after")
    def _groups_have_a_column(self) -> Self:
        if self.grouping != "class" and self.data.group_column is None:
            raise ValueError(f"grouping {self.grouping!r} needs data.group_column, the column that holds it")
        if self.baselines and self.students is None:
            raise ValueError("baselines need students, whose network and training they share")
        if self.students is not None and self.students.teacher == "mean" and len(self.teachers.objectives) < 2:
            raise ValueError("teacher mean in students needs two objectives of teachers at least, got 1")
        return self

    @model_validator(mode="after")
    def _shared_trainings_are_whole(self) -> Self:
        students = self.students
        if students is not None and students.shared and self.search is not None:
            raise ValueError("search tries students one by one; leave it out, or shared")
        for side in (self.teachers, students):
            training = side and (side.training or self.training)
            if side and training and side.shared not in (False, "costs") and training.iterate != "last":
                raise ValueError(f"shared needs iterate last in training, got {training.iterate}")
        if students is not None and students.shared not in (False, "costs") and students.feature_weight:
            raise ValueError(f"shared needs feature_weight 0, got {students.feature_weight:g}")
        return self

    @model_validator(mode="after")
    def _paper_has_its_standard(self) -> Self:
        if isinstance(self.selection, PaperRule) and self.students is not None and not self._has_standard:
            raise ValueError(
                "selection paper compares with the standard student of the standard teacher, which is not among these; "
                "add standard to teachers and students, standard-distillation to baselines, or take {rule: best-robust}"
            )
        return self

    @property
    def _has_standard(self) -> bool:
        """Whether standard distillation is among what is trained."""
        sides = (self.teachers.objectives, self.students.objectives if self.students else ())
        in_grid = all("standard" in [each.name for each in side] for side in sides)
        return (in_grid and self.students is not None and self.students.teacher == "each") or any(
            (each.kind, each.teacher.name) == ("standard-distillation", "standard") for each in self.baselines
        )

    @field_validator("published")
    @classmethod
    def _was_published(cls, value: str | None) -> str | None:
        if value is not None:
            read_published(value)
        return value

    @field_validator("teacher_seed", mode="before")
    @classmethod
    def _matched_or_fixed(cls, value: Any) -> Any:  # noqa: ANN401 - whatever a recipe says
        if value != "matched" and not isinstance(value, dict | FixedTeacher):
            raise ValueError(f"must be matched or a mapping with fixed, got {reprlib.repr(value)}")
        return value


def read_recipe(path: Path) -> GridSpec:
    """Read a recipe file.

    Raises:
        ValueError: in one line, naming file, field, what was wrong and what would be right.
    """
    if not path.is_file():
        raise ValueError(f"{path}: there is no such recipe")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path}: a recipe is at most {MOST_BYTES >> 20} MiB")
    plain = read_yaml(path)
    if not isinstance(plain, dict):
        raise ValueError(f"{path}: a recipe is a mapping of fields, got {type(plain).__name__}")
    try:
        return GridSpec.model_validate(plain)
    except ValidationError as error:
        raise ValueError(f"{path}: {in_one_line(error, _field_names)}") from None


def _field_names(outermost: str) -> set[str]:
    """Of all that a recipe may hold under one of its own fields; what baselines alone have is no word of others."""
    grid: list[type[BaseModel]] = [
        GridSpec,
        DataSpec,
        ViewSpec,
        TeachersSpec,
        StudentsSpec,
        ObjectiveSpec,
        FixedTeacher,
        HalvingSpec,
        *([BaselineSpec] if outermost == "baselines" else []),
        *RULES,
        *MENDS.values(),
    ]
    networks: list[type[BaseModel]] = [MlpSpec, ConvnetSpec, ResNetSpec, OwnSpec, TimmSpec]
    return {name for spec in [*grid, *networks] for name in spec.model_fields} | set(Recipe.__dataclass_fields__)
