"""Wall time of two sweeps at once over the same sixty runs, one worker each, as a share of one sweep's alone.

Run with ``python -m benchmarks.two_drivers``. Both commands are the plain ``run``; leases decide who trains what.
The floor is one half, and start and report, which both have.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

RECIPE = {
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
ROUNDS = 3


def start(folder: Path) -> "subprocess.Popen[bytes]":
    """One driver with one worker."""
    command = [sys.executable, "-m", "evendistill", "run", "sixty.yaml", "--out", "runs", "--jobs", "1"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def seconds(drivers: int) -> float:
    """From the start of all to the end of the last; every run must have been trained once."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "sixty.yaml").write_text(json.dumps(RECIPE))
        begun = time.perf_counter()
        running = [start(folder) for _ in range(drivers)]
        if any(each.wait() for each in running):
            raise SystemExit("a sweep failed")
        taken = time.perf_counter() - begun
        logs = [path.read_text().splitlines() for path in folder.glob("runs/*/log.jsonl")]
        events = Counter(json.loads(line)["event"] for lines in logs for line in lines)
        if events != {"began": len(logs), "finished": len(logs)}:
            raise SystemExit(f"not each run was trained once: {events}")
        print(f"{drivers} at once: {taken:.1f} s, {len(logs)} runs, {dict(events)}", file=sys.stderr)
        return taken


def main() -> None:
    """Print JSON."""
    rounds = [{"one": round(seconds(1), 2), "two": round(seconds(2), 2)} for _ in range(ROUNDS)]
    shares = [round(each["two"] / each["one"], 3) for each in rounds]
    print(json.dumps({"rounds": rounds, "shares": shares, "share": sorted(shares)[len(shares) // 2]}, indent=2))


if __name__ == "__main__":
    main()
