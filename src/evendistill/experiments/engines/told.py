"""What the command line says of engines, read strictly."""

import re
from collections.abc import Sequence
from typing import Any

import yaml


def read_options(told: Sequence[str]) -> dict[str, Any]:
    """Options of an engine from ``KEY=VALUE``; a value that looks like a number is one.

    Raises:
        ValueError: if one is not of that form, or is told twice.
    """
    options: dict[str, Any] = {}
    for each in told:
        match = re.fullmatch(r"([a-z][a-z0-9_]*)=(.+)", each)
        if match is None:
            raise ValueError(f"an option of an engine is KEY=VALUE, got {each!r}")
        name, value = match.groups()
        if name in options:
            raise ValueError(f"the option {name} is told twice")
        options[name] = _value(value)
    return options


def read_share(told: str | None) -> tuple[int, int] | None:
    """A share of the runs from ``K/N``.

    Raises:
        ValueError: if it is not of that form, or K is not from 1 to N.
    """
    if told is None:
        return None
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", told)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError(f"a share is K/N with K from 1 to N, such as 2/8, got {told!r}")
    return int(match[1]), int(match[2])


def _value(text: str) -> Any:  # noqa: ANN401 - whatever an engine takes
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return value if isinstance(value, bool | int | float) else text
