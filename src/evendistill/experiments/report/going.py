"""What a terminal shows of a sweep before, while and after it goes on."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from evendistill.data.wording import shown
from evendistill.experiments.driving import TEACHER_FAILED
from evendistill.experiments.engines.engine import Outcome
from evendistill.experiments.sweep import Sweep


def plan(recipe: Path, runs: Path) -> dict[str, Any]:
    """How many runs a recipe asks for, and the names of those that are missing."""
    sweep = Sweep.read(recipe, runs)
    return {"runs": len(sweep.needed), "missing": [spec.folder_name for spec in sweep.missing().values()]}


def print_failures(sweep: Sweep, failed: list[Outcome]) -> None:
    """One line for each cause; students that were not tried are counted before."""
    causes: dict[str, list[str]] = {}
    for outcome in failed:
        causes.setdefault(outcome.error or "", []).append(sweep.needed[outcome.hash].folder_name)
    orphans = causes.pop(TEACHER_FAILED, [])
    if orphans:
        typer.echo(f"{len(orphans)} students were not trained, since their teacher failed", err=True)
    if any(outcome.is_elsewhere for outcome in failed):
        typer.echo("what has failed before was not tried again; --retry-failed does that", err=True)
    for error, names in causes.items():
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        typer.echo(f"failed: {names[0]}{others}: {shown(error)}", err=True)


@contextmanager
def progress(count: int, missing: int) -> Iterator[Callable[[object], None]]:
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
