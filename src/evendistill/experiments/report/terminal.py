"""Tables for a terminal."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

from evendistill.experiments.report.table import Table, caption, entry, grid_of, to_ship
from evendistill.experiments.report.verdict import verdict
from evendistill.maths.intervals import WorstClassInterval


def print_table(table: Table, page: Path) -> None:
    """Print the paper's table, what it says, and where the page is."""
    console = Console()
    teachers, lines = grid_of(table)
    grid = Grid("student", *(f"{name} teacher" for name in teachers), title=table.name, caption=caption(table))
    for name, rows in lines:
        lines_of = [
            entry(row).replace(" (", "\n(") for row in rows
        ]  # average below, or 80 columns would break it anywhere
        marked = [
            f"[bold]{text}[/bold]" if row and row.selected else text for row, text in zip(rows, lines_of, strict=True)
        ]
        grid.add_row(name, *marked)
    console.print(grid)
    console.print(verdict(table), highlight=False)
    console.print(to_ship(table), highlight=False, soft_wrap=True)
    console.print(f"report: {page}", highlight=False, soft_wrap=True)


def print_metrics(found: dict[str, Any], worst: WorstClassInterval) -> None:
    """Print per-class recalls with their intervals, and the summaries."""
    console = Console()
    grid = Grid("class", "examples", "recall %", "95 % interval (Wilson)")
    for label, recall in enumerate(found["recalls"]):
        lower, upper = found["recall_lower"][label], found["recall_upper"][label]
        shown = ("absent", "") if recall is None else (f"{100 * recall:.1f}", f"{100 * lower:.1f} to {100 * upper:.1f}")
        grid.add_row(str(label), str(found["total"][label]), *shown)
    console.print(grid)
    console.print(
        f"average accuracy {100 * found['average_accuracy']:.1f} %, accuracy {100 * found['accuracy']:.1f} %, "
        f"harmonic mean of recalls {100 * found['harmonic_mean']:.1f} %"
    )
    console.print(
        f"worst class {found['worst_class']}: {100 * worst.estimate:.1f} %, 95 % bootstrap interval "
        f"{100 * worst.lower:.1f} to {100 * worst.upper:.1f}, bias of the least recall {100 * worst.bias:+.1f} points"
    )
