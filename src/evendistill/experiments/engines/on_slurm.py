"""The Slurm engine: every run is a job, ready runs together are a job array; submitted and watched by submitit."""

import importlib
import time
from pathlib import Path
from typing import Any

from evendistill.experiments.engines.engine import Outcome, failed
from evendistill.experiments.engines.one import train_one

MOST_JOBS = 256
MOST_QUEUED = 100  # times that a job whose time is up is queued again
MINUTES = 240  # of a job; a longer run goes on in the next
PAUSE = 0.5  # seconds between two looks at the jobs
MODE = 0o700  # what submitit writes is pickle, and whoever could write there could run code


class SlurmEngine:
    """Runs as jobs of a Slurm cluster, or as processes of this machine with ``cluster`` "local".

    A job that Slurm preempts, or whose time is up, is queued again and goes on from its last checkpoint.

    Args:
        recipe: file that expands to the runs; all machines of the cluster must see it under this path.
        runs: folder of all runs, likewise.
        jobs: the most runs at once.
        options: ``cluster`` ("slurm" or "local"), ``folder`` of submitit's own files (beside the folder of runs if it
            is not said), and whatever else submitit's ``AutoExecutor.update_parameters`` takes.

    Raises:
        ValueError: if submitit is not installed, Slurm is not there, or an option is not known.
    """

    def __init__(self, recipe: Path, runs: Path, *, jobs: int | None, options: dict[str, Any]) -> None:
        self._submitit = _submitit()
        told = dict(options)
        runs = runs.resolve()
        folder = Path(told.pop("folder", runs.with_name(f"{runs.name}-jobs"))).resolve()
        if folder == runs or runs in folder.parents:
            raise ValueError(f"folder {folder} lies among the runs; submitit's files are pickle, and belong elsewhere")
        folder.mkdir(parents=True, exist_ok=True, mode=MODE)
        folder.chmod(MODE)
        self._most = jobs or MOST_JOBS
        self._executor = self._made(folder, told)
        self._task = TrainOne()
        self._arguments = (str(recipe.resolve()), str(runs))
        self._jobs: dict[str, Any] = {}
        self._new: list[str] = []

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
            jobs = self._executor.map_array(self._task, [recipe] * size, self._new, [runs] * size)
            self._jobs |= dict(zip(self._new, jobs, strict=True))
            self._new = []
        done = [name for name, job in self._jobs.items() if job.done()]
        if not done:
            time.sleep(max(seconds, PAUSE))
        return [self._outcome(name) for name in done]

    def stop(self) -> list[Outcome]:
        """Cancel what is in the queue; a run goes on from its last checkpoint when it is asked for again."""
        for job in self._jobs.values():
            job.cancel()
        return [Outcome(name, "cut off") for name in (*self._jobs, *self._new)]

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
            return job.result()
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


def _submitit() -> Any:  # noqa: ANN401 - submitit is loaded late
    try:
        return importlib.import_module("submitit")
    except ImportError:
        raise ValueError("the engine slurm needs submitit; pip install 'evendistill[slurm]'") from None
