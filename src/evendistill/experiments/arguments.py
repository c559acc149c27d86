"""Further keywords of a network that a recipe names: plain values, the same in every process and in JSON."""

import math
import reprlib
from typing import Annotated, Any

from pydantic import AfterValidator


def _plain(told: Any) -> Any:  # noqa: ANN401 - whatever a recipe says
    """Refuse sets, dates, bytes and the like within lists, and numbers and words that JSON does not have."""
    if isinstance(told, dict):
        is_plain = all(isinstance(key, str) for key in told)
    elif isinstance(told, float):
        is_plain = math.isfinite(told)
    elif isinstance(told, str):
        is_plain = told.encode(errors="replace").decode() == told  # half a character is none
    else:
        is_plain = told is None or isinstance(told, bool | int | list)
    if not is_plain:
        raise ValueError(f"must be a plain value, got {reprlib.repr(told)}")
    for each in told.values() if isinstance(told, dict) else told if isinstance(told, list) else ():
        _plain(each)
    return told


Arguments = Annotated[dict[str, bool | int | float | str | list[Any] | None], AfterValidator(_plain)]
