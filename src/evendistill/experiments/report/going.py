"""What a terminal shows of a sweep before, while and after it goes on."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, TypeGuard

import typer

from evendistill.data.wording import shown
from evendistill.experiments.driving import TEACHER_FAILED
from evendistill.experiments.engines.engine import Outcome
from evendistill.experiments.processes import cores
from evendistill.experiments.sweep import Sweep
from evendistill.storage.owners import owner_of

EVERY = 2.0  # seconds between two looks at the runs, on a terminal
MOST_BEGUN = 8  # of which a line tells
EVERY_LINE = 30.0  # seconds between two lines elsewhere: a file should not grow long


def plan(recipe: Path, runs: Path, *, timed: bool = False, jobs: int | None = None) -> dict[str, Any]:
    """How many runs a recipe asks for, and the names of those that are missing.

    Args:
        recipe: its file.
        runs: folder of all runs.
        timed: whether to say how many ``seconds`` they take; loads the data, and makes and tries the networks.
        jobs: runs at once; one a core if None.
    """
    sweep = Sweep.read(recipe, runs)
    missing = sweep.missing().values()
    found = {"runs": len(sweep.needed), "missing": [spec.folder_name for spec in missing]}
    if not timed:
        return found
    if not missing:
        return found | {"seconds": 0.0}
    from evendistill.experiments.beginning.timed import seconds_side_by_side

    return found | {"seconds": seconds_side_by_side(list(missing), jobs or cores())}


def print_plan(found: dict[str, Any], jobs: int | None) -> None:
    """The missing runs on standard output, their number and perhaps their time on standard error."""
    typer.echo("".join(f"{name}\n" for name in found["missing"]), nl=False)
    often = "; --time says how long that takes" if found["missing"] else ""
    if "seconds" in found:
        from evendistill.experiments.beginning.pace import about

        often = f", {about(found['seconds'], jobs)} on this machine" if found["missing"] else ""
    typer.echo(f"{len(found['missing'])} of {found['runs']} runs to train{often}", err=True)


def print_failures(sweep: Sweep, failed: list[Outcome]) -> None:
    """One line for each cause; students that were not tried are counted before."""
    causes: dict[tuple[str, str], list[str]] = {}
    for outcome in failed:
        when = "failed earlier" if outcome.is_elsewhere else "failed"
        causes.setdefault((when, outcome.error or ""), []).append(sweep.needed[outcome.hash].folder_name)
    orphans = causes.pop(("failed", TEACHER_FAILED), [])
    if orphans:
        typer.echo(f"{len(orphans)} students were not trained, since their teacher failed", err=True)
    if any(outcome.is_elsewhere for outcome in failed):
        typer.echo("what has failed before was not tried again; --retry-failed does that", err=True)
    for (when, error), names in causes.items():
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        typer.echo(f"{when}: {names[0]}{others}: {shown(error)}", err=True)


@contextmanager
def progress(sweep: Sweep) -> Iterator[None]:
    """Say how far a sweep is, on standard error: a bar on a terminal, fed by the steps of runs; lines elsewhere.

    Only its own thread looks at the runs, now and then, so that a sweep of many hands them out no more slowly.
    """
    count, missing = len(sweep.needed), sweep.missing()
    typer.echo(f"{count} runs, {count - len(missing)} finished already, {len(missing)} to train", err=True)
    if not missing:
        yield
        return
    folders = [sweep.runs / spec.folder_name for spec in missing.values()]
    with _told_in_bar(len(folders)) if sys.stderr.isatty() else _told_in_lines(len(folders)) as (every, tell):
        over = Event()
        looking = Thread(target=_look, args=(folders, over, every, tell), daemon=True)
        looking.start()
        try:
            yield
        finally:
            over.set()
            looking.join()


Tell = Callable[[int, list[float]], object]
"""What is done with how many runs are finished, and with the shares that others have trained of themselves."""


def _look(folders: list[Path], over: Event, every: float, tell: Tell) -> None:
    left = folders
    while not over.wait(every):
        left = [folder for folder in left if not (folder / "DONE").is_file()]
        tell(len(folders) - len(left), [share for share in map(begun, left) if share])


@contextmanager
def _told_in_bar(total: int) -> Iterator[tuple[float, Tell]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("training", total=total)
        yield EVERY, lambda finished, parts: bar.update(task, completed=finished + sum(parts))


@contextmanager
def _told_in_lines(total: int) -> Iterator[tuple[float, Tell]]:
    start = time.monotonic()

    def tell(finished: int, parts: list[float]) -> None:
        others = f", begun are {', '.join(f'{share:.0%}' for share in parts[:MOST_BEGUN])}" if parts else ""
        minutes = (time.monotonic() - start) / 60
        typer.echo(f"{finished} of {total} trained{others}; {minutes:.1f} minutes", err=True)

    yield EVERY_LINE, tell


def begun(folder: Path) -> float:
    """The share of its steps that an unfinished run has trained, as its lease says."""
    owner = owner_of(folder)
    if owner is None or not _is_count(owner.step) or not _is_count(owner.steps):
        return 0.0
    return min(1.0, owner.step / owner.steps)


def _is_count(told: object) -> TypeGuard[int]:
    """What a lease says may be anything, in a folder that came from others."""
    return isinstance(told, int) and not isinstance(told, bool) and told > 0
