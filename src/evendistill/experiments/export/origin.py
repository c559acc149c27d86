"""Where the data of a run came from, as others may read it: the path of a folder on somebody's machine is left out."""

from pathlib import Path
from typing import Any

import yaml

from evendistill.data.sources import HUB_ID


def is_on_hub(source: str) -> bool:
    """Whether a source names a data set of somebody's on the hub."""
    return "/" in source and HUB_ID.fullmatch(source) is not None and not Path(source).exists()


def public(source: str) -> str:
    """The source as it is if anybody can have it; of a path the last name alone.

    Example:
        >>> public("/home/ann/secret project/photos"), public("digits"), public("ann/birds")
        ('photos', 'digits', 'ann/birds')
    """
    return source if is_on_hub(source) else Path(source).expanduser().name or "data"


def without_paths(told: Any) -> Any:  # noqa: ANN401 - a spec as plain values
    """A spec as plain values, its teachers' within it, without the paths of data."""
    if isinstance(told, list):
        return [without_paths(each) for each in told]
    if not isinstance(told, dict):
        return told
    plain = {name: without_paths(each) for name, each in told.items()}
    if isinstance(data := plain.get("data"), dict) and isinstance(data.get("source"), str):
        plain["data"] = data | {"source": public(data["source"])}
    return plain


def recipe_without_paths(recipe: bytes, source: str) -> bytes:
    """The text of a recipe without the path of its data, however often it is there.

    Where YAML has folded or quoted the path, the recipe is written anew, without its comments.
    """
    text = recipe.replace(source.encode(), public(source).encode())
    plain = yaml.safe_load(text)
    cleaned = without_paths(plain)
    return text if cleaned == plain else yaml.safe_dump(cleaned, sort_keys=False).encode()
