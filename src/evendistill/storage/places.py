"""Whether something can be written at a place, asked before the work that is to be written there."""

import os
from pathlib import Path


def check_place(folder: Path, *, instead: str, shown: Path | None = None) -> None:
    """Raise ``ValueError`` unless the folder can be made, or written to if it is there.

    Args:
        folder: where something is to be written; folders above it need not be there either.
        instead: what to do, for the message: "--out writes elsewhere".
        shown: what the message names; the folder if None.
    """
    there = folder.absolute()
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        why = f"{there} is a file"
    elif os.statvfs(there).f_flag & os.ST_RDONLY:
        why = f"{there} is on a disk that may only be read"
    elif not os.access(there, os.W_OK | os.X_OK):
        why = f"{there} is not to be written to"
    else:
        return
    raise ValueError(f"{shown or folder} cannot be written: {why}; {instead}")
