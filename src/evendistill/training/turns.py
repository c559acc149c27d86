"""Training as a generator, a step at a time, so that several runs can take turns in one process."""

from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

import torch

from evendistill.training import randomness

T = TypeVar("T")
Turns = Generator[None, None, T]
"""Work that pauses after each step and returns its result at the end; closing it saves what a resumed run needs."""


def drained(work: Turns[T]) -> T:
    """Do the work without a pause."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def drained_until(work: Turns[T], is_over: Callable[[], bool]) -> T | None:
    """Do the work, or as much of it as there is before ``is_over``, asked after each step; then it is closed."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value
        if is_over():
            work.close()
            return None


class Turn(Generic[T]):
    """Work that shares a process with other work: it has random generators, and on a GPU a stream, of its own.

    Args:
        work: what to do.
        device: where it is done.
    """

    def __init__(self, work: Turns[T], device: torch.device) -> None:
        self._work = work
        self._device = device
        self._random: dict[str, Any] | None = None
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def take(self, steps: int) -> T | None:
        """Go on for so many steps at most.

        Returns:
            The result if the work is done, else None.
        """
        outside = randomness.capture(self._device)
        if self._random is not None:
            randomness.restore(self._random, self._device)
        try:
            with torch.cuda.stream(self._stream):  # nothing at all without a GPU
                for _ in range(steps):
                    next(self._work)
        except StopIteration as end:
            return end.value
        finally:
            self._random = randomness.capture(self._device)
            randomness.restore(outside, self._device)
        return None

    def close(self) -> None:
        """Stop here; what a resumed run needs is saved."""
        outside = randomness.capture(self._device)
        if self._random is not None:
            randomness.restore(self._random, self._device)
        try:
            self._work.close()
        finally:
            randomness.restore(outside, self._device)
