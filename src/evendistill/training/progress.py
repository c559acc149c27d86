"""A progress bar on a terminal, nothing elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from evendistill.models.ranks import Ranks


@contextmanager
def progress_bar(title: str, *, enabled: bool) -> Iterator[Callable[[int, int], None]]:
    """A function of steps done and steps in all that moves a bar on standard error, if that is a terminal."""
    if not (enabled and sys.stderr.isatty() and Ranks.here().is_first):
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
