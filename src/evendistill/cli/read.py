"""Verbs that read folders of runs: report, select, frontier, status, clean."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from evendistill.cli.options import DataPath, Json, Out, Recipes, Shared, app
from evendistill.experiments.processes import short_lived
from evendistill.experiments.verbs import (
    check_picture,
    check_report_place,
    derived,
    joined,
    print_json,
    report_on,
    train_missing,
)

Runs = Annotated[Path, typer.Argument(help="Folder of run folders.")]
RULES = {
    "paper": "best robust metric among those with the average of standard distillation, less its error",
    "best-robust": "best robust metric",
    "weighted-sum": "best sum of robust metric and average",
    "average-above": "best average among those with a robust metric of at least the floor",
    "robust-above": "best robust metric among those with an average of at least the floor",
}


@app.command(epilog="Example: evendistill report recipe.yaml --out runs")
@short_lived()
def report(
    recipes: Recipes,
    out: Out = Path("runs"),
    data: DataPath = None,
    shared: Shared = False,
    to: Annotated[Path | None, typer.Option(help="Folder for the page; by default beside the runs.")] = None,
    as_json: Json = False,
) -> None:
    """The tables and the page of finished recipes; several share one table if they are comparable."""
    from evendistill.experiments.derive import report_folder

    if to is not None:
        check_report_place(to)
    sweep = joined(recipes, out, data, shared=shared)
    words = [*recipes, *(("--data", data) if data else ()), *(["--shared"] if shared else ()), "--out", out]
    command = shlex.join(["evendistill", "report", *map(str, words)])
    place = to or report_folder(sweep.recipe if shared else recipes[0], out)
    report_on(sweep, place, as_json, command, trained=0)


@app.command(epilog="Example: evendistill select recipe.yaml --rule average-above --floor 0.7")
@short_lived()
def select(
    recipes: Recipes,
    out: Out = Path("runs"),
    data: DataPath = None,
    shared: Shared = False,
    rule: Annotated[
        str | None,
        typer.Option(
            help=f"{'; '.join(f'{name}: {words}' for name, words in RULES.items())}. By default the recipe's. The "
            "robust metric is the accuracy of the worst class, or of the worst robust_k."
        ),
    ] = None,
    factor: Annotated[float | None, typer.Option(help="Of the standard error, for paper.")] = None,
    weight: Annotated[float | None, typer.Option(help="Of the robust metric, for weighted-sum.")] = None,
    floor: Annotated[float | None, typer.Option(help="From 0 to 1, for average-above and robust-above.")] = None,
    as_json: Json = False,
) -> None:
    """Which student to ship, by a rule on validation alone."""
    from evendistill.experiments.chosen import choice
    from evendistill.experiments.report.terminal import print_choice
    from evendistill.experiments.rules import told

    sweep = joined(recipes, out, data, shared=shared)
    chosen = choice(sweep, told(rule, factor, weight, floor) or sweep.grid.selection)
    if as_json:
        print_json(chosen)
    else:
        print_choice(chosen)


@app.command(epilog="Example: evendistill frontier recipe.yaml --out runs --to frontier.pdf")
def frontier(
    recipes: Recipes,
    out: Out = Path("runs"),
    data: DataPath = None,
    shared: Shared = False,
    to: Annotated[Path | None, typer.Option(help="Draw it: .svg, .pdf or .png.")] = None,
    as_json: Json = False,
) -> None:
    """The Pareto frontier on test: who is on it, who is beaten beyond noise, and its area.

    With --shared what is missing is trained first: the whole frontier for the price of a few runs.
    """
    from evendistill.experiments.report import standing
    from evendistill.experiments.report.frontier_picture import write_frontier
    from evendistill.experiments.report.table import make_table
    from evendistill.experiments.report.terminal import print_standings

    if to is not None:
        check_picture(to)
    if shared:
        for recipe in recipes:
            train_missing(derived(recipe, out, data, shared=True), out)
    table = make_table(joined(recipes, out, data, shared=shared))
    if to is not None:
        write_frontier(table, to)
    if as_json:
        print_json(standing.as_json(table))
    else:
        print_standings(table)
        if to is not None:
            typer.echo(f"written: {to}", err=True)


@app.command(epilog="Example: evendistill status runs")
@short_lived()
def status(
    runs: Runs = Path("runs"),
    every: Annotated[bool, typer.Option("--all", help="Name the finished and the waiting runs too.")] = False,
    as_json: Json = False,
) -> None:
    """What is running, how far and for how long; what failed and why; what waits and is finished; disk used."""
    from evendistill.experiments.report.inventory import print_status
    from evendistill.experiments.status import STATES, expected_runs, read_status

    found = read_status(runs, expected_runs(runs))
    if as_json:
        counts = {state: sum(entry.state == state for entry in found) for state in STATES}
        size = sum(entry.bytes for entry in found)
        print_json({"runs": [entry.plain() for entry in found], "counts": counts, "bytes": size})
    else:
        print_status(found, every=every)


@app.command(epilog="Example: evendistill clean runs --only failed --yes")
def clean(
    runs: Runs = Path("runs"),
    only: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="failed, cut-off or leftover; by default all three.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it, only say what would go.")] = False,
    as_json: Json = False,
) -> None:
    """List, or delete, unfinished runs that nobody is training and files left behind; never what is finished."""
    from evendistill.experiments.cleaning import KINDS, removable, remove
    from evendistill.experiments.report.inventory import print_removable

    kinds = [kind.replace("-", " ") for kind in only or KINDS]
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise ValueError(f"there is nothing called {unknown[0]!r} to clean; there are failed, cut-off and leftover")
    found = [item for item in removable(runs) if item.kind in kinds]
    gone = [item for item in found if yes and remove(item)]
    if as_json:
        told = [{"path": str(item.path), "kind": item.kind, "bytes": item.bytes} for item in (gone if yes else found)]
        print_json({"removed" if yes else "removable": told})
    else:
        print_removable(gone if yes else found)
        typer.echo("deleted" if yes else "nothing was deleted; --yes deletes", err=True)
