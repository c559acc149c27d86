"""The Ray engine: every run is a task of a cluster, or of a Ray that is started here for as long as needed."""

import importlib
import os
from pathlib import Path
from typing import Any

from evendistill.experiments.engines.engine import Outcome, failed
from evendistill.experiments.engines.one import train_one
from evendistill.experiments.engines.stopping import WORKER_PATIENCE

OPTIONS = {"address": str, "cpus": (int, float), "gpus": (int, float), "memory_gb": (int, float), "retries": int}
MOST_TASKS = 10_000


class RayEngine:
    """Runs as Ray core tasks. Resources are always told, so that Ray never packs more runs than a machine bears.

    Args:
        recipe: file that expands to the runs; all machines of the cluster must see it under this path.
        runs: folder of all runs, likewise.
        jobs: the most runs at once; as many as the cluster has room for if None.
        options: ``address`` of a cluster (without one Ray is started here), ``cpus`` a run (1), ``gpus`` a run (1
            where there are some; a fraction shares one), ``memory_gb`` a run, and ``retries`` of a task whose machine
            is lost (3).

    Raises:
        ValueError: if Ray is not installed, or no machine has what a run asks for.
    """

    def __init__(self, recipe: Path, runs: Path, *, jobs: int | None, options: dict[str, Any]) -> None:
        self._ray = _ray()
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        _check(options)
        cpus, address = float(options.get("cpus", 1)), options.get("address")
        own = {} if address else {"num_cpus": max(1, round((jobs or os.cpu_count() or 1) * cpus))}
        quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": True}
        self._ray.init(address=address or "local", **own, **quiet, **({} if address else {"include_dashboard": False}))
        there = self._ray.cluster_resources()
        gpus = float(options.get("gpus", min(1, there.get("GPU", 0))))
        asked = {"num_cpus": cpus, "num_gpus": gpus, "max_retries": options.get("retries", 3)}
        asked |= {"memory": options["memory_gb"] * 2**30} if "memory_gb" in options else {}
        self._task = self._ray.remote(**asked)(train_one)
        self._most = min(_places(there, cpus, gpus), jobs or MOST_TASKS)
        self._arguments = (str(recipe.resolve()), str(runs.resolve()))
        self._runs: dict[Any, str] = {}

    @property
    def room(self) -> int:
        """How many more tasks the cluster has places for."""
        return self._most - self.running

    @property
    def running(self) -> int:
        """Tasks that have not ended."""
        return len(self._runs)

    def start(self, name: str) -> None:
        """Submit a task."""
        recipe, runs = self._arguments
        self._runs[self._task.remote(recipe, name, runs)] = name

    def ended(self, seconds: float) -> list[Outcome]:
        """The tasks that have ended."""
        done, _ = self._ray.wait(list(self._runs), num_returns=max(1, self.running), timeout=seconds)
        return [self._outcome(each) for each in done]

    def stop(self) -> list[Outcome]:
        """Interrupt every task, which saves its run, and leave the cluster."""
        for each in self._runs:
            self._ray.cancel(each, force=False)
        left, outcomes = list(self._runs), []
        if left:
            done, late = self._ray.wait(left, num_returns=len(left), timeout=WORKER_PATIENCE)
            outcomes = [self._outcome(each) for each in done] + [Outcome(self._runs[each], "cut off") for each in late]
        self._ray.shutdown()
        return outcomes

    def _outcome(self, reference: Any) -> Outcome:  # noqa: ANN401 - Ray is loaded late
        name = self._runs.pop(reference)
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.TaskCancelledError:
            return Outcome(name, "cut off")
        except self._ray.exceptions.RayError as error:  # worker, machine or memory lost
            return Outcome(name, "died", f"with {type(error).__name__}")
        except Exception as error:  # noqa: BLE001 - one run's failure is its own; the rest goes on
            return failed(name, error)


def _ray() -> Any:  # noqa: ANN401 - Ray is loaded late
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise ValueError("the engine ray needs Ray; pip install 'evendistill[ray]'") from None


def _check(options: dict[str, Any]) -> None:
    for name, value in options.items():
        kinds = OPTIONS.get(name)
        if kinds is None:
            raise ValueError(f"the engine ray has no option {name}; it has {', '.join(OPTIONS)}")
        if not isinstance(value, kinds) or isinstance(value, bool) or (not isinstance(value, str) and value < 0):
            raise ValueError(f"the option {name} of the engine ray must be a positive {_word(kinds)}, got {value!r}")


def _word(kinds: object) -> str:
    return "address" if kinds is str else "number"


def _places(resources: dict[str, float], cpus: float, gpus: float) -> int:
    places = [resources.get(kind, 0.0) / each for kind, each in (("CPU", cpus), ("GPU", gpus)) if each > 0]
    if places and min(places) < 1:
        raise ValueError(
            f"a run asks for {cpus:g} CPUs and {gpus:g} GPUs, the cluster has "
            f"{resources.get('CPU', 0):g} and {resources.get('GPU', 0):g}"
        )
    return int(min(places, default=1))
