"""The demo: the main job on the embedded digits."""

from importlib import resources
from pathlib import Path

import yaml

from evendistill.storage.files import write_bytes


def write_demo_recipe(folder: Path, *, seeds: int) -> Path:
    """Put the demo's recipe, for so many seeds, into a folder.

    Returns:
        The recipe file.

    Raises:
        ValueError: if ``seeds`` is below 1.
    """
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")
    text = resources.files("evendistill.experiments").joinpath("recipes/demo.yaml").read_text(encoding="utf-8")
    told = yaml.safe_load(text)["seeds"]
    path = folder / "recipe.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(path, text.replace(f"seeds: {told}\n", f"seeds: {seeds}\n").encode())
    return path
