"""Ctrl-C and SIGTERM as a question that is asked between two steps, so that what is at work can save itself."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
WORKER_PATIENCE = 3.5  # seconds in which a run is to save itself
PATIENCE = 4.5  # seconds in which all of them are to end


class StoppedError(KeyboardInterrupt):
    """The program was asked to stop, and has saved what was unfinished.

    Attributes:
        code: exit code, by which a shell tells the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__("interrupted; the same command goes on from here")
        self.code = 128 + number


class Stop:
    """Whether a signal has come; calling it answers.

    Args:
        patience: seconds after the signal at which the process ends, whatever it is at.

    Attributes:
        number: of the signal, None before.
    """

    def __init__(self, patience: float = WORKER_PATIENCE) -> None:
        self.number: int | None = None
        self._patience = patience
        self._timer: threading.Timer | None = None

    def __call__(self) -> bool:
        """Whether to stop."""
        return self.number is not None

    def ask(self, number: int, frame: FrameType | None = None) -> None:
        """Take note of a signal; a second Ctrl-C, or a step that takes too long, ends the process at once."""
        if self.number is None:
            self.number = number
            self._timer = threading.Timer(self._patience, os._exit, (128 + number,))
            self._timer.daemon = True
            self._timer.start()
        elif number == signal.SIGINT:
            os._exit(128 + number)

    def over(self) -> None:
        """All is saved: nothing needs to be ended by force any more."""
        if self._timer is not None:
            self._timer.cancel()


@contextmanager
def stoppable(patience: float = WORKER_PATIENCE) -> Iterator[Stop]:
    """Inside, Ctrl-C and SIGTERM only take note; outside the main thread, which gets no signals, nothing changes."""
    stop = Stop(patience)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.ask) for number in SIGNALS}
    try:
        yield stop
    finally:
        stop.over()
        for number, handler in before.items():
            signal.signal(number, handler)
