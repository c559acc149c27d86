"""The interface of engines: they are handed a recipe's path and names of runs, and say how each ended."""

import errno
import traceback
from dataclasses import dataclass
from typing import Literal, Protocol

INPUT_KINDS = ("ValueError", "FloatingPointError")
NO_MEMORY = ("MemoryError", "OutOfMemoryError")
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
NOT_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
WRONG_START = "WrongStartError"  # by name: its module imports torch
NO_MEMORY_ON_CPU = "DefaultCPUAllocator: can't allocate memory"


@dataclass(frozen=True)
class Outcome:
    """How one run ended.

    Attributes:
        hash: of the run.
        end: "finished"; "failed"; "cut off" when it was asked to stop: it goes on from there when it is asked for
            again; "busy" if another process is training it; "died" with the process that trained it.
        error: one line if it failed or died, else None.
        is_input: whether the error lies in what was asked for, not in the machine.
        is_elsewhere: whether another process trained it.
        is_passing: whether the error says nothing against the run: a full disk, a server that does not answer, or
            processes that were started in another way than it is for. The same command goes on from there.
    """

    hash: str
    end: Literal["finished", "failed", "cut off", "busy", "died"] = "finished"
    error: str | None = None
    is_input: bool = False
    is_elsewhere: bool = False
    is_passing: bool = False


class Engine(Protocol):
    """Trains runs. It knows nothing of their order, and nothing that is not in their folders."""

    @property
    def room(self) -> int:
        """How many more runs it takes at this moment."""
        ...

    @property
    def running(self) -> int:
        """How many runs it is at."""
        ...

    def start(self, name: str) -> None:
        """Begin a run, by hash; there must be room."""
        ...

    def ended(self, seconds: float) -> list[Outcome]:
        """The runs that have ended; if there are none, wait for one at most so long."""
        ...

    def stop(self) -> list[Outcome]:
        """Ask what is running to save itself and end, within a few seconds; its outcomes. To be called once, always."""
        ...


def failed(name: str, error: BaseException) -> Outcome:
    """The outcome of a run that raised; what is not the fault of its input is shown whole."""
    outcome = outcome_of(name, error)
    if outcome.end == "failed" and not outcome.is_input and not isinstance(error, OSError) and not _lacks_memory(error):
        traceback.print_exception(error)
    return outcome


def outcome_of(name: str, error: BaseException) -> Outcome:
    """The same, and nothing is shown."""
    if isinstance(error, BlockingIOError):
        return Outcome(name, "busy", str(error))
    message = _one_line(error)
    if _lacks_memory(error):
        message = f"out of memory: {message}"
    elif isinstance(error, OSError) and error.errno in NO_SPACE:
        message = f"{error.strerror}; free some, and the same command goes on from here"
    is_input = isinstance(error, ValueError | FloatingPointError)
    is_passing = isinstance(error, OSError) and not isinstance(error, NOT_THERE)
    is_passing |= type(error).__name__ == WRONG_START
    return Outcome(name, "failed", message, is_input=is_input, is_passing=is_passing)


def _lacks_memory(error: BaseException) -> bool:
    return type(error).__name__ in NO_MEMORY or NO_MEMORY_ON_CPU in _one_line(error)


def _one_line(error: BaseException) -> str:
    return " ".join((str(error) or type(error).__name__).split())
