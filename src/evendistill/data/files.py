"""Which files are below a folder."""

import os
from collections.abc import Iterator
from pathlib import Path


def is_visible(name: str) -> bool:
    """Whether a file or folder is neither hidden nor what a Mac adds to archives."""
    return not name.startswith(".") and name != "__MACOSX"


def visible_files(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """The files with one of these suffixes, in capitals or not, below a folder; in no order.

    Links to files are followed, links to folders only where ``folder`` itself is one: others may lead in circles.

    Raises:
        OSError: if a folder may not be read.
    """
    for parent, folders, files in os.walk(folder, onerror=_fail):
        folders[:] = filter(is_visible, folders)
        yield from (Path(parent, name) for name in files if is_visible(name) and name.lower().endswith(suffixes))


def _fail(error: OSError) -> None:
    raise error  # os.walk would pass over the folder
