"""Seconds that ``status`` and ``report`` take over ten thousand finished runs, made up here rather than trained.

``python -m benchmarks.many_runs --out results/bench/many_runs.json``

Two recipes, kept beside the runs as `run` does: one asks for all ten thousand, a small one
for some among them. The floor is reading every file that has to be read, in one process.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import harness
from evendistill.experiments.derive import kept
from evendistill.experiments.recipe import read_recipe
from evendistill.experiments.spec import RunSpec
from evendistill.experiments.sweep import Sweep
from evendistill.storage.files import digest, json_bytes

CLASSES = 10
SEEDS = 11
TENTHS = [round(0.1 * tenth, 1) for tenth in range(10)]


def recipe(seeds: int, name: str) -> str:
    """Teachers and students of ten trade-offs at five temperatures: 960 runs a seed."""
    return json.dumps(
        {
            "name": name,
            "data": {"source": "digits", "imbalance": 20},
            "training": {"epochs": 2},
            "teachers": {"network": {"kind": "mlp", "hidden": [8]}, "objectives": {"alphas": TENTHS}},
            "students": {
                "network": {"kind": "mlp", "hidden": [4]},
                "objectives": {"alphas": TENTHS},
                "temperatures": [1, 2, 3, 5, 7],
            },
            "seeds": seeds,
        }
    )


def finish(spec: RunSpec, runs: Path, chance: random.Random) -> None:
    """A run folder as a run leaves it, with made-up findings."""
    folder = runs / spec.folder_name
    folder.mkdir()
    files = {name: json_bytes(_found(chance)) for name in ("validation.json", "test.json")}
    files |= {"model.safetensors": chance.randbytes(3000), "data.json": json_bytes({"fingerprint": "made-up"})}
    for name, payload in files.items():
        (folder / name).write_bytes(payload)
    (folder / "DONE").write_bytes(json_bytes({name: digest(payload) for name, payload in files.items()}))
    (folder / "spec.json").write_bytes(json_bytes(spec.canonical()))
    (folder / "env.json").write_bytes(json_bytes({"host": "made-up", "pid": 1}))
    (folder / "metrics.jsonl").write_text('{"epoch": 1}\n{"epoch": 2}\n')
    (folder / "log.jsonl").write_text('{"event": "began"}\n{"event": "finished"}\n')
    (folder / ".lock").touch()


def _found(chance: random.Random) -> dict[str, object]:
    total = [45] * CLASSES
    correct = [chance.randint(20, 45) for _ in total]
    recalls = [right / of for right, of in zip(correct, total, strict=True)]
    told = {"recalls": recalls, "average_accuracy": sum(correct) / sum(total), "correct": correct, "total": total}
    return told | {"class_names": [str(label) for label in range(CLASSES)], "margins": recalls}


def seconds(*arguments: str | Path) -> float:
    """Wall seconds of a command, from start to end."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "evendistill", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def floor(runs: Path) -> float:
    """Seconds to read every validation, test and DONE file once."""
    start = time.perf_counter()
    for folder in runs.glob("*-*"):
        for name in ("validation.json", "test.json", "DONE"):
            (folder / name).read_bytes()
    return time.perf_counter() - start


def main() -> None:
    told = harness.arguments(__doc__, data="digits")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        runs, chance = folder / "runs", random.Random(0)
        for name, seeds in (("all", 1 if told.smoke else SEEDS), ("few", 1)):
            (folder / f"{name}.yaml").write_text(recipe(seeds, name))
        needed = Sweep.read(folder / "all.yaml", runs).needed
        runs.mkdir()
        for spec in needed.values():
            finish(spec, runs, chance)
        for name in ("all", "few"):  # as `run` leaves them: status counts by them
            kept(folder / f"{name}.yaml", read_recipe(folder / f"{name}.yaml"), runs)
        contestants = {
            "start of the command line": lambda: seconds("evaluate", "--help"),
            "floor of reading": lambda: floor(runs),
            "status": lambda: seconds("status", runs),
            "status --json": lambda: seconds("status", runs, "--json"),
            "report of all": lambda: seconds("report", folder / "all.yaml", "--out", runs),
            "report of a few among them": lambda: seconds("report", folder / "few.yaml", "--out", runs),
        }
        taken = harness.in_turns(contestants, told.rounds)
    print(f"{len(needed)} finished run folders, seconds:")
    for name, median in harness.medians(taken).items():
        print(f"  {name}: {median:.2f}")
    harness.report(told, {"folders": len(needed), "seconds": taken, "median seconds": harness.medians(taken)})


if __name__ == "__main__":
    main()
