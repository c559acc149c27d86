"""The Slurm engine: every run is a job, ready runs together are a job array; submitted and watched by submitit."""

import importlib
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from evendistill.experiments.engines.engine import Outcome, failed
from evendistill.experiments.engines.one import train_one
from evendistill.experiments.engines.stopping import WORKER_PATIENCE, spared
from evendistill.experiments.processes import cores

MOST_JOBS = 256
MOST_QUEUED = 100  # times that a job whose time is up is queued again
MINUTES = 240  # of a job; a longer run goes on in the next
PAUSE = 0.5  # seconds between two looks at the jobs
MODE, OTHERS_WRITE = 0o700, 0o022  # what submitit writes is pickle: whoever could write there could run code


class SlurmEngine:
    """Runs as jobs of a Slurm cluster, or as processes of this machine with ``cluster`` "local".

    A job that Slurm preempts, or whose time is up, is queued again and goes on from its last checkpoint.

    Args:
        recipe: file that expands to the runs; all machines of the cluster must see it under this path.
        runs: folder of all runs, likewise.
        jobs: the most runs at once; 256 if None, with ``cluster`` "local" one a core.
        options: ``cluster`` ("slurm" or "local"), ``folder`` of submitit's own files (beside the folder of runs if it
            is not said), and whatever else submitit's ``AutoExecutor.update_parameters`` takes.

    Raises:
        ValueError: if submitit is not installed, Slurm is not there, or an option is not known.
    """

    def __init__(self, recipe: Path, runs: Path, *, jobs: int | None, options: dict[str, Any]) -> None:
        self._submitit = _submitit()
        _leave_standard_output()
        told = dict(options)
        runs = runs.resolve()
        folder = Path(told.pop("folder", runs.with_name(f"{runs.name}-jobs"))).resolve()
        if folder == runs or runs in folder.parents:
            raise ValueError(f"folder {folder} lies among the runs; submitit's files are pickle, and belong elsewhere")
        _make_own(folder)
        self._is_here = told.get("cluster") == "local"
        self._most = jobs or (cores() if self._is_here else MOST_JOBS)
        self._executor = self._made(folder, told)
        self._task = TrainOne()
        self._arguments = (str(recipe.resolve()), str(runs))
        self._jobs: dict[str, Any] = {}
        self._new: list[str] = []
        self._preempted: list[str] = []

    @property
    def room(self) -> int:
        """How many more jobs may be in the queue."""
        return self._most - self.running

    @property
    def running(self) -> int:
        """Jobs that have not ended, and those about to be submitted."""
        return len(self._jobs) + len(self._new)

    def start(self, name: str) -> None:
        """Put a run into the next array of jobs."""
        self._new.append(name)

    def ended(self, seconds: float) -> list[Outcome]:
        """Submit the next array, and name the jobs that have ended."""
        if self._new:
            recipe, runs = self._arguments
            size = len(self._new)
            try:
                with spared():
                    jobs = self._executor.map_array(self._task, [recipe] * size, self._new, [runs] * size)
            except RuntimeError as error:
                raise ValueError(f"submitit: {' '.join(str(error).split())}") from error
            self._jobs |= dict(zip(self._new, jobs, strict=True))
            self._new = []
        done = [name for name, job in self._jobs.items() if job.done()]
        if not done:
            time.sleep(max(seconds, PAUSE) if seconds else 0.0)
        return [self._outcome(name) for name in done]

    def stop(self) -> list[Outcome]:
        """Cancel what is in the queue; a run goes on from its last checkpoint when it is asked for again."""
        if self._is_here:
            self._end_here()
        elif jobs := [*self._preempted, *(job.job_id for job in self._jobs.values())]:
            subprocess.run(["scancel", "--quiet", *jobs], check=False)
        return [Outcome(name, "cut off") for name in (*self._jobs, *self._new)]

    def _end_here(self) -> None:
        """Have the runs of this machine save themselves; submitit would end them a second after it asked."""
        until = time.monotonic() + WORKER_PATIENCE
        while (left := [job for job in self._jobs.values() if not job.done()]) and time.monotonic() < until:
            for job in left:  # again and again: one that has only begun does not listen yet
                os.kill(int(job.job_id), signal.SIGTERM)
            time.sleep(0.1)

    def _made(self, folder: Path, told: dict[str, Any]) -> Any:  # noqa: ANN401 - submitit is loaded late
        cluster = told.pop("cluster", "slurm")
        if cluster not in ("slurm", "local"):
            raise ValueError(f"cluster must be slurm or local, got {cluster}")
        try:
            executor = self._submitit.AutoExecutor(folder=folder, cluster=cluster, slurm_max_num_timeout=MOST_QUEUED)
            limits = {"slurm_array_parallelism": self._most, "timeout_min": MINUTES, "name": "evendistill"}
            executor.update_parameters(**limits | told)
        except (RuntimeError, NameError, TypeError, AssertionError) as error:
            raise ValueError(f"submitit: {' '.join(str(error).split())}") from None
        return executor

    def _outcome(self, name: str) -> Outcome:
        job = self._jobs.pop(name)
        try:
            outcome = job.result()
            if outcome.end == "cut off":  # not by us: Slurm may queue it again, beside the job that follows it here
                self._preempted.append(job.job_id)
            return outcome
        except Exception as error:  # noqa: BLE001 - one run's failure is its own; the rest goes on
            kind = type(error).__name__
            return Outcome(name, "died", f"with {kind} in job {job.job_id}") if "Job" in kind else failed(name, error)


class TrainOne:
    """One run as a job, which submitit queues again with the same arguments when it is preempted."""

    def __call__(self, recipe: str, name: str, runs: str) -> Outcome:
        """Train it."""
        return train_one(recipe, name, runs)

    def checkpoint(self, *arguments: str) -> Any:  # noqa: ANN401 - submitit is loaded late
        """What to queue: all that has been trained lies in the folder of the run."""
        return _submitit().helpers.DelayedSubmission(self, *arguments)


def _leave_standard_output() -> None:
    """What submitit logs goes to standard error, and also to standard output, where results are."""
    logger = logging.getLogger("submitit")
    for handler in list(logger.handlers):
        if isinstance(handler, logging.StreamHandler) and handler.stream in (sys.stdout, sys.__stdout__):
            logger.removeHandler(handler)


def _make_own(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=MODE)
    if folder.stat().st_mode & OTHERS_WRITE:
        raise ValueError(f"others can write to {folder}; submitit's files are pickle, and need a folder of your own")


def _submitit() -> Any:  # noqa: ANN401 - submitit is loaded late
    try:
        return importlib.import_module("submitit")
    except ImportError:
        raise ValueError("the engine slurm needs submitit; pip install 'evendistill[slurm]'") from None
