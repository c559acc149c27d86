"""What the verbs of the command line do, apart from how they are parsed; torch is imported late."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from evendistill.data.wording import one_line, shown
from evendistill.experiments.processes import is_first_process
from evendistill.storage.places import check_place

if TYPE_CHECKING:
    from evendistill.experiments.engines.choice import How
    from evendistill.experiments.recipe import GridSpec
    from evendistill.experiments.report.table import Table
    from evendistill.experiments.sweep import Sweep


ELSEWHERE = "--out writes elsewhere"
PICTURES = (".svg", ".pdf", ".png")
FILES = (*PICTURES, ".html", ".htm", ".md", ".csv", ".tex", ".json", ".xlsx", ".txt")


def sweep_and_report(recipe: Path, runs: Path, report: Path, how: "How", as_json: bool, command: str) -> None:
    """Train what a recipe asks for and is not there yet, then report; says why it ends otherwise."""
    sweep, trained = train_missing(recipe, runs, how)
    if is_first_process():
        report_on(sweep, report, as_json, command, trained=trained)


def train_missing(recipe: Path, runs: Path, how: "How | None" = None) -> "tuple[Sweep, int]":
    """Train what a recipe asks for and is not there yet; the finished sweep, and how many runs were trained here."""
    from evendistill.experiments.derive import is_smoke
    from evendistill.experiments.engines.choice import How
    from evendistill.experiments.grid import every_run
    from evendistill.experiments.preflight import check_before_going_on, reopen_edited_trial
    from evendistill.experiments.recipe import read_recipe
    from evendistill.experiments.repair import reopen_damaged
    from evendistill.experiments.report.going import print_failures, progress
    from evendistill.experiments.sweep import Sweep

    how = how or How()
    check_place(runs, instead=ELSEWHERE)
    grid = read_recipe(recipe)  # once: it may be edited while its runs are trained
    if is_first_process():
        reopen_damaged(every_run(grid).values(), runs)
        if is_smoke(grid):
            reopen_edited_trial(every_run(grid).values(), runs)
    trained, sweep, is_over, start = 0, Sweep.over(grid, recipe, runs), False, time.monotonic()
    while not is_over:  # once more if trials had to decide first what to train
        is_over = not sweep.is_trial
        if sweep.tried and is_over:  # other shares may have ended before it was known what is to be trained
            how = replace(how, share=None)
        check_before_going_on(sweep.missing(how.share).values(), sweep.needed.values(), runs)
        left = None if how.minutes is None else max(0.0, how.minutes - (time.monotonic() - start) / 60)
        with progress(sweep):
            outcomes = sweep.train(replace(how, minutes=left))
        if failed := [outcome for outcome in outcomes if outcome.end == "failed"]:
            print_failures(sweep, failed)
            raise SystemExit(2 if all(outcome.is_input for outcome in failed) else 1)
        trained += sum(outcome.end == "finished" and not outcome.is_elsewhere for outcome in outcomes)
        if still := len(sweep.missing()):
            is_mine_done = how.share is not None and not sweep.missing(how.share)
            _unfinished(f"{still} of {len(sweep.needed)} runs are unfinished", how.share if is_mine_done else None)
        sweep = Sweep.over(grid, recipe, runs)
    return sweep, trained


def _unfinished(what: str, done: tuple[int, int] | None) -> None:
    """End a command that was to leave runs unfinished: its share is done, or its time is up."""
    if done is not None:
        typer.echo(f"share {done[0]}/{done[1]} is trained; {what}, which other shares train", err=True)
        raise SystemExit(0)
    fail(f"time is up, {what}; the same command goes on from here", 3)


def joined(recipes: list[Path], out: Path, data: str | None, *, shared: bool = False) -> "Sweep":
    """Finished recipes as one sweep."""
    from evendistill.experiments.sweep import Sweep

    return Sweep.joined([Sweep.read(derived(recipe, out, data, shared=shared), out) for recipe in recipes])


def derived(
    recipe: Path, out: Path, data: str | None, *, smoke: bool = False, shared: bool = False, to_train: bool = True
) -> Path:
    """The recipe file to run: the one that was given, or one made from it, which is kept beside the runs."""
    from evendistill.experiments import derive
    from evendistill.experiments.recipe import read_recipe

    if data is None and not smoke and not shared:
        return recipe
    check_place(out, instead=ELSEWHERE)
    grid = read_recipe(recipe)
    grid = derive.on_data(grid, data) if data else grid
    grid = derive.shared(grid) if shared else grid
    grid = _trial(grid, to_train=to_train) if smoke else grid
    suffix = (derive.SHARED if shared else "") + (derive.SMOKE if smoke else "")
    return derive.write_recipe(grid, derive.place(recipe, out, suffix=suffix))


def _trial(grid: "GridSpec", *, to_train: bool) -> "GridSpec":
    """The recipe for a trial of seconds; data and networks are looked for if it is to be trained."""
    from evendistill.experiments import derive
    from evendistill.experiments.beginning import machine
    from evendistill.experiments.grid import every_run
    from evendistill.experiments.preflight import check_at_a_glance

    if to_train:
        check_at_a_glance(every_run(grid).values())
    bf16 = machine.has_nvidia() or machine.has_fast_bf16()
    tried = derive.smoke(grid, derive.like(grid.data), bf16=bf16)
    kind, _, shape = tried.data.source.partition(":")
    if to_train and shape:
        typer.echo(f"a trial on {kind} images, {shape} (classes x channels x side)", err=True)
    return tried


def diagnose_recipe(recipe: Path, runs: Path, data: str | None, as_json: bool) -> None:
    """Rank the teachers of a recipe, and say which ranking told what its robust students did."""
    from evendistill.experiments.derive import report_folder
    from evendistill.experiments.ranking import as_json as ranking_as_json
    from evendistill.experiments.ranking import rank
    from evendistill.experiments.report.diagnosis import print_ranking
    from evendistill.experiments.report.teachers import keep_ranking

    ranking = rank(joined([recipe], runs, data))
    told = ranking_as_json(ranking)
    keep_ranking(told, report_folder(recipe, runs))
    if as_json:
        print_json(told)
    else:
        print_ranking(ranking)


def diagnose_teachers(
    paths: list[Path], labels: Path | None, told: dict[str, Any], to: Path | None, as_json: bool
) -> None:
    """Diagnose teachers from run folders or files, and draw one of them if that is asked for."""
    from evendistill.experiments.report.diagnosis import print_diagnosis
    from evendistill.experiments.teachers import diagnosed

    if to is not None:
        check_picture(to)
        if len(paths) > 1:
            raise ValueError(f"--to draws one teacher; got {len(paths)}")
    read, found, plain = diagnosed(paths, labels, **told)
    if to is not None:
        from evendistill.experiments.report.calibration import write_calibration

        write_calibration(read[0], found[0], to)
    if as_json:
        print_json(plain)
    else:
        print_diagnosis(plain)


def check_picture(to: Path) -> None:
    """Raise ``ValueError`` unless a picture can be written there, in a format that is known by its ending."""
    if to.suffix not in PICTURES:
        raise ValueError(f"{to}: pictures are {', '.join(PICTURES)}, by the ending of their name")
    if not to.absolute().parent.is_dir():
        raise ValueError(f"{to}: there is no folder {to.parent}")
    check_place(to.parent, instead="--to writes elsewhere", shown=to)


def check_report_place(to: Path) -> None:
    """Raise ``ValueError`` if the name is that of a file: a report is a folder of several."""
    if to.suffix in FILES and not to.is_dir():
        raise ValueError(
            f"{to}: a report is a folder, into which index.html, table.md, table.csv, table.tex and frontier.svg are "
            "written; give the name of a folder"
        )


def report_on(sweep: "Sweep", folder: Path, as_json: bool, command: str, *, trained: int) -> None:
    """Write the page of a finished sweep and print its tables, or both as JSON."""
    from evendistill.experiments.derive import report_folder
    from evendistill.experiments.report.effects import as_json as effects_as_json
    from evendistill.experiments.report.effects import compare
    from evendistill.experiments.report.page import write_report
    from evendistill.experiments.report.table import as_json as cells_as_json
    from evendistill.experiments.report.table import make_table
    from evendistill.experiments.report.teachers import kept_ranking
    from evendistill.experiments.report.terminal import print_table

    check_place(folder, instead="`evendistill report` writes elsewhere by --to")
    table: Table = make_table(sweep)
    effects = compare(table, sweep.runs)
    ranking = kept_ranking(report_folder(sweep.recipe, sweep.runs, to_write=False))
    told = {"runs": sweep.runs, "command": command, "effects": effects, "ranking": ranking}
    page = write_report(table, folder, **told).resolve()
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
    typer.echo(f"evendistill: {shown(one_line(message))}", err=True)
    raise SystemExit(code)
