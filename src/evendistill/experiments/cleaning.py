"""What a folder of runs could do without: runs that were not finished, and files that were left behind."""

import contextlib
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from evendistill.experiments.status import TRASH, Entry, read_status
from evendistill.storage.lease import held
from evendistill.storage.owners import LEASE, is_dead, locked

KINDS = ("failed", "cut off", "leftover")
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
    """Delete it, unless it has been finished, reopened, taken up or deleted meanwhile.

    Returns:
        Whether it was deleted.

    Raises:
        OSError: if the folder cannot be written.
    """
    if item.path.name.startswith(TRASH):
        _delete(item.path)
        return True
    is_leftover = item.kind == "leftover"
    folder = item.path.parent if is_leftover else item.path
    if folder.is_symlink() or not folder.is_dir():
        return False
    aside = folder.with_name(f"{TRASH}{uuid.uuid4().hex}")
    try:
        with _kept_from_others(folder):
            if (folder / "DONE").is_file() != is_leftover:
                return False
            if is_leftover:
                item.path.unlink(missing_ok=True)
                return True
            folder.rename(aside)
    except (BlockingIOError, IsADirectoryError):  # taken up meanwhile, or its lock is a folder: who knows who is at it
        return False
    _delete(aside)
    return True


def _kept_from_others(folder: Path) -> AbstractContextManager[object]:
    """The lease; where something else stands in its place nobody can hold it, and this machine's lock is enough."""
    is_lease = (folder / LEASE).is_file() or not os.path.lexists(folder / LEASE)
    return held(folder) if is_lease else locked(folder)


def _delete(path: Path) -> None:
    """A folder with all that is in it, or a file; of a link the link alone."""
    with contextlib.suppress(FileNotFoundError):  # another is deleting it too
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _of(entry: Entry) -> Iterator[Removable]:
    if entry.state in ("failed", "cut off"):
        yield Removable(entry.folder, entry.state, entry.bytes)
    elif entry.state == "finished":
        with contextlib.suppress(FileNotFoundError), os.scandir(entry.folder) as files:  # deleted meanwhile
            for file in files:
                with contextlib.suppress(FileNotFoundError):
                    found = file.stat(follow_symlinks=False)
                    if not stat.S_ISDIR(found.st_mode) and _is_left(file.name, found.st_mtime, entry.folder):
                        yield Removable(Path(file.path), "leftover", found.st_size)


def _is_left(name: str, changed: float, folder: Path) -> bool:
    """Whether a file of a finished run was left behind by a process that was killed."""
    if name == "checkpoint.pt":
        return True
    if name == LEASE:
        return is_dead(folder)
    return name.startswith(".") and name.endswith(".tmp") and time.time() - changed > OLD


def _size(path: Path) -> int:
    """Bytes of a file, or of a folder with all that is in it; links are not followed."""
    size = 0
    with contextlib.suppress(FileNotFoundError):  # another is deleting it
        for each in (path, *path.rglob("*")):
            found = each.lstat()
            size += 0 if stat.S_ISDIR(found.st_mode) else found.st_size
    return size
