"""Folders that ``train`` and ``distill`` made in Python: they know neither network nor data, so no verb reads them."""

from pathlib import Path

from evendistill.storage.files import read_json

ROLES = ("train", "distill")


def refuse_folder_of_python(folder: Path, instead: str) -> None:
    """Raise ``ValueError`` if a call in Python made this folder.

    Args:
        folder: anything.
        instead: what to call there in place of the verb, for the message: "ed.export(result, held_out, to=...)".
    """
    try:
        told = read_json(folder / "spec.json")
    except (OSError, ValueError):
        return
    if isinstance(told, dict) and told.get("role") in ROLES:
        raise ValueError(
            f"{folder}: ed.{told['role']}(..., out=...) made this folder, which knows neither the network's code nor "
            f"the data; make the same call again, which gives the finished result at once, and then {instead}"
        )
