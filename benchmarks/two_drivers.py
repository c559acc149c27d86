"""Wall time of two sweeps at once over the same sixty runs, one worker each, as a share of one sweep's alone.

``python -m benchmarks.two_drivers --out results/bench/two_drivers.json``

Both commands are the plain ``run``; leases decide who trains what.
The floor is one half, and start and report, which both have.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import harness

RECIPE: dict[str, Any] = {
    "name": "sixty",
    "data": {"source": "digits", "imbalance": 10},
    "training": {"epochs": 30, "batch_size": 64, "update_every": 4},
    "teachers": {"network": {"kind": "mlp", "hidden": [64]}, "objectives": ["standard", "balanced", "robust"]},
    "students": {
        "network": {"kind": "mlp", "hidden": [32]},
        "objectives": ["standard", "robust"],
        "temperatures": [1, 2, 3],
        "validation_labels": ["true"],
    },
    "seeds": 3,
}
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


def main() -> None:
    told = harness.arguments(__doc__, data="digits")
    recipe = SMALL if told.smoke else RECIPE
    contestants = {"one": lambda: seconds(recipe, 1), "two at once": lambda: seconds(recipe, 2)}
    taken = harness.in_turns(contestants, told.rounds)
    shares = harness.ratios(taken, "one")["two at once"]
    median = {name: f"{value:.1f}" for name, value in harness.medians(taken).items()}
    print(f"sweep of {recipe['name']}: one {median['one']} s, two at once {median['two at once']} s")
    print(f"share of one's time {statistics.median(shares):.3f}")
    found = {"recipe": recipe, "seconds": taken, "share of one": shares}
    harness.report(told, found | {"median share": statistics.median(shares)})


if __name__ == "__main__":
    main()
