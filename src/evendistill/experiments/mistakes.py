"""What is wrong with a recipe, in one line: the field, what was wrong, and what would be right."""

import difflib
import reprlib
from collections.abc import Callable, Iterable

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from evendistill.experiments.mends import MENDS
from evendistill.experiments.wordings import NETWORK_OF_YOUR_OWN, worded
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


def in_one_line(error: ValidationError, names: Callable[[str], Iterable[str]] = lambda outermost: ()) -> str:
    """What is wrong with a recipe: field, what was wrong, and what would be right.

    Args:
        error: of a strict model.
        names: of all fields that there are under an outermost one; the nearest is suggested for a misspelt one.
    """
    first = min(error.errors(), key=lambda each: (each["type"] not in UNKNOWN, "literal['matched']" in each["loc"]))
    *outer, last = _place(first)
    field = ".".join(map(str, [*outer, last]))
    if first["type"] in UNKNOWN:
        return printable(f"unknown field {field}{_suggestion(str(last), names(field.partition('.')[0]))}")
    message = worded(first["type"], first["msg"], first.get("ctx", {}), str(last))
    is_told = isinstance(first["input"], dict) or "got " in message
    what, semicolon, hint = message.partition("; " + NETWORK_OF_YOUR_OWN)
    value = "" if is_told else f", got {reprlib.repr(first['input'])}"
    return printable(f"{field + ': ' if field else ''}{what}{value}{semicolon}{hint}")


def _place(error: ErrorDetails) -> tuple[int | str, ...]:
    """The fields that lead to a mistake, without the names that pydantic gives to the ways of reading one."""
    place = error["loc"] or ("",)
    if place[0] == "view":  # a view has a mean of its own
        return place
    is_field = error["type"] in UNKNOWN or len(place) == 1
    outer = tuple(part for part in place[:-1] if part not in UNION_TAGS)
    return (*outer, place[-1]) if is_field or place[-1] not in UNION_TAGS else outer


def _suggestion(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(set(names) - {name}), n=1)
    return f"; did you mean {close[0]}?" if close else ""
