"""Wall time of two sweeps at once over the same sixty runs, one worker each, as a share of one sweep's alone.

``python -m benchmarks.two_drivers --out results/bench/two_drivers.json``

The recipe is the demo's with four seeds, and the same with four times its epochs. Both commands are the plain
``run``; leases decide who trains what. The floor is one half, and start and report, which both have.
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
EPOCHS = {"the demo's runs": DEMO["training"]["epochs"], "four times as long": 4 * DEMO["training"]["epochs"]}
SMALL = RECIPE | {"training": {"epochs": 1}, "seeds": 1}


def start(folder: Path) -> "subprocess.Popen[bytes]":
    """One driver with one worker."""
    command = [sys.executable, "-m", "evendistill", "run", "sixty.yaml", "--out", "runs", "--jobs", "1"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def seconds(recipe: dict[str, Any], drivers: int) -> float:
    """From the start of all to the end of the last; every run must have been trained once."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "sixty.yaml").write_text(json.dumps(recipe))
        begun = time.perf_counter()
        running = [start(folder) for _ in range(drivers)]
        if any(each.wait() for each in running):
            raise SystemExit("a sweep failed")
        taken = time.perf_counter() - begun
        logs = [path.read_text().splitlines() for path in folder.glob("runs/*/log.jsonl")]
        events = Counter(json.loads(line)["event"] for lines in logs for line in lines)
        if events != {"began": len(logs), "finished": len(logs)}:
            raise SystemExit(f"not each run was trained once: {events}")
        return taken


def measure(recipe: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Seconds of one and of two at once, in turns."""
    taken = harness.in_turns({"one": lambda: seconds(recipe, 1), "two at once": lambda: seconds(recipe, 2)}, rounds)
    shares = harness.ratios(taken, "one")["two at once"]
    return {"seconds": taken, "share of one": shares, "median share": statistics.median(shares)}


def main() -> None:
    told = harness.arguments(__doc__, data="digits")
    longer = {name: RECIPE | {"training": RECIPE["training"] | {"epochs": count}} for name, count in EPOCHS.items()}
    found = {}
    for name, recipe in ({"smoke": SMALL} if told.smoke else longer).items():
        found[name] = measure(recipe, told.rounds)
        median = {way: f"{value:.1f}" for way, value in harness.medians(found[name]["seconds"]).items()}
        print(f"{name}: one {median['one']} s, two at once {median['two at once']} s,", end=" ")
        print(f"share {found[name]['median share']:.3f}")
    harness.report(told, {"recipe": RECIPE, "variants": found})


if __name__ == "__main__":
    main()
