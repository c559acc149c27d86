"""What a recipe may name as a mend of a finished teacher: strict, frozen, with one spelling each."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from evendistill.experiments.objectives import ObjectiveSpec, Spec

STANDARD = ObjectiveSpec(alpha=0.0, base="standard")


class Mend(Spec):
    """A finished teacher with something put on it; nothing is trained but a few numbers on held-out examples.

    Attributes:
        of: objective of the teacher.
    """

    of: ObjectiveSpec = STANDARD

    @property
    def bases(self) -> tuple[ObjectiveSpec, ...]:
        """Objectives of the teachers that it needs, one or several."""
        return (self.of,)

    @property
    def name(self) -> str:
        """Its kind, its number if it has one, and its teachers."""
        kind, *numbers = self.model_dump(exclude={"of", "others"}).values()
        return "-".join(
            [kind, *(f"{number:g}" for number in numbers), "of", "-and-".join(each.name for each in self.bases)]
        )


class PostShiftSpec(Mend):
    """See :class:`evendistill.distillation.postshift.PostShift`."""

    kind: Literal["post-shift"]


class LogitAdjustmentSpec(Mend):
    """See :func:`evendistill.distillation.postshift.logit_adjustment`."""

    kind: Literal["logit-adjustment"]
    tau: float = Field(default=1.0, ge=0)


class ClassTemperaturesSpec(Mend):
    """A temperature for each class; see :func:`evendistill.distillation.mending.vector_scaling`, without shifts."""

    kind: Literal["class-temperatures"]


class VectorScalingSpec(Mend):
    """See :func:`evendistill.distillation.mending.vector_scaling`."""

    kind: Literal["vector-scaling"]


class AdjustedSpec(Mend):
    """See :func:`evendistill.distillation.mending.adjusted`."""

    kind: Literal["adjusted"]
    alpha: float = Field(ge=0, le=1)


class RefittedSpec(Mend):
    """See :func:`evendistill.distillation.mending.refitted`."""

    kind: Literal["refitted"]
    alpha: float = Field(ge=0, le=1)


class MeanSpec(Mend):
    """See :class:`evendistill.models.average.MeanOfProbabilities`.

    Attributes:
        others: objectives of the further teachers.
    """

    kind: Literal["mean"]
    others: tuple[ObjectiveSpec, ...] = Field(min_length=1, max_length=100, strict=False)

    @model_validator(mode="after")
    def _are_different(self) -> Self:
        names = [base.name for base in self.bases]
        if len(set(names)) < len(names):
            raise ValueError(f"others must differ from of and from one another, got {', '.join(names)}")
        return self

    @property
    def bases(self) -> tuple[ObjectiveSpec, ...]:
        """The teachers of which it is the mean."""
        return (self.of, *self.others)


class AtSpec(Mend):
    """One trade-off of a training that serves several; see :class:`evendistill.models.conditioned.Conditioned`.

    Recipes ask for it by ``shared``, not by name.

    Attributes:
        by_costs: whether it is the balanced network under the costs of the trade-off, not one of several last layers.
    """

    kind: Literal["at"]
    alpha: float = Field(ge=0, le=1)
    by_costs: bool = False

    @property
    def name(self) -> str:
        """The trade-off."""
        return f"{ObjectiveSpec(alpha=self.alpha).name}-{'by-costs' if self.by_costs else 'shared'}"


MENDS: dict[str, type[Mend]] = {
    "post-shift": PostShiftSpec,
    "logit-adjustment": LogitAdjustmentSpec,
    "class-temperatures": ClassTemperaturesSpec,
    "vector-scaling": VectorScalingSpec,
    "adjusted": AdjustedSpec,
    "refitted": RefittedSpec,
    "mean": MeanSpec,
}


def _from_name(value: Any) -> Any:  # noqa: ANN401 - whatever a recipe says
    return {"kind": value} if isinstance(value, str) else value


_Named = (
    PostShiftSpec
    | LogitAdjustmentSpec
    | ClassTemperaturesSpec
    | VectorScalingSpec
    | AdjustedSpec
    | RefittedSpec
    | MeanSpec
)
AnyMend = Annotated[_Named, Field(discriminator="kind")]
PutOn = Annotated[_Named | AtSpec, Field(discriminator="kind")]
NamedMend = Annotated[AnyMend, BeforeValidator(_from_name)]
