"""Leases seen from outside: which owners live, which are dead, and which have been silent for too long."""

import contextlib
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from evendistill.storage.owners import LEASE, content_of, is_dead

SILENCE = 60.0  # seconds without a heartbeat after which an owner on another machine counts as dead


class Watch:
    """Judges leases by whether they change while it looks on; the time is this process's own.

    Clocks of other machines, and jumps of the wall clock, do not matter.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[Path, tuple[bytes, float, bool]] = {}

    def look(self, folder: Path) -> Literal["free", "held", "silent", "unsure"]:
        """The state of a folder's lease: held if it has changed lately, silent if it has not for a minute."""
        content, now = content_of(folder / LEASE), self._clock()
        if content is None:
            self._seen.pop(folder, None)
            return "free"
        before, since, has_beaten = self._seen.get(folder, (content, now, False))
        if content != before:
            since, has_beaten = now, True
        self._seen[folder] = (content, since, has_beaten)
        if now - since >= SILENCE:
            return "silent"
        return "held" if has_beaten else "unsure"

    def is_free(self, folder: Path) -> bool:
        """Whether a folder may be asked for; the lease of a silent owner is put aside first."""
        content = content_of(folder / LEASE)
        if content is None or is_dead(folder):
            return True
        if self.look(folder) != "silent":
            return False
        put_aside(folder, content)
        return True


def put_aside(folder: Path, content: bytes) -> None:
    """Take a dead owner's lease away; if it has become another's meanwhile, it is put back."""
    path = folder / LEASE
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return
    if content_of(aside) != content:
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    aside.unlink(missing_ok=True)
