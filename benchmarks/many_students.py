"""Twelve students of three ready teachers: one command with two jobs beside twelve commands in a row.

``python -m benchmarks.many_students --out results/bench/many_students.json``

Every run has one thread either way, and every command is counted whole, from starting Python to the report it writes.
"short" trains as long as the demo, so that starting up weighs most; in "long" the training does, and what is gained
there comes from the second core. A command that finds its run finished already shows what starting up and reporting
cost alone. The teachers are trained before, and copied into each folder.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
import yaml

from benchmarks import harness

DIGITS = {
    "data": {"source": "digits", "imbalance": 30},
    "training": {"batch_size": 64, "update_every": 8},
    "teacher": {"kind": "mlp", "hidden": [128, 128]},
    "student": {"kind": "mlp", "hidden": [32]},
}
CONVNET = {"kind": "convnet", "width": 8}
SHORT, LONG = "short", "long"
IMPORTS = {"python": "pass", "torch": "import torch", "evendistill": "import evendistill.experiments.run"}


@dataclass(frozen=True)
class Setting:
    """How many students, and how long each is trained."""

    objectives: tuple[str, ...]
    temperatures: tuple[float, ...]
    epochs: dict[str, int]
    rounds: dict[str, float]  # shares of the rounds that were asked for


FULL = Setting(
    objectives=("standard", "balanced", "robust"),
    temperatures=(1.0, 2.0, 3.0, 4.0),
    epochs={SHORT: 150, LONG: 2400},
    rounds={SHORT: 1.0, LONG: 0.6},
)
SMOKE = Setting(objectives=("standard",), temperatures=(1.0, 3.0), epochs={SHORT: 1}, rounds={SHORT: 1})


def whole_recipe(source: str, setting: Setting, epochs: int) -> dict[str, Any]:
    """A student for each teacher and temperature: small networks, of digits or of images."""
    images = {"data": {"source": source}, "training": {}, "teacher": CONVNET, "student": CONVNET}
    told: dict[str, Any] = DIGITS if source == "digits" else images
    return {
        "name": "all",
        "data": told["data"],
        "training": told["training"] | {"epochs": epochs},
        "teachers": {"network": told["teacher"], "objectives": list(setting.objectives)},
        "students": {
            "network": told["student"],
            "objectives": ["standard"],
            "temperatures": list(setting.temperatures),
        },
        "seeds": [0],
    }


def teachers_alone(recipe: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in recipe.items() if name != "students"}


def one_by_one(recipe: dict[str, Any]) -> list[dict[str, Any]]:
    """The same students, each in a recipe of its own."""
    single = []
    for objective in recipe["teachers"]["objectives"]:
        for temperature in recipe["students"]["temperatures"]:
            teachers = recipe["teachers"] | {"objectives": [objective]}
            students = recipe["students"] | {"temperatures": [temperature]}
            single.append(recipe | {"name": f"single-{len(single)}", "teachers": teachers, "students": students})
    return single


def seconds_of(command: list[str]) -> float:
    start = perf_counter()
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    return perf_counter() - start


class Bench:
    """Recipes on disk, ready teachers, and the commands that train students from them."""

    def __init__(self, folder: Path, recipe: dict[str, Any]) -> None:
        self._folder = folder
        self._whole = self._written(recipe)
        self._single = [self._written(one) for one in one_by_one(recipe)]
        self._ready = folder / "ready"
        self._run(self._written(teachers_alone(recipe) | {"name": "teachers"}), self._ready, jobs=2)

    @property
    def students(self) -> int:
        """How many."""
        return len(self._single)

    def together(self) -> float:
        """Seconds of one command for all."""
        return self._run(self._whole, self._fresh("together"), jobs=2)

    def apart(self) -> float:
        """Seconds of one command after the other."""
        out = self._fresh("apart")
        return sum(self._run(single, out, jobs=1) for single in self._single)

    def nothing_left(self) -> float:
        """Seconds of one command that finds its run finished: after :meth:`apart`."""
        return self._run(self._single[0], self._folder / "apart", jobs=1)

    def trained(self, name: str) -> set[str]:
        """The run folders that were finished in ``"together"`` or ``"apart"``."""
        return {path.parent.name for path in (self._folder / name).glob("*/test.json")}

    def _written(self, recipe: dict[str, Any]) -> Path:
        path = self._folder / f"{recipe['name']}.yaml"
        path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
        return path

    def _fresh(self, name: str) -> Path:
        out = self._folder / name
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(self._ready, out)
        return out

    @staticmethod
    def _run(recipe: Path, out: Path, *, jobs: int) -> float:
        return seconds_of(["-m", "evendistill", "run", str(recipe), "--out", str(out), "--jobs", str(jobs)])


def measure(source: str, setting: Setting, variant: str, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), whole_recipe(source, setting, setting.epochs[variant]))
        contestants: dict[str, Callable[[], float]] = {
            "one command": bench.together,
            "one after the other": bench.apart,
            "nothing left to train": bench.nothing_left,
        }
        seconds = harness.in_turns(contestants, max(1, round(rounds * setting.rounds[variant])))
        if bench.trained("together") != bench.trained("apart"):
            raise RuntimeError("the two ways trained different runs")
        over = harness.ratios(seconds, "one after the other")["one command"]
        return {
            "variant": variant,
            "students": bench.students,
            "epochs": setting.epochs[variant],
            "seconds": seconds,
            "median seconds": harness.medians(seconds),
            "one command over one after the other": over,
            "median ratio": statistics.median(over),
        }


def main() -> None:
    told = harness.arguments(__doc__, data="digits")
    setting = SMOKE if told.smoke else FULL
    torch.set_num_threads(1)  # as every run does; it is what the JSON says of the machine
    starting = harness.in_turns(
        {name: lambda code=code: seconds_of(["-c", code]) for name, code in IMPORTS.items()}, told.rounds
    )
    print("seconds to import, each with what is before:", end="")
    print(*(f" {name} {seconds:.2f}" for name, seconds in harness.medians(starting).items()), sep=",")
    found = []
    for variant in setting.epochs:
        row = measure(told.data, setting, variant, told.rounds)
        found.append(row)
        median = row["median seconds"]
        print(
            f"{variant}: {row['students']} students in {median['one command']:.1f} s by one command, "
            f"{median['one after the other']:.1f} s one after the other: ratio {row['median ratio']:.2f}; "
            f"a command with nothing to train {median['nothing left to train']:.1f} s",
            flush=True,
        )
    harness.report(told, {"data": told.data, "seconds to import": starting, "variants": found})


if __name__ == "__main__":
    main()
