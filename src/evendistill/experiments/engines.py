"""Engines: where runs are trained. All state is in run folders; an engine is told a recipe and the names of runs."""

import contextlib
import math
import multiprocessing
import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from evendistill.experiments.spec import RunSpec

MOST_TRIES = 3
TEACHER_FAILED = "its teacher failed"


@dataclass(frozen=True)
class Outcome:
    """How one run ended.

    Attributes:
        hash: of the run.
        error: None if it is finished, else one line.
        is_input: whether the error lies in what was asked for, not in the machine.
        is_cut_off: whether time was up; the run goes on from there when it is asked for again.
    """

    hash: str
    error: str | None = None
    is_input: bool = False
    is_cut_off: bool = False


def train_locally(
    recipe: Path, runs: Path, needed: Mapping[str, RunSpec], *, jobs: int, deadline: float = math.inf
) -> Iterator[Outcome]:
    """Train runs in ``jobs`` long-lived processes of this machine, teachers before their students.

    A process that dies is replaced and its run tried again from its last checkpoint, three times at most. A run whose
    teacher failed is not tried.

    Args:
        recipe: file that expands to the runs.
        runs: folder of all runs.
        needed: the runs to train, by hash; a teacher not among them must be finished.
        jobs: number of processes.
        deadline: seconds since the epoch at which to save and stop.

    Yields:
        One outcome a run, as they end.
    """
    waiting = dict(needed)
    tries: dict[str, int] = dict.fromkeys(needed, 0)
    ended: dict[str, bool] = {}
    workers = [_Worker(recipe, runs, deadline) for _ in range(min(jobs, len(needed)))]
    try:
        while waiting or any(worker.busy for worker in workers):
            if time.time() >= deadline:
                waiting.clear()
            for orphan in without_teacher(waiting, ended):
                yield Outcome(orphan, TEACHER_FAILED, is_input=True)
            idle = [worker for worker in workers if not worker.busy]
            for worker, name in zip(idle, ready(waiting, needed, ended) if idle else (), strict=False):
                tries[name] += 1
                worker.start(name)
                del waiting[name]
            for worker in _reporting(workers):
                outcome, name = worker.report()
                if outcome is None and tries[name] < MOST_TRIES:
                    waiting = {name: needed[name]} | waiting
                    continue
                outcome = outcome or Outcome(name, f"its process died {MOST_TRIES} times")
                ended[name] = outcome.error is None and not outcome.is_cut_off
                yield outcome
    finally:
        for worker in workers:
            worker.stop()


def ready(waiting: Mapping[str, RunSpec], needed: Mapping[str, RunSpec], ended: Mapping[str, bool]) -> list[str]:
    """The waiting runs whose teachers, if they have any, are trained."""
    return [
        name
        for name, spec in waiting.items()
        if all(each.hash not in needed or ended.get(each.hash, False) for each in spec.inputs)
    ]


def without_teacher(waiting: dict[str, RunSpec], ended: dict[str, bool]) -> list[str]:
    """Students whose teacher has failed; they are taken off the list."""
    orphans = []
    for name, spec in list(waiting.items()):  # in the order of the runs, so that a student's student is one too
        if any(ended.get(each.hash) is False for each in spec.inputs):
            del waiting[name]
            ended[name] = False
            orphans.append(name)
    return orphans


class _Worker:
    """A process that trains run after run: importing torch costs more than training a small one."""

    def __init__(self, recipe: Path, runs: Path, deadline: float) -> None:
        self._arguments = (str(recipe), str(runs), deadline)
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

    def report(self) -> tuple[Outcome | None, str]:
        """What the process says of its run; None if it died, and then there is a new process."""
        run, self._run = self._run or "", None
        try:
            return self._connection.recv(), run
        except (EOFError, OSError):
            self.stop()
            self._spawn()
            return None, run

    def stop(self) -> None:
        self._connection.close()
        self._process.join(timeout=0 if self.busy else 1)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()

    def _spawn(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, os.getpid(), *self._arguments), daemon=True)
        self._process.start()
        theirs.close()


def _reporting(workers: list[_Worker]) -> list[_Worker]:
    busy = {worker.connection: worker for worker in workers if worker.busy}
    if not busy:  # all that was left had lost its teacher; waiting for nobody would never end
        return []
    return [busy[connection] for connection in wait(list(busy)) if isinstance(connection, Connection)]


def failed(name: str, error: Exception) -> Outcome:
    """The outcome of a run that raised; what is not the fault of its input is shown whole."""
    is_input = isinstance(error, ValueError | FloatingPointError)
    if not is_input:
        traceback.print_exception(error)
    return Outcome(name, str(error) or type(error).__name__, is_input=is_input)


def _work(connection: Connection, parent: int, recipe: str, runs: str, deadline: float) -> None:
    """The life of a worker process."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    from evendistill.experiments.grid import every_run
    from evendistill.experiments.recipe import read_recipe
    from evendistill.experiments.run import train_run
    from evendistill.training.turns import drained_until

    warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)  # noqa: T201
    specs = every_run(read_recipe(Path(recipe)))
    try:
        while True:
            name = connection.recv()
            try:
                folder = drained_until(train_run(specs[name], Path(runs)), deadline)
                connection.send(Outcome(name, is_cut_off=folder is None))
            except Exception as error:  # noqa: BLE001 - one run's failure is its own; the rest goes on
                connection.send(failed(name, error))
    except (EOFError, KeyboardInterrupt):
        return


def _end_with(parent: int) -> None:
    """End this process when the one that started it is gone, however it went."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)
