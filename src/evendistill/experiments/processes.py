"""Processes: how many cores there are, how many ``torchrun`` started, which speaks to people, and how they end."""

import atexit
import contextlib
import gc
import os
import sys
import time
from collections.abc import Iterator

SECONDS_FOR_THE_FIRST = 30  # on a machine that is busy it may take that long to end


def processes_started() -> int:
    """How many processes ``torchrun`` started, this one among them; 1 without it, or where that is no number."""
    told = os.environ.get("WORLD_SIZE", "1")
    return max(1, int(told)) if told.isdecimal() else 1


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_first_process() -> bool:
    """Whether this process speaks to people: the first that ``torchrun`` started, or the only one."""
    return os.environ.get("RANK", "0") == "0"


@contextlib.contextmanager
def first_process_speaks() -> Iterator[None]:
    """Silence inside for all processes but the first.

    Of an error, too, the first speaks; that ends it, and ``torchrun`` ends the others, which wait for that. One that is
    alone with its error raises it a little later.
    """
    if is_first_process():
        yield
        return
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            yield
    except Exception:
        time.sleep(SECONDS_FOR_THE_FIRST)
        raise


@contextlib.contextmanager
def own_exit_code() -> Iterator[None]:
    """A process among others ends at once, with the code that was meant.

    An ordinary exit takes the interpreter apart while threads of the process group may still hold tensors or find their
    partners gone: now and then that aborts a process whose work is done, and ``torchrun`` says that it failed.
    """
    try:
        yield
    except SystemExit as end:
        if processes_started() == 1:
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))


@contextlib.contextmanager
def short_lived() -> Iterator[None]:
    """Nothing inside is searched for circles of dead objects, nor anything as the process ends.

    A command that reads, tells and ends keeps nearly all that it makes; once torch is loaded, each search goes through
    a million objects.
    """
    was_searched = gc.isenabled()
    atexit.register(gc.freeze)
    gc.disable()
    try:
        yield
    finally:
        if was_searched:
            gc.enable()
