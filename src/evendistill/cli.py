"""The command line: parses, calls, prints."""

import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evendistill.experiments.processes import first_process_speaks, is_first_process

if TYPE_CHECKING:
    from evendistill.experiments.engines import Outcome
    from evendistill.experiments.report.table import Table
    from evendistill.experiments.sweep import Sweep

app = typer.Typer(
    help="Distil a teacher into a smaller student without leaving any class behind.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON alone on standard output.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Processes to train in; by default one a core.")]


def _version(asked: bool) -> None:
    if asked:
        from evendistill import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def evendistill(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Distil a teacher into a smaller student without leaving any class behind."""


@app.command(epilog="Example: evendistill demo --seeds 3 --out demo")
def demo(
    seeds: Annotated[int, typer.Option(min=1, help="Repeats of every combination.")] = 3,
    out: Annotated[Path, typer.Option(help="Folder for runs and report.")] = Path("demo"),
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """The main job on embedded data: teachers and students under every objective on long-tailed digits."""
    from evendistill.experiments.demo import write_demo_recipe

    recipe = write_demo_recipe(out, seeds=seeds)
    told = {"jobs": jobs or _cores()}
    _sweep_and_report(recipe, out / "runs", out / "report", told, as_json, f"evendistill demo --seeds {seeds}")


@app.command(epilog="Example: evendistill run recipe.yaml --out runs --jobs 2")
def run(
    recipe: Annotated[Path, typer.Argument(help="Recipe file (YAML).")],
    out: Annotated[Path, typer.Option(help="Folder of run folders, shared by all recipes.")] = Path("runs"),
    jobs: Jobs = None,
    data: Annotated[str | None, typer.Option(help="Where the data are, in place of the recipe's source.")] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Try the recipe in seconds: made-up images, one epoch, one seed.")
    ] = False,
    pack: Annotated[
        int | None, typer.Option(min=1, help="Train so many runs at once in this process instead: for a GPU.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Save and stop after so long; the same command goes on.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be trained, train nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Train what a recipe asks for and is not there yet; resume what was cut off; report when all is done."""
    added = (f" --data {data}" if data else "") + (" --smoke" if smoke else "")
    command = f"evendistill run {recipe}{added} --out {out}"
    recipe = _derived(recipe, out, data, smoke)
    if dry_run:
        _print_plan(recipe, out, as_json)
    else:
        told = {"jobs": jobs or _cores(), "pack": pack, "minutes": minutes}
        _sweep_and_report(recipe, out, out / "reports" / recipe.stem, told, as_json, command)


@app.command(epilog="Example: evendistill status runs")
def status(
    runs: Annotated[Path, typer.Argument(help="Folder of run folders.")] = Path("runs"), as_json: Json = False
) -> None:
    """What is finished, failed or cut off in a folder of runs."""
    from evendistill.experiments.status import read_status

    found = read_status(runs)
    if as_json:
        _print_json({"runs": [{"folder": str(entry.folder), **entry.plain()} for entry in found]})
        return
    for entry in found:
        typer.echo(f"{entry.state:<9} {entry.folder.name}" + (f"  {entry.note}" if entry.note else ""))
    counts = {state: sum(entry.state == state for entry in found) for state in ("finished", "failed", "started")}
    typer.echo(", ".join(f"{count} {state}" for state, count in counts.items()))


@app.command(epilog="Example: evendistill evaluate predictions.npz    (arrays: scores, N x C, and labels, N)")
def evaluate(
    scores: Annotated[Path, typer.Argument(help=".npz with arrays scores and labels, or .npy or .csv of scores.")],
    labels: Annotated[Path | None, typer.Option(help=".npy or .csv of labels, if not in the same file.")] = None,
    as_json: Json = False,
) -> None:
    """Per-class metrics of anyone's scores against labels."""
    from evendistill.experiments.arrays import read_scores
    from evendistill.training.evaluation import evaluate as evaluate_scores
    from evendistill.training.evidence import evidence

    metrics = evaluate_scores(*read_scores(scores, labels))
    found, worst = evidence(metrics), metrics.worst_class_interval()
    if as_json:
        _print_json({**found, "worst_class_interval": vars(worst)})
        return
    from evendistill.experiments.report.terminal import print_metrics

    print_metrics(found, worst)


def main() -> None:
    """Run the command line; whatever is wrong with the input becomes one line and exit code 2."""
    warnings.showwarning = lambda message, *_: typer.echo(f"warning: {message}", err=True)
    try:
        with first_process_speaks():
            app(standalone_mode=True)
    except (ValueError, FloatingPointError, FileNotFoundError, NotADirectoryError, PermissionError) as error:
        if os.environ.get("EVENDISTILL_TRACEBACK"):
            raise
        _fail(str(error), 2)
    except OSError as error:
        _fail(str(error), 1)
    except KeyboardInterrupt:
        _fail("interrupted; the same command goes on from here", 130)


def _sweep_and_report(
    recipe: Path, runs: Path, report: Path, told: dict[str, Any], as_json: bool, command: str
) -> None:
    from evendistill.experiments.sweep import Sweep

    sweep = Sweep.read(recipe, runs)
    if runs.exists() and not runs.is_dir():
        raise ValueError(f"{runs} is a file; runs need a folder")
    missing = len(sweep.missing())
    with _progress(len(sweep.needed), missing) as on_outcome:
        outcomes = sweep.train(on_outcome=on_outcome, **told)
    if not is_first_process():
        return
    failed = [outcome for outcome in outcomes if outcome.error]
    if failed:
        _print_failures(sweep, failed)
        raise SystemExit(2 if all(outcome.is_input for outcome in failed) else 1)
    if still := len(sweep.missing()):
        _fail(f"time is up, {still} of {len(sweep.needed)} runs are unfinished; the same command goes on from here", 3)
    _report(sweep, report, as_json, command, trained=missing)


def _derived(recipe: Path, out: Path, data: str | None, smoke: bool) -> Path:
    """The recipe file to run: the one that was given, or one made from it, which is kept beside the runs."""
    from evendistill.experiments import derive
    from evendistill.experiments.recipe import read_recipe

    if data is None and not smoke:
        return recipe
    grid = read_recipe(recipe)
    grid = derive.on_data(grid, data) if data else grid
    grid = derive.smoke(grid) if smoke else grid
    return derive.write_recipe(grid, out / "recipes" / f"{recipe.stem}{'-smoke' if smoke else ''}.yaml")


def _print_failures(sweep: "Sweep", failed: "list[Outcome]") -> None:
    """One line for each cause; students that were not tried are counted before."""
    from evendistill.experiments.engines import TEACHER_FAILED

    causes: dict[str, list[str]] = {}
    for outcome in failed:
        causes.setdefault(outcome.error or "", []).append(sweep.needed[outcome.hash].folder_name)
    orphans = causes.pop(TEACHER_FAILED, [])
    if orphans:
        typer.echo(f"{len(orphans)} students were not trained, since their teacher failed", err=True)
    for error, names in causes.items():
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        typer.echo(f"failed: {names[0]}{others}: {error}", err=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _report(sweep: "Sweep", folder: Path, as_json: bool, command: str, *, trained: int) -> None:
    from evendistill.experiments.report.page import write_report
    from evendistill.experiments.report.table import as_json as cells_as_json
    from evendistill.experiments.report.table import make_table
    from evendistill.experiments.report.terminal import print_table

    table: Table = make_table(sweep)
    page = write_report(table, folder, command=command).resolve()
    if as_json:
        _print_json({"cells": cells_as_json(table), "command": command, "report": str(page), "trained": trained})
    else:
        print_table(table, page)


def _print_plan(recipe: Path, out: Path, as_json: bool) -> None:
    from evendistill.experiments.sweep import Sweep

    sweep = Sweep.read(recipe, out)
    missing = [spec.folder_name for spec in sweep.missing().values()]
    if as_json:
        _print_json({"runs": len(sweep.needed), "missing": missing})
        return
    for name in missing:
        typer.echo(name)
    typer.echo(f"{len(missing)} of {len(sweep.needed)} runs to train", err=True)


@contextmanager
def _progress(count: int, missing: int) -> "Iterator[Any]":
    """Say how far a sweep is, on standard error: a bar on a terminal, a line before and after elsewhere."""
    typer.echo(f"{count} runs, {count - missing} finished already, {missing} to train", err=True)
    if not missing or not sys.stderr.isatty():
        yield lambda outcome: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("training", total=missing)
        yield lambda outcome: bar.advance(task)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, allow_nan=False))


def _fail(message: str, code: int) -> None:
    typer.echo(f"evendistill: {' '.join(message.split())}", err=True)
    raise SystemExit(code)
