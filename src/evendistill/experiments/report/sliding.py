"""What the page's slider moves: recalls at every alpha of a frontier that one training gave."""

import math
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

from evendistill.experiments.objectives import FrontierSpec
from evendistill.experiments.report.table import Row
from evendistill.experiments.results import judged, read_frontier, robust_metric
from evendistill.experiments.spec import RunSpec
from evendistill.storage.files import known


def frontiers(rows: tuple[Row, ...], runs: Path, *, robust_k: int) -> tuple[list[dict[str, Any]], list[int | None]]:
    """Each frontier once, and for each row the position of its own; None for rows that were trained alone.

    Numbers are means over the seeds, in percent of one.
    """
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    places: list[int | None] = []
    for row in rows:
        trained = [run.trained for run in row.cell.runs]
        if not isinstance(trained[0].objective, FrontierSpec):
            places.append(None)
            continue
        name = tuple(run.hash for run in trained)
        if name not in found:
            found[name] = _of(trained, runs, robust_k)
        places.append(list(found).index(name))
    return list(found.values()), places


def _of(trained: list[RunSpec], runs: Path, robust_k: int) -> dict[str, Any]:
    told = [read_frontier(spec, runs) for spec in trained]
    at_each_alpha = list(zip(*(each["test"] for each in told), strict=True))
    recalls = [zip(*(judged(at)["recalls"] for at in seeds), strict=True) for seeds in at_each_alpha]
    return {
        "alphas": told[0]["alphas"],
        "average": _means([judged(at)["average_accuracy"] for at in seeds] for seeds in at_each_alpha),
        "robust": _means([robust_metric(at, robust_k) for at in seeds] for seeds in at_each_alpha),
        "recalls": [_means(classes) for classes in recalls],
    }


def _means(found: Iterable[Iterable[float | None]]) -> list[float | None]:
    """Of each over the seeds, rounded; None where one seed has none."""
    seeds = [[math.nan if value is None else value for value in each] for each in found]
    return [known(round(fmean(each), 6)) for each in seeds]
