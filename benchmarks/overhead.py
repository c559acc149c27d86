"""Seconds that a run costs beyond its training, on each engine, once its workers are warm.

``python -m benchmarks.overhead --out results/bench/overhead.json``

A sweep of many equal runs is trained by one worker; the slope of the times
at which runs ended is what a run costs, start-up left out. Training is the same run in this process, without a folder.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import evendistill as ed
from benchmarks import harness
from evendistill.experiments.engines.choice import How
from evendistill.experiments.sweep import Sweep

COLD = 4  # runs in which workers warm up
EPOCHS = 20
ENGINES: dict[str, dict[str, Any]] = {"local": {}, "ray": {"engine": "ray"}, "packed": {"pack": 1}}


def recipe(folder: Path, runs: int) -> Path:
    """Equal runs that differ in their seed."""
    told = {
        "name": "overhead",
        "data": {"source": "digits", "imbalance": 10},
        "training": {"epochs": EPOCHS, "batch_size": 64},
        "teachers": {"network": {"kind": "mlp", "hidden": [64]}, "objectives": ["robust"]},
        "seeds": runs,
    }
    path = folder / "overhead.yaml"
    path.write_text(json.dumps(told))
    return path


def training() -> float:
    """Seconds of the same training in this process, without a folder."""
    data = ed.load_data("digits", imbalance=10)
    objective, how = ed.Robust(), ed.Recipe(epochs=EPOCHS, batch_size=64)
    found = []
    for _ in range(6):
        start = time.perf_counter()
        ed.train(ed.models.mlp(64, 10, (64,)), data.train, data.validation, objective=objective, recipe=how)
        found.append(time.perf_counter() - start)
    return statistics.median(found[1:])


def a_run(folder: Path, runs: int, how: How) -> float:
    """Seconds a run, from one end to the next."""
    ends: list[float] = []
    note: Callable[[object], None] = lambda outcome: ends.append(time.perf_counter())  # noqa: E731
    outcomes = Sweep.read(recipe(folder, runs), folder / "runs").train(how, on_outcome=note)
    if failed := [outcome.error for outcome in outcomes if outcome.end != "finished"]:
        raise SystemExit(failed[0])
    warm = ends[COLD:]
    return (warm[-1] - warm[0]) / (len(warm) - 1)


def beyond(runs: int, options: dict[str, Any]) -> float:
    """Seconds of a run on an engine, in a folder of its own."""
    with tempfile.TemporaryDirectory() as place:
        return a_run(Path(place), runs, How(jobs=1, **options))


def main() -> None:
    told = harness.arguments(__doc__, data="digits")
    runs = COLD + 2 if told.smoke else 24
    contestants: dict[str, Callable[[], float]] = {"training": training}
    contestants |= {name: lambda options=options: beyond(runs, options) for name, options in ENGINES.items()}
    taken = harness.in_turns(contestants, told.rounds)
    pairs = {name: zip(taken[name], taken["training"], strict=True) for name in ENGINES}
    rest = {name: statistics.median(run - alone for run, alone in each) for name, each in pairs.items()}
    print(f"training alone {statistics.median(taken['training']):.3f} s; beyond it a run costs")
    for name, seconds in rest.items():
        print(f"  {name}: {seconds:.3f} s")
    harness.report(told, {"runs": runs, "seconds of a run": taken, "median beyond training": rest})


if __name__ == "__main__":
    main()
