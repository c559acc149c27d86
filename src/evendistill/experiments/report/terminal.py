"""Tables for a terminal."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from evendistill.data.wording import shown
from evendistill.experiments.report.claims import claims
from evendistill.experiments.report.layout import caption, entry, grid_of
from evendistill.experiments.report.methods import choice, methods
from evendistill.experiments.report.narrow import blocks, narrow
from evendistill.experiments.report.standing import standings, volumes
from evendistill.experiments.report.table import Row, Table, to_ship
from evendistill.experiments.report.verdict import verdict
from evendistill.maths.least import WorstClassInterval

FIRST, ENTRY = 24, 15  # letters of a student's name and of an entry with its star


def print_table(table: Table, page: Path) -> None:
    """Print the paper's table, what it says, and where the page is."""
    console = Console()
    head, lines = grid_of(table)
    for part in blocks(len(head) - 1, first=FIRST, each=ENTRY, width=console.width):
        last = part.stop == len(head) - 1
        grid = Grid(head[0], *head[1:][part], title=table.name, caption=caption(table) if last else None)
        for name, rows in lines:
            if any(rows[part]):  # where the table is cut, a part may have nothing to say of a student
                grid.add_row(name, *map(_entry, rows[part]))
        console.print(grid)
    print_methods(table)
    console.print(verdict(table), highlight=False)
    console.print(to_ship(table), highlight=False, soft_wrap=True)
    console.print(Text(f"report: {shown(page)}"), soft_wrap=True)


def _entry(row: Row | None) -> str:
    text = entry(row).replace(" (", "\n(")  # average below, or 80 columns would break it anywhere
    return f"[bold]{text}[/bold]" if row and row.selected else text


def print_methods(table: Table) -> None:
    """Print every baseline beside the selected student, and the paper's claims with their verdicts."""
    if not table.baselines:
        return
    console = Console()
    numbers = f"{_worst(table)} %", "average %", "on validation %"
    grid = narrow(["method"], numbers, last=["chosen there"], width=console.width)
    for row in methods(table):
        title = f"[bold]{escape(row.title)} ★[/bold]" if row.selected else escape(row.title)
        found = row.test.robust.percent(), row.test.average.percent(), row.validation.robust.percent()
        grid.add_row(title, *found, choice(row.cell))
    console.print(grid)
    for claim in () if table.is_smoke else claims(table):  # noise keeps and breaks claims at random
        console.print(f"{claim.verdict}: {claim.text} ({claim.evidence})", highlight=False, markup=False)


def _worst(table: Table) -> str:
    """The robust metric in a head."""
    return table.robust_name.removesuffix(" accuracy")


def print_standings(table: Table) -> None:
    """Print where every student and baseline stands towards the frontier, and the areas."""
    console = Console()
    grid = narrow(
        ["combination"], ["average %", f"{_worst(table)} %"], last=["standing among these"], width=console.width
    )
    for each in standings(table):
        title = f"[bold]{escape(each.row.title)} ★[/bold]" if each.row.selected else escape(each.row.title)
        grid.add_row(title, each.row.test.average.percent(), each.row.test.robust.percent(), escape(each.words))
    console.print(grid)
    areas = ", ".join(f"{name} {volume:.4f}" for name, volume in volumes(table).items())
    console.print(f"area under the frontier, from 0 and 0 in fractions: {areas}", highlight=False)
    console.print(f"epochs trained for it, teachers included: {table.epochs:,}", highlight=False)


def print_choice(chosen: dict[str, Any]) -> None:
    """Print what a rule chose and what validation found."""
    console, percent = Console(), {}
    for name in ("average", "worst_class"):
        found = chosen[f"validation_{name}_accuracy"]
        percent[name] = f"{100 * found['mean']:.1f}" + ("" if found["se"] is None else f" ± {100 * found['se']:.1f}")
    labels = f", {chosen['validation_labels']}-labelled" if chosen["validation_labels"] else ""
    interval = chosen["validation_worst_class_interval"]
    within = interval and (
        f" (95 % bootstrap interval of the first run {100 * interval['lower']:.1f} to {100 * interval['upper']:.1f})"
    )
    lines = [
        f"rule: {chosen['rule']}",
        f"chosen: {chosen['student']}{labels} student of {chosen['teacher']} teacher, T {chosen['temperature']:g}",
        f"on validation: worst {percent['worst_class']} %{within or ''}, average {percent['average']} %",
        *(f"on validation: {said}" for said in chosen["classes_in_words"]),
        *(f"run: {name}" for name in chosen["runs"]),
    ]
    if better := chosen["better"]:
        worst, average = (100 * better[f"validation_{name}_accuracy"]["mean"] for name in ("worst_class", "average"))
        lines += [
            f"before it by the same rule, there to be compared with: {better['title']}",
            f"on validation: worst {worst:.1f} %, average {average:.1f} %",
            f"its run: {better['runs'][0]}",
        ]
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def print_metrics(found: dict[str, Any], worst: WorstClassInterval, kind: str = "class") -> None:
    """Print the recall of each class, or group, with its interval, and the summaries."""
    console = Console()
    grid = Grid(kind, "examples", "recall %", "95 % interval (Wilson)")
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
        f"worst {kind} {found['worst_class']}: {100 * worst.estimate:.1f} %, 95 % bootstrap interval "
        f"{100 * worst.lower:.1f} to {100 * worst.upper:.1f}, bias of the least recall {100 * worst.bias:+.1f} points"
    )
