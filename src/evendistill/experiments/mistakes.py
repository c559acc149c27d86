"""What is wrong with a recipe, in one line: the field, what was wrong, and what would be right."""

import difflib
import reprlib
from collections.abc import Iterable

from pydantic import ValidationError

from evendistill.experiments.mends import MENDS
from evendistill.experiments.yamlfile import printable

UNION_TAGS = ("mlp", "convnet", "resnet", "own", "timm", "FixedTeacher", "trade-off", "group-dro", "ada-margin")
UNION_TAGS += (
    *MENDS,
    "ada-alpha",
    "balanced-kd",
    "paper",
    "best-robust",
    "weighted-sum",
    "average-above",
    "robust-above",
)
UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")  # a misspelt field, which explains one that is missing


def in_one_line(error: ValidationError, names: Iterable[str] = ()) -> str:
    """What is wrong with a recipe: field, what was wrong, and what would be right.

    Args:
        error: of a strict model.
        names: of all fields that there are; the nearest one is suggested for a misspelt one.
    """
    first = min(error.errors(), key=lambda each: (each["type"] not in UNKNOWN, "literal['matched']" in each["loc"]))
    *outer, last = first["loc"] or ("",)
    outer = [part for part in outer if part not in UNION_TAGS or outer[0] == "view"]  # a view has a mean of its own
    field = ".".join(map(str, [*outer, last]))
    if first["type"] in UNKNOWN:
        return printable(f"unknown field {field}{_suggestion(str(last), names)}")
    message = first["msg"].removeprefix("Value error, ")
    value = "" if isinstance(first["input"], dict) or "got " in message else f", got {reprlib.repr(first['input'])}"
    return printable(f"{field + ': ' if field else ''}{message[:1].lower()}{message[1:]}{value}")


def _suggestion(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(set(names) - {name}), n=1)
    return f"; did you mean {close[0]}?" if close else ""
