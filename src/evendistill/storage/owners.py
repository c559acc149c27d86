"""Who holds a folder: what a lease file says of its owner, and the machine's own locks, which the dead let go of."""

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

LEASE = "lease.json"
LOCK = ".lock"
TRIES = 5  # one who only looks holds the lock for a moment


@dataclass(frozen=True)
class Owner:
    """Who holds a lease, as its file says.

    Attributes:
        host: name of the machine.
        boot: which start of the machine.
        pid: of the process.
        step: steps done, None before the first.
        steps: steps in all.
        seconds_left: until the last step, at the pace so far; None if that is not known yet.
    """

    host: str
    boot: str
    pid: int
    step: int | None = None
    steps: int | None = None
    seconds_left: float | None = None

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, a process of this machine since it was last started."""
        return self.boot == boot()


def content_of(path: Path) -> bytes | None:
    """What a file holds; None if there is none, nor where something else stands in its place."""
    try:
        return path.read_bytes()  # opened anew each time: that is when a network file system asks its server
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def owner_in(content: bytes | None) -> Owner | None:
    """The owner that a lease file names; None if there is no file or it cannot be read."""
    try:
        told: dict[str, Any] = json.loads(content or b"")
        progress = {name: told.get(name) for name in ("step", "steps", "seconds_left")}
        return Owner(str(told["host"]), str(told["boot"]), int(told["pid"]), **progress)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def owner_of(folder: Path) -> Owner | None:
    """Who holds the lease of a folder, dead or alive; None if nobody does."""
    return owner_in(content_of(folder / LEASE))


def is_dead(folder: Path) -> bool:
    """Whether the owner of a lease is a process of this machine that is gone. Of other machines nothing is known."""
    owner = owner_of(folder)
    if owner is None or not owner.is_here:
        return False
    try:
        with open(folder / LOCK) as file:
            return _flock(file.fileno(), fcntl.LOCK_SH, tries=1) is True  # one that is held has a living owner
    except OSError:
        return False


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Hold this machine's lock on a folder, which ends with the process that holds it, however that ends.

    Yields:
        Whether there is such a lock at all; some network file systems have none.

    Raises:
        BlockingIOError: if another process holds it.
        OSError: if the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK, "w", opener=_no_link) as file:
        got = _flock(file.fileno(), fcntl.LOCK_EX, tries=TRIES)
        if got is False or not _leads_to(folder / LOCK, file.fileno()):  # cleaned away while it was asked for
            raise taken(folder)
        yield got is True


def taken(folder: Path) -> BlockingIOError:
    """The error of one who comes too late."""
    return BlockingIOError(f"{folder} is being trained by {owner_of(folder) or 'another process'}")


@cache
def boot() -> str:
    """Which start of which machine this is: the domain in which a lock of the system can be trusted."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()[:64]


def _no_link(path: str, flags: int) -> int:
    """Open a file, but not through a link: in a folder that others sent it could lead to any file, and empty that."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o644)


def _leads_to(path: Path, file: int) -> bool:
    """Whether a path still is that of an open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False


def _flock(file: int, kind: int, *, tries: int) -> bool | None:
    """Whether the lock was to be had; None where the file system knows no locks."""
    for left in reversed(range(tries)):
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if left:
                time.sleep(0.01)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL):
                raise
            return None
        else:
            return True
    return False
