"""Wall time of two sweeps at once over the same sixty runs, one worker each, as a share of one sweep's alone.

``python -m benchmarks.two_drivers --out results/bench/two_drivers.json``

The recipe is the demo's with four seeds. Both commands are the plain
``run``; leases decide who trains what. The floor is what two sweeps of half the seeds take at once that know nothing of
one another: more than one half, for both start and report, and two trainings at once slow each other on one machine.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from benchmarks import harness

DEMO = yaml.safe_load(resources.files("evendistill.experiments").joinpath("recipes/demo.yaml").read_text())
RECIPE: dict[str, Any] = DEMO | {"name": "sixty", "seeds": 4}
SMALL = RECIPE | {"training": {"epochs": 1}, "seeds": 1}


def start(folder: Path, runs: str) -> "subprocess.Popen[bytes]":
    """One driver with one worker."""
    command = [sys.executable, "-m", "evendistill", "run", "sixty.yaml", "--out", runs, "--jobs", "1"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def seconds(recipe: dict[str, Any], *runs: str) -> float:
    """From the start of one driver a folder of runs to the end of the last; every run must have been trained once."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "sixty.yaml").write_text(json.dumps(recipe))
        begun = time.perf_counter()
        running = [start(folder, each) for each in runs]
        if any(each.wait() for each in running):
            raise SystemExit("a sweep failed")
        taken = time.perf_counter() - begun
        logs = [path.read_text().splitlines() for path in folder.glob("runs*/*/log.jsonl")]
        events = Counter(json.loads(line)["event"] for lines in logs for line in lines)
        if events != {"began": len(logs), "finished": len(logs)}:
            raise SystemExit(f"not each run was trained once: {events}")
        return taken


def measure(recipe: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Seconds of one, of two at once, and of two halves at once that share nothing; in turns."""
    half = recipe | {"seeds": max(1, recipe["seeds"] // 2)}
    ways = {
        "one": lambda: seconds(recipe, "runs"),
        "two at once": lambda: seconds(recipe, "runs", "runs"),
        "two halves apart": lambda: seconds(half, "runs-1", "runs-2"),
    }
    taken = harness.in_turns(ways, rounds)
    over, floor = harness.ratios(taken, "one"), harness.ratios(taken, "two halves apart")
    return {
        "seconds": taken,
        "share of one": over["two at once"],
        "median share": statistics.median(over["two at once"]),
        "median floor": statistics.median(over["two halves apart"]),
        "median over floor": statistics.median(floor["two at once"]),
    }


def main() -> None:
    told = harness.arguments(__doc__, data="digits")
    found = measure(SMALL if told.smoke else RECIPE, told.rounds)
    median = {way: f"{value:.1f}" for way, value in harness.medians(found["seconds"]).items()}
    print(f"one {median['one']} s, two at once {median['two at once']} s, share {found['median share']:.3f},", end=" ")
    print(f"floor {found['median floor']:.3f}")
    harness.report(told, {"recipe": RECIPE, **found})


if __name__ == "__main__":
    main()
