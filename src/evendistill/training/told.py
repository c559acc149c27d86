"""What a folder was told, and whether it is what it is asked for now."""

import warnings
from pathlib import Path
from typing import Any

from evendistill.storage.files import read_json


def readable(path: Path) -> Any:  # noqa: ANN401 - JSON is what it is
    """What a JSON file holds; None, with a warning, if it is damaged."""
    try:
        return read_json(path)
    except ValueError as error:
        warnings.warn(f"{error}; it is written anew", stacklevel=2)
        return None


def same_spec(old: Any, new: Any, path: Path) -> None:  # noqa: ANN401 - JSON is what it is
    """Refuse a folder that was told another run; ``ValueError`` names the first field that differs."""
    if not isinstance(old, dict):
        old = {}
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            field, was, now = _difference(key, old.get(key), new.get(key))
            raise ValueError(
                f"{path} holds another run: its {field} is {was!r}, asked for is {now!r}; "
                "take another folder or delete this one"
            )


def _difference(field: str, was: Any, now: Any) -> tuple[str, Any, Any]:  # noqa: ANN401
    """The first field that differs, however deep."""
    if isinstance(was, dict) and isinstance(now, dict):
        inner = next(key for key in sorted({*was, *now}) if was.get(key) != now.get(key))
        return _difference(f"{field}.{inner}", was.get(inner), now.get(inner))
    return field, was, now
