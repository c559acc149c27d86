"""Seconds that a run costs beyond its training, on each engine, once its workers are warm.

Run with ``python -m benchmarks.overhead``. A sweep of many equal runs is trained by one worker; the slope of the times
at which runs ended is what a run costs, start-up left out. Training is the same run in this process, without a folder.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import evendistill as ed
from evendistill.experiments.engines.choice import How
from evendistill.experiments.sweep import Sweep

RUNS = 24
COLD = 4  # runs in which workers warm up
EPOCHS = 20
ENGINES: dict[str, dict[str, Any]] = {"local": {}, "ray": {"engine": "ray"}, "packed": {"pack": 1}}


def recipe(folder: Path) -> Path:
    """Equal runs that differ in their seed."""
    told = {
        "name": "overhead",
        "data": {"source": "digits", "imbalance": 10},
        "training": {"epochs": EPOCHS, "batch_size": 64},
        "teachers": {"network": {"kind": "mlp", "hidden": [64]}, "objectives": ["robust"]},
        "seeds": RUNS,
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


def a_run(folder: Path, how: How) -> float:
    """Seconds a run, from one end to the next."""
    ends: list[float] = []
    note: Callable[[object], None] = lambda outcome: ends.append(time.perf_counter())  # noqa: E731
    outcomes = Sweep.read(recipe(folder), folder / "runs").train(how, on_outcome=note)
    if failed := [outcome.error for outcome in outcomes if outcome.end != "finished"]:
        raise SystemExit(failed[0])
    warm = ends[COLD:]
    return (warm[-1] - warm[0]) / (len(warm) - 1)


def main() -> None:
    """Print JSON."""
    print("alone in its process, without a folder, first:", file=sys.stderr)
    alone = training()
    told: dict[str, object] = {"runs": RUNS, "training alone": round(alone, 3)}
    for name, options in ENGINES.items():
        with tempfile.TemporaryDirectory() as place:
            each = a_run(Path(place), How(jobs=1, **options))
        told[name] = {"a run": round(each, 3), "beyond training": round(each - alone, 3)}
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
