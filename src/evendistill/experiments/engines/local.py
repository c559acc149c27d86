"""The local engine: long-lived processes of this machine, each of which trains run after run."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path

from evendistill.experiments.engines.engine import Outcome
from evendistill.experiments.engines.stopping import PATIENCE, Stop, spared


class LocalEngine:
    """Processes of this machine. One that dies is replaced.

    Importing torch costs more than training a small network, so a process trains many; of several GPUs each process
    takes one, in turn, and processes may share one.

    Args:
        recipe: file that expands to the runs.
        runs: folder of all runs.
        jobs: number of processes.
    """

    def __init__(self, recipe: Path, runs: Path, *, jobs: int) -> None:
        self._workers = [_Worker(recipe, runs, place) for place in range(jobs)]

    @property
    def room(self) -> int:
        """Idle processes."""
        return sum(not worker.busy for worker in self._workers)

    @property
    def running(self) -> int:
        """Processes at work."""
        return len(self._workers) - self.room

    def start(self, name: str) -> None:
        """Hand a run to an idle process."""
        next(worker for worker in self._workers if not worker.busy).start(name)

    def ended(self, seconds: float) -> list[Outcome]:
        """The runs that have ended, or died with their process."""
        busy = {worker.connection: worker for worker in self._workers if worker.busy}
        if not busy:
            time.sleep(seconds)
            return []
        return [busy[each].report() for each in wait(list(busy), seconds) if isinstance(each, Connection)]

    def stop(self) -> list[Outcome]:
        """Let every process save its run and end; one that takes longer than four seconds is killed."""
        for worker in self._workers:
            worker.ask_to_stop()
        until = time.monotonic() + PATIENCE - 0.5
        return [outcome for worker in self._workers if (outcome := worker.last_word(until - time.monotonic()))]


class _Worker:
    def __init__(self, recipe: Path, runs: Path, place: int) -> None:
        self._arguments = (str(recipe), str(runs), place)
        self._run: str | None = None
        self._spawn()

    @property
    def busy(self) -> bool:
        return self._run is not None

    @property
    def connection(self) -> Connection:
        return self._connection

    def start(self, run: str) -> None:
        self._run = run
        with contextlib.suppress(OSError):  # it died while idle: the report will say so, and the run is tried again
            self._connection.send(run)

    def report(self) -> Outcome:
        """What the process says of its run; if it died, there is a new process."""
        run, self._run = self._run or "", None
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            how = self._end(1.0)
            self._spawn()
            return Outcome(run, "died", how)

    def ask_to_stop(self) -> None:
        if self._process.is_alive():
            self._process.terminate()

    def last_word(self, seconds: float) -> Outcome | None:
        """What became of its run, once the process has ended; None if it had none."""
        outcome = None
        if self._run is not None:
            outcome = Outcome(self._run, "cut off")
            with contextlib.suppress(EOFError, OSError):
                if self._connection.poll(max(0.0, seconds)):
                    outcome = self._connection.recv()
        self._end(max(0.0, seconds))
        return outcome

    def _end(self, seconds: float) -> str:
        """End the process if it does not do so by itself in time; how it did."""
        self._connection.close()
        self._process.join(timeout=seconds)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        code = self._process.exitcode or 0
        return f"by signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"with exit code {code}"

    def _spawn(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, os.getpid(), *self._arguments), daemon=True)
        resource_tracker.ensure_running()  # it would start with the process, and let Ctrl-C through
        with spared():  # the process itself ignores Ctrl-C only once it has begun
            self._process.start()
        theirs.close()


def _work(connection: Connection, parent: int, recipe: str, runs: str, place: int) -> None:
    """The life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the driver passes it on
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    import torch

    from evendistill.experiments.engines.one import train_until

    stop = Stop()
    signal.signal(signal.SIGTERM, stop.ask)  # until here there was nothing to save
    if torch.cuda.is_available():
        torch.cuda.set_device(place % torch.cuda.device_count())
    with contextlib.suppress(EOFError, OSError):  # the driver has closed the connection: no more runs
        while not stop():
            if connection.poll(0.2):
                connection.send(train_until(recipe, connection.recv(), runs, stop))
    sys.stdout.flush()
    os._exit(0)  # the interpreter would take half a second to take itself apart, of the few that there are to stop


def _end_with(parent: int) -> None:
    """End this process when the one that started it is gone, however it went."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)
