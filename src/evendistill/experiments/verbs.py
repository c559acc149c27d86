"""What the verbs of the command line do, apart from how they are parsed; torch is imported late."""

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from evendistill.experiments.processes import is_first_process

if TYPE_CHECKING:
    from evendistill.experiments.report.table import Table
    from evendistill.experiments.sweep import Sweep


PICTURES = (".svg", ".pdf", ".png")


def sweep_and_report(recipe: Path, runs: Path, report: Path, told: dict[str, Any], as_json: bool, command: str) -> None:
    """Train what a recipe asks for and is not there yet, then report; says why it ends otherwise."""
    from evendistill.experiments.report.going import print_failures, progress
    from evendistill.experiments.sweep import Sweep

    if runs.exists() and not runs.is_dir():
        raise ValueError(f"{runs} is a file; runs need a folder")
    trained, sweep, is_over, minutes, start = 0, Sweep.read(recipe, runs), False, told["minutes"], time.monotonic()
    while not is_over:  # once more if trials had to decide first what to train
        missing, is_over = len(sweep.missing()), not sweep.is_trial
        told["minutes"] = None if minutes is None else max(0.0, minutes - (time.monotonic() - start) / 60)
        with progress(len(sweep.needed), missing) as on_outcome:
            outcomes = sweep.train(on_outcome=on_outcome, **told)
        if failed := [outcome for outcome in outcomes if outcome.error]:
            print_failures(sweep, failed)
            raise SystemExit(2 if all(outcome.is_input for outcome in failed) else 1)
        if still := len(sweep.missing()):
            going = f"{still} of {len(sweep.needed)} runs are unfinished; the same command goes on from here"
            fail(f"time is up, {going}", 3)
        trained += missing
        sweep = Sweep.read(recipe, runs)
    if is_first_process():
        report_on(sweep, report, as_json, command, trained=trained)


def joined(recipes: list[Path], out: Path, data: str | None) -> "Sweep":
    """Finished recipes as one sweep."""
    from evendistill.experiments.sweep import Sweep

    return Sweep.joined([Sweep.read(derived(recipe, out, data, smoke=False), out) for recipe in recipes])


def derived(recipe: Path, out: Path, data: str | None, smoke: bool) -> Path:
    """The recipe file to run: the one that was given, or one made from it, which is kept beside the runs."""
    from evendistill.experiments import derive
    from evendistill.experiments.recipe import read_recipe

    if data is None and not smoke:
        return recipe
    grid = read_recipe(recipe)
    grid = derive.on_data(grid, data) if data else grid
    grid = derive.smoke(grid) if smoke else grid
    return derive.write_recipe(grid, out / "recipes" / f"{recipe.stem}{'-smoke' if smoke else ''}.yaml")


def diagnose_recipe(recipe: Path, runs: Path, data: str | None, as_json: bool) -> None:
    """Rank the teachers of a recipe, and say which ranking told what its robust students did."""
    from evendistill.experiments.ranking import as_json as ranking_as_json
    from evendistill.experiments.ranking import rank
    from evendistill.experiments.report.diagnosis import print_ranking

    ranking = rank(joined([recipe], runs, data))
    if as_json:
        print_json(ranking_as_json(ranking))
    else:
        print_ranking(ranking)


def diagnose_teachers(
    paths: list[Path], labels: Path | None, told: dict[str, Any], to: Path | None, as_json: bool
) -> None:
    """Diagnose teachers from run folders or files, and draw one of them if that is asked for."""
    from evendistill.experiments.report.diagnosis import print_diagnosis
    from evendistill.experiments.teachers import diagnosed

    if to is not None and (len(paths) > 1 or to.suffix not in PICTURES):
        raise ValueError(f"--to draws one teacher, as {', '.join(PICTURES)}; got {len(paths)} and {to}")
    read, found, plain = diagnosed(paths, labels, **told)
    if to is not None:
        from evendistill.experiments.report.calibration import write_calibration

        write_calibration(read[0], found[0], to)
    if as_json:
        print_json(plain)
    else:
        print_diagnosis(plain)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def report_on(sweep: "Sweep", folder: Path, as_json: bool, command: str, *, trained: int) -> None:
    """Write the page of a finished sweep and print its tables, or both as JSON."""
    from evendistill.experiments.report.effects import as_json as effects_as_json
    from evendistill.experiments.report.effects import compare
    from evendistill.experiments.report.page import write_report
    from evendistill.experiments.report.table import as_json as cells_as_json
    from evendistill.experiments.report.table import make_table
    from evendistill.experiments.report.terminal import print_table

    table: Table = make_table(sweep)
    effects = compare(table, sweep.runs)
    page = write_report(table, folder, command=command, effects=effects).resolve()
    if as_json:
        told = {"command": command, "report": str(page), "trained": trained}
        print_json({"cells": cells_as_json(table), "effects": effects_as_json(effects), **told})
    else:
        print_table(table, page)


def print_json(value: object) -> None:
    """JSON alone on standard output."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False))


def fail(message: str, code: int) -> None:
    """One line on standard error, and the exit code."""
    typer.echo(f"evendistill: {' '.join(message.split())}", err=True)
    raise SystemExit(code)
