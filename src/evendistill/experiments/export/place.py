"""The folder that an export is written to: whole or not at all, and never over what is not an export."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evendistill.storage import places
from evendistill.storage.files import read_json

CONFIG = "config.json"
FILES = ("README.md", CONFIG, "model.onnx", "model.safetensors", "recipe.yaml")


def read_config(folder: Path) -> dict[str, Any]:
    """What an exported folder says of itself.

    Raises:
        ValueError: if it was not made by ``evendistill export``.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise ValueError(f"{folder}: not a folder that evendistill export made: it has no {CONFIG}")
    told = read_json(path)
    if (
        not isinstance(told, dict)
        or not {"evendistill", "run"} <= told.keys()
        or not isinstance(told.get("files"), dict)
    ):
        raise ValueError(f"{folder}: not a folder that evendistill export made: its {CONFIG} is another's")
    return told


def check_place(to: Path) -> None:
    """Raise ``ValueError`` if it cannot be written, or what lies there already is anything but an earlier export."""
    places.check_place(to.parent, instead="--to writes elsewhere", shown=to)
    if not to.exists():
        return
    if not to.is_dir():
        raise ValueError(f"{to} is a file; an export needs a folder")
    names = sorted(os.listdir(to))
    if names:
        read_config(to)
        if others := [name for name in names if name not in FILES]:
            raise ValueError(
                f"{to} also holds {others[0]}, which evendistill export did not write; take another folder"
            )


@contextmanager
def written_whole(to: Path) -> Iterator[Path]:
    """A folder to write into, which takes its place ``to`` when all is written; on any error nothing has changed.

    Raises:
        ValueError: as :func:`check_place`.
    """
    asked, to = to, to.resolve()
    check_place(asked)
    to.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(to)
    try:
        temporary.mkdir()
        yield temporary
        check_place(asked)
        _put(temporary, to)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError) and str(error.filename).startswith(str(temporary)):
            error.filename = str(asked)  # nobody knows the other name
        raise


def _put(folder: Path, to: Path) -> None:
    if not to.exists():
        os.rename(folder, to)
        return
    old = _beside(to)
    os.rename(to, old)
    try:
        os.rename(folder, to)
    except BaseException:
        os.rename(old, to)
        raise
    shutil.rmtree(old)


def _beside(to: Path) -> Path:
    return to.with_name(f".{to.name}.{uuid.uuid4().hex}.tmp")
