"""What a recipe may name as an objective or as a method: strict, frozen, with one spelling each."""

import reprlib
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator


class Spec(BaseModel):
    """Immutable, and strict about names and types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


MOST_CHOICES = 1000  # of one kind; each is compared with each
Conditioning = Literal["scale-and-bias", "scale", "bias", "layer", "film"]
CORNERS = {"standard": (0.0, "standard"), "balanced": (0.0, "balanced"), "robust": (1.0, "balanced")}


class ObjectiveSpec(Spec):
    """A trade-off between a base and the worst class; "standard", "balanced" and "robust" are short for its corners."""

    alpha: float = Field(ge=0, le=1, description="0 is the base, 1 the worst class")
    base: Literal["balanced", "standard"] = "balanced"
    form: Literal["margin", "weighted"] = "margin"

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:  # noqa: ANN401 - whatever a recipe says
        if not isinstance(value, str):
            return value
        if value == "reweighted":
            return {"alpha": 0.0, "form": "weighted"}
        if value not in CORNERS:
            raise ValueError(f"must be one of {', '.join(CORNERS)} or a mapping with alpha, got {value!r}")
        alpha, base = CORNERS[value]
        return {"alpha": alpha, "base": base}

    @model_validator(mode="after")
    def _one_spelling(self) -> Self:
        # one run, one name: the base has no say at alpha 1, the form none where every cost is one
        if self.alpha == 1 and self.base != "balanced":
            object.__setattr__(self, "base", "balanced")
        if (self.alpha, self.base) == CORNERS["standard"]:
            object.__setattr__(self, "form", "margin")
        return self

    @property
    def is_of_frontier(self) -> bool:
        """Whether it lies between the balanced base and the worst class, as the papers' trade-offs do."""
        return (self.base, self.form) == ("balanced", "margin")

    @property
    def name(self) -> str:
        """ "standard", "balanced", "robust", "reweighted", or the alpha with its base and form."""
        if (self.alpha, self.base, self.form) == (0, "balanced", "weighted"):
            return "reweighted"
        form = "" if self.form == "margin" else "-weighted"
        for name, corner in CORNERS.items():
            if (self.alpha, self.base) == corner:
                return name + form
        return f"tradeoff-{self.alpha:g}" + ("" if self.base == "balanced" else f"-{self.base}") + form

    @property
    def is_adversarial(self) -> bool:
        """Whether held-out errors move its multipliers."""
        return self.alpha > 0


class GroupDROSpec(Spec):
    """See :class:`evendistill.objectives.groupdro.GroupDRO`."""

    kind: Literal["group-dro"]
    multipliers: Literal["train", "validation"] = "train"
    step_size: float = Field(default=0.01, gt=0)
    adjustment: float = Field(default=0.0, ge=0)

    @property
    def name(self) -> str:
        """With what moves its multipliers."""
        return f"group-dro-{self.multipliers}"

    @property
    def is_adversarial(self) -> bool:
        """Whether held-out errors move its multipliers."""
        return self.multipliers == "validation"


class AdaMarginSpec(Spec):
    """See :class:`evendistill.objectives.adaptive.AdaMargin`."""

    kind: Literal["ada-margin"]
    per: Literal["example", "class"] = "example"
    is_adversarial: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Without its hyper-parameter."""
        return self.kind


class AdaAlphaSpec(Spec):
    """See :class:`evendistill.objectives.adaptive.AdaAlpha`."""

    kind: Literal["ada-alpha"]
    per: Literal["example", "class"] = "example"
    is_adversarial: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Without its hyper-parameter."""
        return self.kind


class BalancedKDSpec(Spec):
    """See :class:`evendistill.objectives.balancedkd.BalancedKD`."""

    kind: Literal["balanced-kd"]
    weight: float = Field(default=1.0, ge=0)
    beta: float = Field(default=0.9999, ge=0, lt=1)
    is_adversarial: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Without its hyper-parameters."""
        return self.kind


class FrontierSpec(Spec):
    """Several trade-offs by one training, see :class:`evendistill.objectives.frontier.FrontierObjective`.

    Recipes ask for it by ``shared``, not by name.
    """

    kind: Literal["frontier"]
    alphas: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(min_length=2, strict=False)
    by: Conditioning = "scale-and-bias"
    is_adversarial: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """How many, and from where to where."""
        return f"frontier-{len(self.alphas)}-of-{self.alphas[0]:g}-to-{self.alphas[-1]:g}"


NAMES = {
    "group-dro-train": {"kind": "group-dro", "multipliers": "train"},
    "group-dro-validation": {"kind": "group-dro", "multipliers": "validation"},
    "ada-margin": {"kind": "ada-margin"},
    "ada-alpha": {"kind": "ada-alpha"},
    "balanced-kd": {"kind": "balanced-kd"},
}


def _kind(value: Any) -> str:  # noqa: ANN401 - whatever a recipe says
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind if isinstance(kind, str) else "trade-off"


def _from_name(value: Any) -> Any:  # noqa: ANN401 - whatever a recipe says
    return NAMES.get(value, value) if isinstance(value, str) else value


def crossed(value: Any) -> Any:  # noqa: ANN401 - whatever a recipe says
    """A mapping of alphas and bases is short for all their combinations."""
    if isinstance(value, list) and any(isinstance(each, dict) and "alphas" in each for each in value):
        raise ValueError(
            f"a mapping of alphas stands without a list around it: {{alphas: [0, 0.5, 1]}}, got {reprlib.repr(value)}"
        )
    if not isinstance(value, dict):
        return value
    if not {"alphas"} <= set(value) <= {"alphas", "bases"}:
        raise ValueError(f"must be a list, or a mapping of alphas and bases, got {reprlib.repr(value)}")
    alphas, bases = value["alphas"], value.get("bases", ["balanced"])
    if not isinstance(alphas, list) or not isinstance(bases, list):
        raise ValueError(f"alphas and bases must be lists, got {reprlib.repr(value)}")
    if len(alphas) * len(bases) > MOST_CHOICES:
        raise ValueError(f"at most {MOST_CHOICES} combinations, got {len(alphas)} alphas and {len(bases)} bases")
    every = [{"alpha": alpha, "base": base} for base in bases for alpha in alphas]
    return [each for position, each in enumerate(every) if each["alpha"] != 1 or position < len(alphas)]


_Named = (
    Annotated[ObjectiveSpec, Tag("trade-off")]
    | Annotated[GroupDROSpec, Tag("group-dro")]
    | Annotated[AdaMarginSpec, Tag("ada-margin")]
    | Annotated[AdaAlphaSpec, Tag("ada-alpha")]
    | Annotated[BalancedKDSpec, Tag("balanced-kd")]
)
AnyObjective = Annotated[_Named, Discriminator(_kind), BeforeValidator(_from_name)]
TrainedObjective = Annotated[
    _Named | Annotated[FrontierSpec, Tag("frontier")], Discriminator(_kind), BeforeValidator(_from_name)
]
