"""The baselines that a recipe may name: the methods that papers and practitioners would use instead."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from evendistill.experiments.objectives import ObjectiveSpec, Spec

Kind = Literal[
    "standard-distillation",
    "balanced-student",
    "robust-student",
    "post-shift",
    "logit-adjustment",
    "ada-margin",
    "ada-alpha",
    "balanced-kd",
    "group-dro-train",
    "group-dro-validation",
    "distilled-group-dro",
    "reweighted",
    "costs-afterwards",
]

TITLES: dict[str, str] = {
    "standard-distillation": "standard distillation",
    "balanced-student": "balanced student of a standard teacher (Menon et al. 2021)",
    "robust-student": "robust student of a standard teacher (Narasimhan & Menon 2021)",
    "post-shift": "post-shift of the standard teacher (our search)",
    "logit-adjustment": "logit adjustment of the standard teacher (Menon et al. 2021)",
    "ada-margin": "AdaMargin (our reconstruction)",
    "ada-alpha": "AdaAlpha (our reconstruction)",
    "balanced-kd": "balanced KD (Zhang et al. 2021)",
    "group-dro-train": "group DRO, multipliers from train (Sagawa et al. 2020)",
    "group-dro-validation": "group DRO, multipliers from validation",
    "distilled-group-dro": "distilled group DRO, multipliers from validation (ours)",
    "reweighted": "reweighted loss, no teacher",
    "costs-afterwards": "balanced student of a standard teacher, costs put on afterwards (ours)",
}
OF_PAPERS = tuple(kind for kind in TITLES if kind != "costs-afterwards")

APPLIES = {
    "taus": ("logit-adjustment",),
    "alphas": ("costs-afterwards",),
    "adjustments": ("group-dro-train",),
    "gain": ("group-dro-validation", "distilled-group-dro"),
    "multiplier_step": ("group-dro-validation", "distilled-group-dro"),
}
WITHOUT_TEACHER = ("group-dro-train", "group-dro-validation", "reweighted")


class BaselineSpec(Spec):
    """A baseline with its hyper-parameters; of several, the best on validation counts.

    Attributes:
        kind: the method.
        teacher: objective of the teacher, for methods that have one.
        taus: exponents of the priors, for logit adjustment.
        alphas: trade-offs whose costs are put on a balanced student.
        adjustments: C of group DRO from train.
        gain: what moves the multipliers of group DRO on validation: the papers do not say, 0-1 errors are ours.
        multiplier_step: step of these multipliers: not stated either, 0.1 is ours.
    """

    kind: Kind
    teacher: ObjectiveSpec = ObjectiveSpec(alpha=0.0, base="standard")
    taus: tuple[Annotated[float, Field(ge=0)], ...] = Field(default=(0.5, 1.0, 1.5, 2.0), min_length=1, strict=False)
    alphas: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        default=(0.2, 0.4, 0.6, 0.8, 1.0), min_length=1, strict=False
    )
    adjustments: tuple[Annotated[float, Field(ge=0)], ...] = Field(default=(0.0,), min_length=1, strict=False)
    gain: Literal["zero_one", "cross_entropy"] = "zero_one"
    multiplier_step: float = Field(default=0.1, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:  # noqa: ANN401 - whatever a recipe says
        return {"kind": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fields_apply(self) -> Self:
        for name in self.model_fields_set - {"kind", "teacher"}:
            if self.kind not in APPLIES[name]:
                raise ValueError(f"{name} is for {' and '.join(APPLIES[name])}, got it for {self.kind}")
        if "teacher" in self.model_fields_set and self.kind in WITHOUT_TEACHER:
            raise ValueError(f"{self.kind} has no teacher")
        return self

    @property
    def title(self) -> str:
        """As a table names it."""
        plain = "standard teacher"
        other = "" if self.teacher.name == "standard" else f"{self.teacher.name} teacher"
        title = TITLES[self.kind]
        return title if not other else title.replace(plain, other) if plain in title else f"{title}, {other}"


def _all(value: Any) -> Any:  # noqa: ANN401 - whatever a recipe says
    return list(OF_PAPERS) if value == "all" else value


def _distinct(baselines: tuple[BaselineSpec, ...]) -> tuple[BaselineSpec, ...]:
    """A method told twice would be two rows of the table."""
    told = [(baseline.kind, baseline.teacher) for baseline in baselines]
    for position, method in enumerate(told):
        if method in told[:position]:
            raise ValueError(f"must differ from one another, got {method[0]} twice")
    return baselines


Baselines = Annotated[tuple[BaselineSpec, ...], Field(strict=False), BeforeValidator(_all), AfterValidator(_distinct)]
