"""What a folder of runs could do without: runs that were not finished, and files that were left behind."""

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evendistill.experiments.status import Entry, read_status
from evendistill.storage.lease import held
from evendistill.storage.owners import LEASE, is_dead

KINDS = ("failed", "cut off", "leftover")
TRASH = ".trash-"
OLD = 3600.0  # seconds after which nobody is writing a temporary file any more


@dataclass(frozen=True)
class Removable:
    """Something that may go.

    Attributes:
        path: of a run folder or a file.
        kind: "failed" and "cut off" are runs; "leftover" is a file that nobody will read again.
        bytes: on disk.
    """

    path: Path
    kind: str
    bytes: int


def removable(runs: Path) -> list[Removable]:
    """What may go: never a finished run, nor one that is being trained.

    Raises:
        ValueError: if there is no such folder.
    """
    found = [each for entry in read_status(runs) for each in _of(entry)]
    trash = [Removable(path, "leftover", _size(path)) for path in sorted(runs.resolve().glob(f"{TRASH}*"))]
    return found + trash


def remove(item: Removable) -> bool:
    """Delete it, unless it has been finished or taken up meanwhile.

    Returns:
        Whether it is gone.

    Raises:
        OSError: if the folder cannot be written.
    """
    if item.kind == "leftover":
        shutil.rmtree(item.path) if item.path.is_dir() else item.path.unlink(missing_ok=True)
        return True
    aside = item.path.with_name(f"{TRASH}{uuid.uuid4().hex}")
    try:
        with held(item.path):
            if (item.path / "DONE").is_file():
                return False
            item.path.rename(aside)
    except BlockingIOError:
        return False
    shutil.rmtree(aside)
    return True


def _of(entry: Entry) -> Iterator[Removable]:
    if entry.state in ("failed", "cut off"):
        yield Removable(entry.folder, entry.state, entry.bytes)
    elif entry.state == "finished":
        with os.scandir(entry.folder) as files:
            yield from (
                Removable(Path(file.path), "leftover", file.stat(follow_symlinks=False).st_size)
                for file in files
                if _is_left(file, entry.folder)
            )


def _is_left(file: "os.DirEntry[str]", folder: Path) -> bool:
    """Whether a file of a finished run was left behind by a process that was killed."""
    if file.name == "checkpoint.pt":
        return True
    if file.name == LEASE:
        return is_dead(folder)
    is_temporary = file.name.startswith(".") and file.name.endswith(".tmp")
    with contextlib.suppress(FileNotFoundError):
        return is_temporary and time.time() - file.stat(follow_symlinks=False).st_mtime > OLD
    return False


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
