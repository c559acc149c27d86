"""The first recipe for a data set: made from a look at it, tried by reading it back, then written whole."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evendistill.experiments.beginning import choices
from evendistill.experiments.beginning.commented import commented
from evendistill.experiments.beginning.found import Found
from evendistill.experiments.beginning.looking import look
from evendistill.experiments.beginning.precision import RECALLS, Precision, precision
from evendistill.experiments.beginning.timed import seconds_alone
from evendistill.experiments.beginning.warned import warned
from evendistill.experiments.grid import distinct_runs, expand
from evendistill.experiments.recipe import GridSpec, read_recipe
from evendistill.storage.files import write_bytes
from evendistill.storage.places import check_place

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class First:
    """A first recipe.

    Attributes:
        path: where it lies.
        grid: what it says.
        found: what the data hold.
        precision: what validation can tell.
        warnings: what a user should know first.
        seconds: that it takes here, about, with a run on each core.
    """

    path: Path
    grid: GridSpec
    found: Found
    precision: Precision
    warnings: list[str]
    seconds: float

    @property
    def runs(self) -> int:
        """How many networks it trains; costs that are put on afterwards are runs, too, but train nothing."""
        return sum(run.mend is None for run in distinct_runs(expand(self.grid)).values())

    @property
    def examples(self) -> int:
        """How many examples all runs together train on, repeats counted."""
        return self.runs * self.grid.training.epochs * self.found.parts["train"].examples


def begin(source: str, path: Path, *, force: bool, told: Mapping[str, Any]) -> First:
    """Look at a data set and write a recipe for it.

    Args:
        source: whatever :func:`evendistill.data.datasets.load_data` takes.
        path: of the recipe.
        force: whether a file that is there may be replaced.
        told: further arguments of :func:`look`.

    Raises:
        ValueError: if the data cannot be loaded or trained on, or ``path`` is not to be written; nothing is written.
        OSError: if the file cannot be written.
    """
    _check_target(path, force=force)  # before the data are loaded, which may take minutes
    found = look(source, **told)
    text = commented(found, path)
    grid = _read_back(text)
    known = precision(found.sizes("validation"))
    _check_target(path, force=force)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, text.encode())
    return First(path, grid, found, known, warned(found, known), _seconds(grid, found))


def plain(first: First) -> dict[str, Any]:
    """All of it as plain JSON values; shares are fractions."""
    found, known, inputs = first.found, first.precision, first.found.inputs
    return {
        "recipe": str(first.path.resolve()),
        "data": dict(found.told),
        "classes": list(found.class_names),
        "groups": list(found.group_names),
        "splits": {name: _plain_part(found, name) for name in found.parts},
        "inputs": {
            "kind": inputs.kind,
            "shape": list(inputs.shape),
            "channels": inputs.shape[0] if inputs.is_picture else None,
            "mean": list(inputs.mean),
            "std": list(inputs.std),
            "has_colours": inputs.has_colours,
        },
        "held": {"where": found.held, "bytes": found.bytes},
        "worst": {
            "of": "class x attribute" if found.is_crossed else "class",
            "smallest": found.names[known.smallest],
            "validation_examples": known.count,
            "half_widths": {f"{recall:g}": width for recall, width in zip(RECALLS, known.half_widths, strict=True)},
            "needed_for_5_points": known.needed,
            "least_recall_if_all_are_0.7": {name: getattr(known.worst, name) for name in ("lower", "upper", "bias")},
        },
        "robust_k": choices.robust_k(found),
        "runs": first.runs,
        "epochs": first.grid.training.epochs,
        "examples_trained": first.examples,
        "seconds": first.seconds,
        "warnings": first.warnings,
    }


def _seconds(grid: GridSpec, found: Found) -> float:
    return seconds_alone(list(distinct_runs(expand(grid)).values()), found)


def _plain_part(found: Found, name: str) -> dict[str, Any]:
    part = found.parts[name]
    ends = {
        end: {"class": found.class_names[(label := getattr(part, end))], "examples": part.counts[label]}
        for end in ("smallest", "largest")
    }
    return {
        "origin": part.origin,
        "examples": part.examples,
        "counts": list(part.counts),
        "cells": dict(zip(found.cell_names, part.cells, strict=True)),
        **ends,
        "imbalance": part.imbalance,
        "absent": [name for name, count in zip(found.class_names, part.counts, strict=True) if not count],
    }


def _check_target(path: Path, *, force: bool) -> None:
    if path.suffix not in SUFFIXES:
        raise ValueError(f"a recipe is a file whose name ends in .yaml, got {path}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name a file in it")
    if os.path.lexists(path) and not force:
        raise ValueError(f"{path} is there already; --force replaces it, --to writes elsewhere")
    check_place(path.parent, instead="--to writes elsewhere", shown=path)


def _read_back(text: str) -> GridSpec:
    """The recipe as a run will read it: what it would refuse is not written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "recipe.yaml")
        path.write_text(text, encoding="utf-8")
        return read_recipe(path)
