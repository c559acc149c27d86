"""Ctrl-C during a call in Python: the step that it falls into is finished and saved before it is raised."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from evendistill.models.ranks import Ranks
from evendistill.training.turns import Turns, drained_until

T = TypeVar("T")


def saved_if_interrupted(work: Turns[T]) -> T:
    """Do the work; at Ctrl-C it is closed after the step that it is at, which saves what a resumed run needs.

    A second Ctrl-C does not wait for the step. Nothing is done about it outside the main thread, where Ctrl-C has a
    handler that is not Python's own, and among several processes, where one that stops leaves the others waiting.

    Raises:
        KeyboardInterrupt: at Ctrl-C, after saving.
    """
    with _noted() as is_interrupted:
        result = drained_until(work, is_interrupted)
    if result is None or is_interrupted():
        raise KeyboardInterrupt("interrupted; the same call goes on from here")
    return result


@contextmanager
def _noted() -> Iterator[Callable[[], bool]]:
    """Inside, the first Ctrl-C is only taken note of; whether one came is what the function says."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if came:
            signal.default_int_handler(number, frame)
        came.append(number)

    is_ours = (
        Ranks.here().size == 1
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if is_ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(came)
    finally:
        if is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
