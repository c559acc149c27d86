"""A lease on a folder: one owner at a time, on one machine or on many; its heart beats for as long as it lives."""

import contextlib
import errno
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from evendistill.storage.owners import LEASE, boot, content_of, locked, owner_in, taken
from evendistill.storage.watch import Watch, put_aside

BEAT = 5.0  # seconds from one heartbeat to the next
LOOK = 1.0  # seconds between two looks at a lease that may be a dead one's
WIDTH = 512  # bytes of a lease file, always the same, so that one write replaces all of it
FORMAT = 1
NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP)


class LeaseLostError(BlockingIOError):
    """Another process has taken the folder over while this one was silent for too long."""


class Lease:
    """A lease that this process holds.

    Args:
        folder: that it is on.
        clock: seconds, rising.

    Raises:
        BlockingIOError: if there is one already.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = folder / LEASE, clock
        self._token, self._beats = uuid.uuid4().hex, 0
        self._first: tuple[int, float] | None = None
        self._last: tuple[int, int, float] | None = None
        self._over = threading.Event()
        # a beat goes to the open file and so cannot land in the lease of a successor
        self._file = self._created()

    def tell(self, step: int, steps: int) -> None:
        """Say how far the work is; written with the next beat."""
        now = self._clock()
        self._first = self._first or (step, now)
        self._last = (step, steps, now)

    def check(self) -> None:
        """Raise :class:`LeaseLostError` if another process has taken over."""
        if not self._is_ours():
            raise LeaseLostError(f"{self._path.parent} was taken over by another process; this one stops")

    def beat(self) -> None:
        """Show that this process lives."""
        self._beats += 1
        os.pwrite(self._file, self._content(), 0)
        os.fsync(self._file)

    def beat_until_released(self) -> None:
        """Beat every five seconds until :meth:`release`."""
        while not self._over.wait(BEAT):
            with contextlib.suppress(OSError):  # a file server that hiccups is no reason to stop
                self.beat()

    def release(self) -> None:
        """Give the lease back, unless it is another's by now."""
        self._over.set()
        if self._is_ours():
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file, once nobody beats any more."""
        os.close(self._file)

    def _created(self) -> int:
        """The lease file, open; it appears whole or not at all."""
        aside = self._path.with_name(f".{self._path.name}.{self._token}.tmp")
        file = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
        try:
            os.write(file, self._content())
            os.link(aside, self._path)
            return file
        except FileExistsError:
            os.close(file)
            raise taken(self._path.parent) from None
        except BaseException as error:
            os.close(file)
            if isinstance(error, OSError) and error.errno in NO_LINKS:
                return self._created_without_links()
            raise
        finally:
            aside.unlink(missing_ok=True)

    def _created_without_links(self) -> int:
        """The same where a file has one name alone; who looks between two calls sees an empty lease, and waits."""
        try:
            file = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
        except FileExistsError:
            raise taken(self._path.parent) from None
        os.write(file, self._content())
        return file

    def _content(self) -> bytes:
        told = {"format": FORMAT, "host": socket.gethostname()[:64], "boot": boot(), "pid": os.getpid()}
        told |= {"token": self._token, "beat": self._beats} | self._progress()
        return json.dumps(told, ensure_ascii=False).encode(errors="replace").ljust(WIDTH - 1) + b"\n"

    def _progress(self) -> dict[str, float]:
        if self._first is None or self._last is None:
            return {}
        (begun, since), (step, steps, now) = self._first, self._last
        pace = {} if step <= begun else {"seconds_left": round((now - since) / (step - begun) * (steps - step), 1)}
        return {"step": step, "steps": steps, **pace}

    def _is_ours(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._file))
        except FileNotFoundError:
            return False
        except OSError as error:  # a file server that does not answer says nothing; one that knows no such file does
            return error.errno != errno.ESTALE


@contextmanager
def held(folder: Path, *, clock: Callable[[], float] = time.monotonic) -> Iterator[Lease]:
    """Hold the lease of a folder; it is given back at the end, and stays behind only if the process is killed.

    Between processes of one machine a lock of the system decides at once who lives. Of an owner on another machine only
    its heartbeat is known: it is watched for up to a minute, by this machine's own clock.

    Raises:
        BlockingIOError: if another process holds it.
        OSError: if the folder cannot be written.
    """
    with locked(folder) as is_locked:
        _bury(folder, is_locked, Watch(clock))
        lease = Lease(folder, clock)
        heart = threading.Thread(target=lease.beat_until_released, daemon=True)
        heart.start()
        try:
            yield lease
        finally:
            lease.release()
            heart.join()
            lease.close()


def _bury(folder: Path, is_locked: bool, watch: Watch) -> None:
    """Take away the lease of an owner that is dead; ``BlockingIOError`` if it lives."""
    while (content := content_of(folder / LEASE)) is not None:
        owner = owner_in(content)
        if is_locked and owner is not None and owner.is_here:  # it would hold the lock that we have
            put_aside(folder, content)
            continue
        match watch.look(folder):
            case "held":
                raise taken(folder)
            case "silent":
                put_aside(folder, content)
            case "unsure" | "free":
                time.sleep(LOOK)
