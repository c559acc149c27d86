"""A recipe file: which teachers, which students, how often; read strictly, with one clear line for each mistake."""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator

from evendistill.experiments.spec import DataSpec, NetworkSpec, ObjectiveSpec, Spec
from evendistill.training.recipe import Recipe

MOST_BYTES = 1 << 20
Temperature = Annotated[float, Field(gt=0, strict=False)]


class TeachersSpec(Spec):
    """The teachers of a grid."""

    network: NetworkSpec
    objectives: tuple[ObjectiveSpec, ...] = Field(min_length=1, strict=False)
    training: Recipe | None = None


class StudentsSpec(Spec):
    """The students of a grid: objectives crossed with temperatures and, where multipliers move, with label modes."""

    network: NetworkSpec
    objectives: tuple[ObjectiveSpec, ...] = Field(min_length=1, strict=False)
    training: Recipe | None = None
    temperatures: tuple[Temperature, ...] = Field(default=(3.0,), min_length=1, strict=False)
    validation_temperatures: tuple[Temperature, ...] | None = Field(default=None, min_length=1, strict=False)
    validation_labels: tuple[Literal["teacher", "true"], ...] = Field(
        default=("teacher", "true"), min_length=1, strict=False
    )
    onehot_weight: float = Field(default=0.0, ge=0, le=1, strict=False)
    teacher_view: Literal["clean", "augmented"] = "clean"

    @field_validator("validation_labels", mode="before")
    @classmethod
    def _yaml_true(cls, value: Any) -> Any:  # noqa: ANN401 - whatever a recipe says
        """YAML reads a bare ``true`` as a boolean; it is meant as the word."""
        return ["true" if label is True else label for label in value] if isinstance(value, list) else value


class FixedTeacher(Spec):
    """Every student learns from the teacher of one seed."""

    fixed: int = Field(ge=0)


class GridSpec(Spec):
    """A recipe: teachers crossed with students, repeated over seeds."""

    name: str = Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")
    data: DataSpec
    training: Recipe = Recipe()
    teachers: TeachersSpec
    students: StudentsSpec | None = None
    seeds: tuple[int, ...] = Field(default=(0, 1, 2), min_length=1, strict=False)
    teacher_seed: Literal["matched"] | FixedTeacher = "matched"
    robust_k: int = Field(default=1, ge=1)

    @field_validator("seeds", mode="before")
    @classmethod
    def _count_or_list(cls, value: Any) -> Any:  # noqa: ANN401 - whatever a recipe says
        return tuple(range(value)) if isinstance(value, int) and not isinstance(value, bool) else value


def read_recipe(path: Path) -> GridSpec:
    """Read a recipe file.

    Raises:
        ValueError: in one line, naming file, field, what was wrong and what would be right.
    """
    if not path.is_file():
        raise ValueError(f"{path}: there is no such recipe")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path}: a recipe is at most {MOST_BYTES >> 20} MiB")
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ValueError(f"{path}{where}: not valid YAML: {getattr(error, 'problem', None) or error}") from None
    except (UnicodeDecodeError, RecursionError):
        raise ValueError(f"{path}: not a YAML text file") from None
    if not isinstance(plain, dict):
        raise ValueError(f"{path}: a recipe is a mapping of fields, got {type(plain).__name__}")
    try:
        return GridSpec.model_validate(plain)
    except ValidationError as error:
        raise ValueError(f"{path}: {_one_line(error)}") from None


def _one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if part not in ("mlp", "convnet", "FixedTeacher"))
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"unknown field {field}{_suggestion(str(first['loc'][-1]))}"
    message = first["msg"].removeprefix("Value error, ")
    shown = repr(first["input"])
    value = "" if isinstance(first["input"], dict) or shown in message else f", got {shown[:80]}"
    return f"{field + ': ' if field else ''}{message[:1].lower()}{message[1:]}{value}"


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, sorted(_field_names()), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _field_names() -> set[str]:
    specs: list[type[BaseModel]] = [GridSpec, DataSpec, TeachersSpec, StudentsSpec, ObjectiveSpec, FixedTeacher]
    return (
        {name for spec in specs for name in spec.model_fields} | set(Recipe.__dataclass_fields__) | {"hidden", "width"}
    )
