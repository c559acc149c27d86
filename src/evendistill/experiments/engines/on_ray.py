"""The Ray engine: every run is a task of a cluster, or of a Ray that is started here for as long as needed."""

import importlib
import math
import os
import signal
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from evendistill.experiments.engines.engine import Outcome, failed
from evendistill.experiments.engines.one import train_one
from evendistill.experiments.engines.stopping import WORKER_PATIENCE, StoppedError, signals_kept
from evendistill.experiments.processes import cores

OPTIONS: dict[str, Any] = {
    "address": str,
    "cpus": (int, float),
    "gpus": (int, float),
    "memory_gb": (int, float),
    "retries": int,
}
MOST_TASKS = 10_000
ANSWER = 10.0  # seconds for the head of a cluster to answer


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
        cpus = float(options.get("cpus", 1))
        _begin(self._ray, options.get("address"), _cpus_of_own(jobs, cpus))
        machines = [each["Resources"] for each in self._ray.nodes() if each["Alive"]]
        gpus = float(options.get("gpus", min(1, max((each.get("GPU", 0) for each in machines), default=0))))
        asked = {"CPU": cpus, "GPU": gpus, "memory": options.get("memory_gb", 0) * 2**30}
        try:
            self._most = min(_places(machines, asked), jobs or MOST_TASKS)
        except ValueError:
            self._ray.shutdown()
            raise
        told = {"num_cpus": cpus, "num_gpus": gpus, "memory": asked["memory"] or None}
        self._task = self._ray.remote(max_retries=options.get("retries", 3), **told)(train_there)
        self._arguments = (os.getcwd(), str(recipe.resolve()), str(runs.resolve()))
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
        here, recipe, runs = self._arguments
        self._runs[self._task.remote(here, recipe, name, runs)] = name

    def ended(self, seconds: float) -> list[Outcome]:
        """The tasks that have ended."""
        if not self._runs:
            time.sleep(seconds)
            return []
        done, _ = self._ray.wait(list(self._runs), num_returns=1, timeout=seconds)
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
        except self._ray.exceptions.RayTaskError as error:  # it could not even begin: the package is not there, say
            return failed(name, error.cause)
        except self._ray.exceptions.RayError as error:  # worker, machine or memory lost
            return Outcome(name, "died", f"with {type(error).__name__}")


def train_there(here: str, recipe: str, name: str, runs: str) -> Outcome:
    """Train one run on a machine of the cluster, where a path in the recipe means what it means here."""
    if os.path.isdir(here):
        os.chdir(here)
    importlib.import_module("evendistill.experiments.run")  # a cancellation ends this; from here on it is only noted
    return train_one(recipe, name, runs)


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
        is_kind = isinstance(value, kinds) and not isinstance(value, bool)
        if not is_kind or (not isinstance(value, str) and not 0 <= value < math.inf):
            word = {str: "an address", int: "a whole number from 0 on"}.get(kinds, "a number from 0 on")
            raise ValueError(f"the option {name} of the engine ray must be {word}, got {value!r}")


def _cpus_of_own(jobs: int | None, cpus: float) -> int:
    """CPUs of a Ray that is started here: no more than there are, but for runs that share one because that is told."""
    return cores() if jobs is None else min(max(cores(), jobs), max(1, math.ceil(jobs * cpus)))


def _check_reachable(address: str) -> None:
    """Raise ``ValueError`` unless something listens there; Ray itself tries for a quarter of an hour."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdigit():  # "auto", a name of its own
        return
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER).close()
    except (OSError, OverflowError) as error:
        raise ValueError(f"Ray: nothing answers at {address} ({error}); is the cluster up?") from None


def _begin(ray: Any, address: str | None, cpus: int) -> None:  # noqa: ANN401 - Ray is loaded late
    if address is not None:
        _check_reachable(address)
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": True}
    own = {} if address else {"num_cpus": cpus, "include_dashboard": False}
    try:
        with signals_kept():  # Ray would end this process on SIGTERM, with what it is at unsaved
            ray.init(address=address or "local", **own, **quiet)
    except SystemExit:  # Ray's answer to SIGTERM while it begins
        raise StoppedError(signal.SIGTERM) from None
    except (OSError, RuntimeError) as error:
        raise ValueError(f"Ray: {' '.join(str(error).split())}") from None
    except Exception as error:  # Ray has no other kind for a start that takes too long
        raise OSError(f"Ray did not begin: {' '.join(str(error).split())}") from error


def _places(machines: Iterable[Mapping[str, float]], asked: Mapping[str, float]) -> int:
    """How many runs there is room for at once; each must fit on one machine."""
    asked = {kind: each for kind, each in asked.items() if each > 0}
    places = sum(int(min((has.get(kind, 0.0) / each for kind, each in asked.items()), default=1)) for has in machines)
    if places < 1:
        told = ", ".join(f"{kind} {each:.12g}" for kind, each in asked.items())
        raise ValueError(f"a run asks for {told}; no machine of the cluster has as much")
    return places
