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
CUT_SHORT = "evendistill: interrupted before all was saved; the same command goes on from the last checkpoints\n"


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
        last_words: what it says on standard error then.

    Attributes:
        number: of the signal, None before.
    """

    def __init__(self, patience: float = WORKER_PATIENCE, last_words: str = "") -> None:
        self.number: int | None = None
        self._patience, self._last_words = patience, last_words
        self._timer: threading.Timer | None = None

    def __call__(self) -> bool:
        """Whether to stop."""
        return self.number is not None

    def ask(self, number: int, frame: FrameType | None = None) -> None:
        """Take note of a signal; a second Ctrl-C, or a step that takes too long, ends the process at once."""
        if self.number is None:
            self.number = number
            self._timer = threading.Timer(self._patience, self._end, (number,))
            self._timer.daemon = True
            self._timer.start()
        elif number == signal.SIGINT:
            self._end(number)

    def over(self) -> None:
        """All is saved: nothing needs to be ended by force any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _end(self, number: int) -> None:
        os.write(2, self._last_words.encode())
        os._exit(128 + number)


@contextmanager
def stoppable(patience: float = WORKER_PATIENCE, last_words: str = "") -> Iterator[Stop]:
    """Inside, Ctrl-C and SIGTERM only take note; outside the main thread, which gets no signals, nothing changes."""
    stop = Stop(patience, last_words)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    try:
        with signals_kept():
            for number in SIGNALS:
                signal.signal(number, stop.ask)
            yield stop
    finally:
        stop.over()


@contextmanager
def signals_kept() -> Iterator[None]:
    """Afterwards, Ctrl-C and SIGTERM do what they did before, whatever handlers were set inside."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None was not set by Python


@contextmanager
def spared() -> Iterator[None]:
    """Processes begun inside do not see Ctrl-C, which a terminal sends to the whole group: their driver stops them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
