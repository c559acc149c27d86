"""What the page's slider moves: recalls at every alpha of a frontier that one training gave."""

from pathlib import Path
from typing import Any

import torch

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
    tests = [each["test"] for each in told]
    recalls = torch.tensor(
        [[[float("nan") if each is None else each for each in judged(at)["recalls"]] for at in test] for test in tests]
    )
    averages = torch.tensor([[judged(at)["average_accuracy"] for at in test] for test in tests])
    robust = torch.tensor([[robust_metric(at, robust_k) for at in test] for test in tests])
    return {
        "alphas": told[0]["alphas"],
        "average": _rounded(averages.mean(dim=0).tolist()),
        "robust": _rounded(robust.mean(dim=0).tolist()),
        "recalls": [_rounded(each) for each in recalls.mean(dim=0).tolist()],
    }


def _rounded(values: list[float]) -> list[float | None]:
    return [known(round(value, 4)) for value in values]
