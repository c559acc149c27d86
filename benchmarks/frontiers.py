"""Frontiers of sweeps on one data set, per unit of training compute: the full grid, and trainings that are shared.

``python -m benchmarks.frontiers GRID.yaml SHARED.yaml ... --runs RUNS --out results/frontiers/NAME.json``

The first recipe is what the others are measured against. Students of the trade-offs alone count. Each seed by itself:
its Pareto front on validation is taken to test, and the area under it there is its hypervolume, from 0 and 0. Compute
is multiply-adds of the students' trainings, counted from shapes for all alike: three forward passes an example, and one
for each held-out example that moves multipliers; the K last layers of a shared training count K times, and so does the
one that it does not use. Seconds are from the logs of the runs, where they have been kept.
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import harness
from benchmarks.flops import forward_multiply_adds
from evendistill.data.datasets import Data, load_data
from evendistill.data.view import View
from evendistill.experiments.cells import Cell
from evendistill.experiments.frontier import hypervolume, pareto_front
from evendistill.experiments.networks import network_to_train
from evendistill.experiments.objectives import ObjectiveSpec
from evendistill.experiments.results import judged, read_split, robust_metric
from evendistill.experiments.spec import RunSpec
from evendistill.experiments.sweep import Sweep
from evendistill.models.conditioned import Conditioned

Point = tuple[float, float]


def students(sweep: Sweep) -> list[Cell]:
    """The cells of students under a trade-off on the balanced base, whose teacher has one too."""
    return [cell for cell in sweep.cells if cell.is_student and _is_of_frontier(cell.student, cell.teacher)]


def _is_of_frontier(*objectives: object) -> bool:
    return all(isinstance(each, ObjectiveSpec) and each.is_of_frontier for each in objectives)


def point(run: RunSpec, sweep: Sweep, split: Any) -> Point:  # noqa: ANN401 - one of the two names
    """Average and robust accuracy of a run."""
    found = read_split(run, sweep.runs, split)
    return judged(found)["average_accuracy"], robust_metric(found, sweep.grid.robust_k)


def chosen_fronts(sweep: Sweep) -> list[list[Point]]:
    """For each seed, the test points of those that are efficient on validation."""
    fronts = []
    for seed in range(len(sweep.grid.seeds)):
        runs = [cell.runs[seed] for cell in students(sweep)]
        on_validation = [point(run, sweep, "validation") for run in runs]
        fronts.append([point(runs[at], sweep, "test") for at in pareto_front(on_validation)])
    return fronts


def robust_at(front: Sequence[Point], average: float) -> float:
    """The best robust accuracy among points with at least this average; NaN if there is none."""
    return max((robust for at, robust in front if at >= average), default=math.nan)


def apart(front: Sequence[Point], other: Sequence[Point]) -> list[dict[str, float]]:
    """At the average of each efficient point of ``other``, the robust accuracy of both."""
    best = [other[at] for at in pareto_front(other)]
    return [{"average": average, "grid": robust, "this": robust_at(front, average)} for average, robust in best]


def trained(sweep: Sweep) -> list[RunSpec]:
    """The trainings behind the students, each once."""
    return list({run.trained.hash: run.trained for cell in students(sweep) for run in cell.runs}.values())


def multiply_adds(run: RunSpec, data: Data) -> float:
    """Of a training, held-out passes included."""
    network = network_to_train(run, data)
    forward = forward_multiply_adds(network, next(data.train.batches([torch.arange(1)])))
    if isinstance(network, Conditioned):  # whose last layers are no modules that could be counted
        layer = network.network.get_submodule(network.head)
        forward += len(network.alphas) * sum(
            each.numel() for name, each in layer.named_parameters() if name == "weight"
        )
    batch = min(run.training.batch_size, len(data.train))
    steps = run.training.epochs * (len(data.train) // batch)
    moves = math.ceil(steps / run.training.update_every) if run.objective.is_adversarial else 0
    return forward * (3 * steps * batch + moves * min(len(data.validation), run.training.update_examples))


def seconds(run: RunSpec, runs: Path) -> float | None:
    """Between the last two lines of a run's log."""
    path = runs / run.folder_name / "log.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    if len(lines) != 2:  # cut off in between, or not logged
        return None
    return lines[1]["time"] - lines[0]["time"]


def read_data(run: RunSpec) -> Data:
    """As its network sees them."""
    data = load_data(**run.data.model_dump())
    return data if run.view is None else data.viewed(View(**run.view.model_dump()))


def judge(sweep: Sweep, data: Data, first: list[list[Point]]) -> dict[str, Any]:
    """All that is told of one sweep."""
    fronts = chosen_fronts(sweep)
    volumes = [hypervolume(front) for front in fronts]
    behind = trained(sweep)
    times = [each for run in behind if (each := seconds(run, sweep.runs)) is not None]
    differences = [row for front, other in zip(fronts, first, strict=True) for row in apart(front, other)]
    return {
        "recipe": sweep.grid.name,
        "trainings": len(behind),
        "hypervolume": _told(volumes),
        "share of the grid's": _told([own / hypervolume(grid) for own, grid in zip(volumes, first, strict=True)]),
        "multiply-adds": sum(multiply_adds(run, data) for run in behind),
        "seconds": sum(times) if len(times) == len(behind) else None,
        "robust accuracy at the grid's averages": differences,
        "mean difference": _mean(row["this"] - row["grid"] for row in differences),
        "fronts": fronts,
    }


def _mean(values: Iterable[float]) -> float | None:
    known = [value for value in values if not math.isnan(value)]
    return statistics.fmean(known) if known else None


def _told(values: list[float]) -> dict[str, Any]:
    se = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return {"mean": statistics.fmean(values), "se": se, "seeds": values}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("recipes", type=Path, nargs="+", help="finished; the first is the grid")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    sweeps = [Sweep.read(recipe, told.runs) for recipe in told.recipes]
    data = read_data(students(sweeps[0])[0].runs[0])
    first = chosen_fronts(sweeps[0])
    found = [judge(sweep, data, first) for sweep in sweeps]
    for each in found:
        share, work = each["share of the grid's"], each["multiply-adds"] / found[0]["multiply-adds"]
        print(
            f"{each['recipe']}: {each['trainings']} trainings, {100 * work:.1f} % of the grid's multiply-adds,", end=" "
        )
        print(f"hypervolume {100 * share['mean']:.2f} ± {100 * (share['se'] or 0):.2f} % of the grid's")
    if told.out is not None:
        command = f"python -m benchmarks.frontiers {' '.join(sys.argv[1:])}"
        told.out.parent.mkdir(parents=True, exist_ok=True)
        whole = {"command": command, "commit": harness.commit(), "sweeps": found}
        told.out.write_text(json.dumps(whole, indent=1).replace("NaN", "null") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
