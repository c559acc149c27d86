"""Frontiers on one data set, per unit of training compute: the full grid, and one training for all.

``python -m benchmarks.frontiers GRID.yaml students both one-of-each --runs RUNS --out results/frontiers/NAME.json``

The grid is what the variants of it are measured against; what is missing is trained first. Students of the trade-offs
alone count. Each seed by itself: its Pareto front on validation is taken to test, and the area under it there is its
hypervolume, from 0 and 0. Compute is multiply-adds of the students' trainings, counted from shapes for all alike: three
forward passes an example, and one for each held-out example that moves multipliers; the K last layers of a shared
training count K times, and so does the one that it does not use. Seconds are from the logs of the runs, where they have
been kept."""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from benchmarks import harness
from benchmarks.flops import forward_multiply_adds
from benchmarks.fronts import Point, chosen, measures, told_of, write
from evendistill.data.datasets import Data, load_data
from evendistill.data.view import View
from evendistill.experiments import cells, derive
from evendistill.experiments.cells import Cell
from evendistill.experiments.engines.choice import How
from evendistill.experiments.mends import MeanSpec
from evendistill.experiments.networks import network_to_train
from evendistill.experiments.objectives import ObjectiveSpec
from evendistill.experiments.recipe import read_recipe
from evendistill.experiments.results import judged, read_split, robust_metric
from evendistill.experiments.spec import RunSpec
from evendistill.experiments.sweep import Sweep
from evendistill.experiments.verbs import derived, train_missing
from evendistill.models.conditioned import Conditioned

# Last layers to be computed beside the plain network's own, of K trade-offs: by "film" that one takes K times the rows,
# by a bias its scores serve all, and by the others it is computed and not used.
LAYERS: dict[str, Callable[[int], int]] = {
    "scale-and-bias": lambda count: count,
    "scale": lambda count: count,
    "layer": lambda count: count,
    "bias": lambda count: 0,
    "film": lambda count: count - 1,
}
TEACHERS, STUDENTS = {"shared": True}, {"shared": True}
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "students": ({}, STUDENTS),
    "both": (TEACHERS, STUDENTS),
    "one-of-each": (TEACHERS, STUDENTS | {"teacher": "mean"}),
    "students-by-bias": ({}, {"shared": "bias"}),
    "students-by-scale": ({}, {"shared": "scale"}),
    "students-by-layer": ({}, {"shared": "layer"}),
    "students-by-film": ({}, {"shared": "film"}),
    "students-by-costs": ({}, {"shared": "costs"}),
    "both-by-costs": ({"shared": "costs"}, {"shared": "costs"}),
    "one-of-each-by-costs": ({"shared": "costs"}, {"shared": "costs", "teacher": "mean"}),
    "both-by-bias": ({"shared": "bias"}, {"shared": "bias"}),
    "one-of-each-by-bias": ({"shared": "bias"}, {"shared": "bias", "teacher": "mean"}),
}


def variant(recipe: Path, runs: Path, name: str) -> Path:
    """The recipe of a variant of the grid, beside the runs."""
    grid = read_recipe(recipe)
    teachers, students = VARIANTS[name]
    changed = grid.model_copy(
        update={
            "name": f"{grid.name}-{name}",
            "teachers": grid.teachers.model_copy(update=teachers),
            "students": cells.students_of(grid).model_copy(update=students),
        }
    )
    return derive.write_recipe(changed, derive.place(recipe, runs, suffix=f"-{name}"))


def students(sweep: Sweep) -> list[Cell]:
    """The cells of students under a trade-off on the balanced base, whose teacher has one too."""
    return [cell for cell in sweep.cells if cell.is_student and _is_of_frontier(cell.student, *_taught_by(cell))]


def _taught_by(cell: Cell) -> Sequence[object]:
    return cell.teacher.bases if isinstance(cell.teacher, MeanSpec) else [cell.teacher]


def _is_of_frontier(*objectives: object) -> bool:
    return all(isinstance(each, ObjectiveSpec) and each.is_of_frontier for each in objectives)


def point(run: RunSpec, sweep: Sweep, split: Any) -> Point:  # noqa: ANN401 - one of the two names
    """Average and robust accuracy of a run."""
    found = read_split(run, sweep.runs, split)
    return judged(found)["average_accuracy"], robust_metric(found, sweep.grid.robust_k)


def points(sweep: Sweep, split: Any) -> list[list[Point]]:  # noqa: ANN401 - one of the two names
    """For each seed, those of its students."""
    return [[point(cell.runs[seed], sweep, split) for cell in students(sweep)] for seed in range(len(sweep.grid.seeds))]


def trained(cells: Iterable[Cell]) -> list[RunSpec]:
    """The trainings behind the students, each once."""
    return list({run.trained.hash: run.trained for cell in cells for run in cell.runs}.values())


def multiply_adds(run: RunSpec, data: Data) -> float:
    """Of a training, held-out passes included."""
    network, first = network_to_train(run, data), next(data.train.batches([torch.arange(1)]))
    if isinstance(network, Conditioned):
        plain = network.at(network.alphas[0])
        weights = cast(Tensor, plain.get_submodule(network.head).weight).numel()
        forward = forward_multiply_adds(plain, first) + LAYERS[network.by](len(network.alphas)) * weights
    else:
        forward = forward_multiply_adds(network, first)
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


def by_alpha(sweep: Sweep) -> list[dict[str, float]]:
    """Average and robust accuracy on test of the students of each alpha, over teachers, ways of listening and seeds."""
    found: dict[float, list[Point]] = {}
    for cell in students(sweep):
        if isinstance(cell.student, ObjectiveSpec):
            found.setdefault(cell.student.alpha, []).extend(point(run, sweep, "test") for run in cell.runs)
    means = {alpha: [statistics.fmean(each) for each in zip(*there, strict=True)] for alpha, there in found.items()}
    return [{"alpha": alpha, "average": mean[0], "robust": mean[1]} for alpha, mean in sorted(means.items())]


def judge(name: str, sweep: Sweep, data: Data, grid: dict[str, Any] | None) -> dict[str, Any]:
    """All that is told of one variant beside the grid, which is judged first, with None."""
    behind = trained(students(sweep))
    times = [each for run in behind if (each := seconds(run, sweep.runs)) is not None]
    found = {
        "variant": name,
        "trainings": len(behind),
        "multiply-adds": sum(multiply_adds(run, data) for run in behind),
        "seconds": sum(times) if len(times) == len(behind) else None,
        "by alpha of the student": by_alpha(sweep),
        "fronts": chosen(points(sweep, "validation"), points(sweep, "test")),
    }
    return found | measures(found, found if grid is None else grid)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("grid", type=Path, help="recipe of the grid")
    parser.add_argument("variants", nargs="*", choices=[*VARIANTS, []])
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--data", help="in place of the recipe's source")
    parser.add_argument("--jobs", type=int, help="so many trainings at once")
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    how = How(jobs=told.jobs)
    recipe = derived(told.grid, told.runs, told.data)
    grid, _ = train_missing(recipe, told.runs, how)
    data = read_data(students(grid)[0].runs[0])
    found = [judge("grid", grid, data, None)]
    for name in told.variants:
        sweep, _ = train_missing(variant(recipe, told.runs, name), told.runs, how)
        found.append(judge(name, sweep, data, found[0]))
    print("\n".join(told_of(each, found[0]) for each in found))
    if told.out is not None:
        command = f"python -m benchmarks.frontiers {' '.join(sys.argv[1:])}"
        write({"command": command, "commit": harness.commit(), "sweeps": found}, told.out)


if __name__ == "__main__":
    main()
