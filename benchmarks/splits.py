"""Does the demo's finding hold on other draws of the data? ``python -m benchmarks.splits``.

The demo's recipe on five draws (split seed and subset seed together), three training seeds each. The student is chosen
on validation, among all of them and among those with a robust objective on either side, and then asked on test.
"""

import json
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

DRAWS = range(5)


def run(draw: int, folder: Path) -> list[dict[str, Any]]:
    text = resources.files("evendistill.experiments").joinpath("recipes/demo.yaml").read_text(encoding="utf-8")
    recipe = yaml.safe_load(text)
    recipe["data"] |= {"split_seed": draw, "subset_seed": draw}
    path = folder / f"draw-{draw}.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    command = [sys.executable, "-m", "evendistill", "run", str(path), "--out", str(folder / "runs"), "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["cells"]


def validation(cell: dict[str, Any]) -> tuple[float, float]:
    return cell["validation_worst_class_accuracy"]["mean"], cell["validation_average_accuracy"]["mean"]


def percent(cell: dict[str, Any], key: str) -> str:
    return f"{100 * cell[key]['mean']:.1f} ± {100 * cell[key]['se']:.1f}"


def line(draw: int, cells: list[dict[str, Any]]) -> str:
    plain = next(cell for cell in cells if cell["teacher"] == cell["student"] == "standard")
    students = [cell for cell in cells if cell["student"] != "none" and "robust" in (cell["teacher"], cell["student"])]
    robust = max(students, key=validation)
    gain = 100 * (robust["worst_class_accuracy"]["mean"] - plain["worst_class_accuracy"]["mean"])
    labels = f", {robust['validation_labels']}-labelled" if robust["validation_labels"] else ""
    marked = " (chosen among all)" if robust["selected"] else ""
    return (
        f"| {draw} | {robust['student']}{labels} from {robust['teacher']}{marked} | "
        f"{percent(robust, 'worst_class_accuracy')} | {percent(plain, 'worst_class_accuracy')} | {gain:+.1f} | "
        f"{percent(robust, 'average_accuracy')} | {percent(plain, 'average_accuracy')} |"
    )


def main() -> None:
    print("| draw | robust student chosen on validation | worst class | standard | gain | average | standard |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for draw in DRAWS:
            print(line(draw, run(draw, Path(folder))), flush=True)


if __name__ == "__main__":
    main()
