"""What one run is told: frozen, strict, and named by its content."""

import hashlib
import json
import re
import reprlib
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, model_validator

from evendistill.experiments.arguments import Arguments
from evendistill.experiments.mends import AtSpec, PutOn
from evendistill.experiments.objectives import Spec, TrainedObjective
from evendistill.experiments.wordings import KINDS
from evendistill.maths.grouping import Grouping
from evendistill.training.recipe import Recipe

SCHEMA_VERSION = 1
MOST_LETTERS = 200  # of a folder's name; file systems bear 255


def _of_their_types(told: Any) -> Any:  # noqa: ANN401 - whatever a recipe says
    """Refuse values that pydantic would bend into the type of a training field: "5" for 5, yes for 1."""
    if not isinstance(told, dict):
        return told
    for name, default in vars(Recipe()).items():
        kinds = {float: (int, float), tuple: (list, tuple)}.get(type(default), type(default))
        value = told.get(name, default)
        if not isinstance(value, kinds) or (isinstance(value, bool) and not isinstance(default, bool)):
            raise ValueError(f"{name} must be {KINDS.get(type(default), 'text')}, got {reprlib.repr(value)}")
    return told


Training = Annotated[Recipe, BeforeValidator(_of_their_types)]
PLAIN_TRAINING = TypeAdapter(Recipe)  # made once: it takes a hundred times as long as using it


Seed = Annotated[int, Field(ge=0, lt=2**63)]  # what torch's generators take


class DataSpec(Spec):
    """Which examples."""

    source: str = Field(default="digits", min_length=1, description="digits, a path, or a hub id")
    imbalance: float | None = Field(default=None, ge=1, description="largest over smallest class")
    profile: Literal["exponential", "step"] = "exponential"
    subset_seed: Seed = 0
    split_seed: Seed = 0
    group_column: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    validation: str | None = None
    test: str | None = None
    image_size: int | None = Field(default=None, ge=1)
    hold: Literal["auto", "memory", "stream"] = "auto"
    workers: int = Field(default=0, ge=0)

    @property
    def words(self) -> str:
        """The source as part of a folder name."""
        return re.sub(r"[^A-Za-z0-9]+", "-", Path(self.source).stem if "/" in self.source else self.source).strip("-")


def _one_or_three(values: tuple[float, ...]) -> tuple[float, ...]:
    if len(values) == 2:
        raise ValueError("must be one number or one for each of three channels, got two")
    return values


OneOrThree = AfterValidator(_one_or_three)


class ViewSpec(Spec):
    """What a network sees of stored images; see :class:`evendistill.data.view.View`."""

    mean: Annotated[tuple[float, ...], OneOrThree] = Field(default=(0.0,), min_length=1, max_length=3, strict=False)
    std: Annotated[tuple[Annotated[float, Field(gt=0)], ...], OneOrThree] = Field(
        default=(1.0,), min_length=1, max_length=3, strict=False
    )
    pad: int = Field(default=0, ge=0)
    crop: int | None = Field(default=None, ge=1)
    flip: bool = False
    resize: int | None = Field(default=None, ge=1)


class MlpSpec(Spec):
    """A multilayer perceptron."""

    kind: Literal["mlp"]
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(128, 128), strict=False)


class ConvnetSpec(Spec):
    """A small convolutional network."""

    kind: Literal["convnet"]
    width: int = Field(default=16, ge=1)


class ResNetSpec(Spec):
    """A CIFAR ResNet, or the ImageNet ResNet-18 by depth 18."""

    kind: Literal["resnet"]
    depth: int = Field(default=20, ge=8)
    stem: Literal["imagenet", "small"] | None = Field(default=None, description="of depth 18 alone")

    @model_validator(mode="after")
    def _known_depth(self) -> Self:
        if self.depth != 18 and (self.depth - 2) % 6:
            raise ValueError(f"depth must be 18 or 6 n + 2, such as 20, 32 or 56, got {self.depth}")
        if (self.depth == 18) != (self.stem is not None):
            raise ValueError(f"depth 18 needs a stem, imagenet or small, and no other has one; got {self.stem}")
        return self


class OwnSpec(Spec):
    """A network of the user's own: the code at this path is run."""

    kind: Literal["own"]
    path: str = Field(description="package.module:callable")
    arguments: Arguments = Field(default={})


class TimmSpec(Spec):
    """A network that timm knows by this name."""

    kind: Literal["timm"]
    name: str
    arguments: Arguments = Field(default={})


NetworkSpec = Annotated[MlpSpec | ConvnetSpec | ResNetSpec | OwnSpec | TimmSpec, Field(discriminator="kind")]


