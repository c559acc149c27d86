"""What a terminal shows of a folder of runs: how many are finished, which need a look, what could go."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from evendistill.experiments.cleaning import KINDS, Removable
from evendistill.experiments.status import STATES, Entry
from evendistill.experiments.yamlfile import printable

WIDE = 250
QUIET = ("waiting", "finished")


def print_status(entries: Sequence[Entry], *, every: bool) -> None:
    """A line for each run that is not waiting or finished, or for every one, and the counts."""
    shown = [entry for entry in entries if every or entry.state not in QUIET]
    console = Console()
    if not console.is_terminal:  # a file or another program: no name is broken into two lines
        console = Console(width=WIDE)
    if shown:
        grid = Grid("state", "run", "step", "left", "note", box=None, pad_edge=False)
        for entry in shown:
            left = "" if entry.seconds_left is None else spell(entry.seconds_left)
            name, note = printable(entry.folder.name), printable(entry.note or "")
            grid.add_row(entry.state, Text(name, overflow="fold"), _steps(entry), left, Text(note, overflow="fold"))
        console.print(grid)
    counts = {state: sum(entry.state == state for entry in entries) for state in STATES}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count or state == "finished")
    console.print(f"{told}; {human(sum(entry.bytes for entry in entries))} on disk", highlight=False, soft_wrap=True)


def print_removable(items: Sequence[Removable]) -> None:
    """What could go, and how much that is."""
    console = Console()
    for item in items:
        line = f"{item.kind:<8} {human(item.bytes):>9}  {printable(str(item.path))}"
        console.print(Text(line), soft_wrap=True)
    counts = {kind: sum(item.kind == kind for item in items) for kind in KINDS}
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    console.print(f"{told}: {human(sum(item.bytes for item in items))}", highlight=False, soft_wrap=True)


def spell(seconds: float) -> str:
    """A time as people say it: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def human(count: float) -> str:
    """Bytes as people say them: ``12.3 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _steps(entry: Entry) -> str:
    return "" if entry.step is None or entry.steps is None else f"{entry.step}/{entry.steps}"
