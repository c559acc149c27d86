"""Checkpoints: all that moves in a run, on disk every so often, refused if it is not what was written."""

import io
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from evendistill.storage.files import digest, write_bytes

HEADER = b"evendistill checkpoint 1 "


class Checkpoint:
    """One file that a run saves itself to.

    Args:
        path: of the file.
        every: least number of seconds between two saves.
        clock: seconds, rising.
        before: called before each save; raises if this process may no longer save.
    """

    def __init__(
        self,
        path: Path,
        *,
        every: float,
        clock: Callable[[], float] = time.monotonic,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self.path = path
        self._every = every
        self._clock = clock
        self._before = before
        self._saved_at = clock()

    def load(self) -> dict[str, Any] | None:
        """What was saved last, or None where nothing was or the file is damaged (with a warning)."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        header, _, payload = content.partition(b"\n")
        if header == HEADER + digest(payload).encode():
            try:
                return torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
            except Exception:  # noqa: BLE001 - forged: torch says in many ways that there is more than numbers
                pass
        warnings.warn(f"{self.path} is damaged; the run starts anew", stacklevel=2)
        return None

    def save_if_due(self, state: Callable[[], dict[str, Any]]) -> None:
        """Save what ``state`` gives if the last save is long enough ago."""
        if self._clock() - self._saved_at >= self._every:
            self.save(state())

    def save(self, state: dict[str, Any]) -> None:
        """Save now."""
        self._before()
        buffer = io.BytesIO()
        torch.save(state, buffer)
        payload = buffer.getvalue()
        write_bytes(self.path, HEADER + digest(payload).encode() + b"\n" + payload)
        self._saved_at = self._clock()

    def remove(self) -> None:
        """Delete the file: the run has ended."""
        self.path.unlink(missing_ok=True)
