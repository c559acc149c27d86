"""Frontiers measured against the grid's: areas, and the robust accuracy at equal averages; from test points alone.

``python -m benchmarks.fronts results/frontiers/NAME.json`` computes all of that anew from the fronts that a file holds.
"""

import json
import math
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from evendistill.experiments.frontier import hypervolume, pareto_front

Point = tuple[float, float]
Front = list[Point]


def chosen(validation: list[list[Point]], test: list[list[Point]]) -> list[Front]:
    """For each seed, the test points of those that are efficient on validation."""
    return [[there[at] for at in pareto_front(here)] for here, there in zip(validation, test, strict=True)]


def robust_at(front: Sequence[Point], average: float) -> float:
    """The best robust accuracy among points with at least this average; NaN if there is none."""
    return max((robust for at, robust in front if at >= average), default=math.nan)


def apart(front: Sequence[Point], other: Sequence[Point]) -> list[dict[str, float]]:
    """At the average of each efficient point of ``other``, the robust accuracy of both."""
    best = [other[at] for at in pareto_front(other)]
    return [{"average": average, "grid": robust, "this": robust_at(front, average)} for average, robust in best]


def measures(found: dict[str, Any], grid: dict[str, Any]) -> dict[str, Any]:
    """What follows from the fronts of a variant and those of the grid.

    The area from 0 and 0 hardly tells frontiers apart, so there is another, from the weakest mean of either accuracy
    among the grid's alphas: what a frontier offers beyond that.
    """
    fronts, first = found["fronts"], grid["fronts"]
    weakest = tuple(min(each[name] for each in grid["by alpha of the student"]) for name in ("average", "robust"))
    volumes, beyond = ([hypervolume(front, corner) for front in fronts] for corner in ((0.0, 0.0), weakest))
    theirs, theirs_beyond = ([hypervolume(front, corner) for front in first] for corner in ((0.0, 0.0), weakest))
    differences = [row for front, other in zip(fronts, first, strict=True) for row in apart(front, other)]
    return {
        "hypervolume": _told(volumes),
        "share of the grid's": _told(_ratios(volumes, theirs)),
        "weakest": weakest,
        "share beyond the weakest": _told(
            [own / its if its else math.nan for own, its in zip(beyond, theirs_beyond, strict=True)]
        ),
        "robust accuracy at the grid's averages": differences,
        "averages reached": [sum(not math.isnan(row["this"]) for row in differences), len(differences)],
        "mean difference where reached": _mean(row["this"] - row["grid"] for row in differences),
    }


def _mean(values: Iterable[float]) -> float | None:
    known = [value for value in values if not math.isnan(value)]
    return statistics.fmean(known) if known else None


def _ratios(ours: list[float], theirs: list[float]) -> list[float]:
    return [one / other if other else math.nan for one, other in zip(ours, theirs, strict=True)]


def _told(values: list[float]) -> dict[str, Any]:
    is_known = len(values) > 1 and not any(map(math.isnan, values))
    se = statistics.stdev(values) / math.sqrt(len(values)) if is_known else None
    return {"mean": statistics.fmean(values), "se": se, "seeds": values}


def told_of(found: dict[str, Any], grid: dict[str, Any]) -> str:
    """One line."""
    share, work = found["share of the grid's"], found["multiply-adds"] / grid["multiply-adds"]
    beyond = found["share beyond the weakest"]
    return (
        f"{found['variant']}: {found['trainings']} trainings, {100 * work:.1f} % of the grid's multiply-adds, "
        f"hypervolume {100 * share['mean']:.2f} ± {100 * (share['se'] or 0):.2f} % of the grid's, beyond its weakest "
        f"{100 * beyond['mean']:.0f} ± {100 * (beyond['se'] or 0):.0f} %"
    )


def again(path: Path) -> None:
    """Compute what follows from the fronts in a file once more; nothing is read of runs."""
    told = json.loads(path.read_text(encoding="utf-8"))
    grid = told["sweeps"][0]
    for found in told["sweeps"]:
        found["fronts"] = [[(average, robust) for average, robust in front] for front in found["fronts"]]
        found.pop("mean difference", None)
    told["sweeps"] = [found | measures(found, grid) for found in told["sweeps"]]
    write(told, path)
    print("\n".join(told_of(each, told["sweeps"][0]) for each in told["sweeps"]))


def write(whole: dict[str, Any], path: Path) -> None:
    """As JSON, which knows no NaN."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(whole, indent=1).replace("NaN", "null") + "\n", encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        again(Path(name))
