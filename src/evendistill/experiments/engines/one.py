"""One run of a recipe, trained in this process: what every engine does in the end."""

import os
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from evendistill.data.wording import one_line, shown
from evendistill.experiments.engines.engine import Outcome, failed
from evendistill.experiments.engines.stopping import stoppable
from evendistill.experiments.spec import RunSpec


def train_one(recipe: str, name: str, runs: str) -> Outcome:
    """Train one run of a recipe in its folder, resuming it if it was cut off.

    SIGTERM and SIGINT end it after the step that it is at, with a checkpoint.

    Args:
        recipe: path of the file.
        name: hash of the run.
        runs: folder of all runs.
    """
    with stoppable() as is_stopped:
        return train_until(recipe, name, runs, is_stopped)


def train_until(recipe: str, name: str, runs: str, is_over: Callable[[], bool]) -> Outcome:
    """The same until something is over, which is asked after each step."""
    from evendistill.experiments.run import train_run
    from evendistill.training.turns import drained_until

    warnings.showwarning = lambda message, *_: print(f"warning: {shown(one_line(message))}", file=sys.stderr)  # noqa: T201
    try:
        specs = _runs_of(recipe, os.stat(recipe).st_mtime_ns)
        if name not in specs:
            raise ValueError(f"{recipe} has no run {name}; it was changed while its runs were trained")
        folder = drained_until(train_run(specs[name], Path(runs), beside=specs.values()), is_over)
    except Exception as error:  # noqa: BLE001 - one run's failure is its own; the rest goes on
        return failed(name, error)
    return Outcome(name, "finished" if folder is not None else "cut off")


@lru_cache(maxsize=4)
def _runs_of(recipe: str, changed: int) -> Mapping[str, RunSpec]:
    from evendistill.experiments.grid import every_run
    from evendistill.experiments.recipe import read_recipe

    return every_run(read_recipe(Path(recipe)))