class ListeningSpec(Spec):
    """How a student listens to its teacher; see :class:`evendistill.distillation.problem.Distillation`."""

    temperature: float = Field(gt=0)
    validation_temperature: float | None = Field(default=None, gt=0)
    validation_labels: Literal["teacher", "true"] | None = None
    onehot_weight: float = Field(default=0.0, ge=0, le=1)
    teacher_view: Literal["clean", "augmented"] = "clean"
    feature_weight: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _one_spelling(self) -> Self:
        # one run, one name: the temperature says nothing where it is the default, or where nobody reads it
        if self.validation_labels != "teacher" or self.validation_temperature == self.temperature:
            object.__setattr__(self, "validation_temperature", None)
        return self


class RunSpec(Spec):
    """One training run. A student's spec holds its teacher's whole, so its name follows from both.

    With a mend it trains no network: it is its finished teacher, or the mean of several, with something put on it.
    """

    data: DataSpec
    network: NetworkSpec
    objective: TrainedObjective
    training: Training
    initialisation_seed: Seed = 0
    order_seed: Seed = 0
    robust_k: int = Field(default=1, ge=1)
    view: ViewSpec | None = None
    grouping: Grouping = "class"
    teacher: "RunSpec | None" = None
    listening: ListeningSpec | None = None
    mend: PutOn | None = None
    others: "tuple[RunSpec, ...]" = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _student_is_whole(self) -> Self:
        if (self.teacher is None) != (self.listening is None and self.mend is None):
            raise ValueError("a student needs both a teacher and how it listens")
        if self.mend is not None and (self.listening is not None or len(self.inputs) != len(self.mend.bases)):
            raise ValueError(f"{self.mend.name} needs {len(self.mend.bases)} finished teachers and listens to none")
        return self

    def changed(self, **fields: Any) -> "RunSpec":  # noqa: ANN401 - whatever the fields hold
        """The same run but for these fields, under a name of its own: a plain copy would keep the old hash."""
        return RunSpec(**{name: getattr(self, name) for name in RunSpec.model_fields} | fields)

    @property
    def role(self) -> Literal["teacher", "student"]:
        """Whether the ground truth or a teacher labels."""
        return "teacher" if self.teacher is None else "student"

    @property
    def inputs(self) -> "tuple[RunSpec, ...]":
        """The runs that must be finished before this one begins: its teacher, and others of which it is the mean."""
        return (*([self.teacher] if self.teacher else []), *self.others)

    @property
    def trained(self) -> "RunSpec":
        """The run that trained its weights: itself, or the one that trained the frontier of which it is a part."""
        return self.teacher if isinstance(self.mend, AtSpec) and self.teacher is not None else self

    @property
    def taught_as(self) -> str:
        """What students call it: its objective, or its mend."""
        return self.objective.name if self.mend is None else self.mend.name

    def canonical(self) -> dict[str, Any]:
        """The spec as plain JSON, without defaults and without what changes no result."""
        return {"schema_version": SCHEMA_VERSION, **self._plain}

    @cached_property
    def _plain(self) -> dict[str, Any]:
        return _without_defaults(self)  # once for all the students of a teacher

    @cached_property
    def hash(self) -> str:
        """Twelve hexadecimal digits of the content: equal specs share a folder, so a grid resumes by itself."""
        text = json.dumps(self.canonical(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @cached_property
    def folder_name(self) -> str:
        """The hash, and what a person wants to see."""
        words, trained = [self.data.words, self.taught_as], self.trained
        if trained.teacher is not None and trained.listening is not None:
            words += ["from", trained.teacher.taught_as, f"t{trained.listening.temperature:g}"]
            words += [f"{trained.listening.validation_labels}-labels"] if trained.listening.validation_labels else []
        first, last = f"{self.hash}-", f"-s{self.order_seed}"
        return first + "-".join(words)[: MOST_LETTERS - len(first + last)] + last


@lru_cache(maxsize=64)
def _changed_training(training: Recipe) -> dict[str, Any]:
    """What differs from the defaults; all runs of a grid share a few of these."""
    told, default = (PLAIN_TRAINING.dump_python(each, mode="json") for each in (training, Recipe()))
    return {name: told[name] for name in told if told[name] != default[name] and name != "checkpoint_every"}


def _without_defaults(spec: RunSpec) -> dict[str, Any]:
    plain = spec.model_dump(mode="json", exclude_defaults=True, exclude={"training", "teacher", "others"})
    for part in ("data", "network"):  # a part that is all defaults is still a part
        plain.setdefault(part, {})
    for name in ("hold", "workers"):  # where images wait changes no result
        plain["data"].pop(name, None)
    plain["training"] = dict(_changed_training(spec.training))
    if spec.teacher is not None:
        plain["teacher"] = spec.teacher._plain
    if spec.others:
        plain["others"] = [other._plain for other in spec.others]
    return plain
