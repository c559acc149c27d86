"""Verbs that train: demo and run."""

import shlex
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from evendistill.cli.options import DataPath, Jobs, Json, Out, Shared, app
from evendistill.experiments.verbs import (
    ELSEWHERE,
    derived,
    print_json,
    sweep_and_report,
)
from evendistill.storage.places import check_place


@app.command(epilog="Example: evendistill demo --seeds 3 --out demo")
def demo(
    seeds: Annotated[int, typer.Option(min=1, help="Repeats of every combination.")] = 3,
    out: Annotated[Path, typer.Option(help="Folder for runs and report.")] = Path("demo"),
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """The main job on embedded data: teachers and students under every objective on long-tailed digits."""
    from evendistill.experiments.demo import write_demo_recipe
    from evendistill.experiments.engines.choice import How

    check_place(out, instead=ELSEWHERE)
    recipe = write_demo_recipe(out, seeds=seeds)
    sweep_and_report(recipe, out / "runs", out / "report", How(jobs=jobs), as_json, f"evendistill demo --seeds {seeds}")


@app.command(epilog="Example: evendistill run recipe.yaml --out runs --jobs 2")
def run(
    recipe: Annotated[Path, typer.Argument(help="Recipe file (YAML).")],
    out: Out = Path("runs"),
    jobs: Jobs = None,
    data: DataPath = None,
    smoke: Annotated[
        bool,
        typer.Option(
            "--smoke", help="Try the recipe in seconds: made-up images of the shape of yours, one epoch, one seed."
        ),
    ] = False,
    shared: Shared = False,
    pack: Annotated[
        int | None, typer.Option(min=1, help="Train so many runs at once in this process instead: for a GPU.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Save and stop after so long; the same command goes on.")
    ] = None,
    engine: Annotated[str, typer.Option(help="Where to train: local, ray or slurm.")] = "local",
    options: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="KEY=VALUE", help="Of the engine: gpus=0.5 for ray, timeout_min=60 for slurm."),
    ] = None,
    cell: Annotated[
        str | None, typer.Option(metavar="K/N", help="Train the K-th of N shares alone: for any array of jobs.")
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what has failed before.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be trained; looks at no data and no network.")
    ] = False,
    timed: Annotated[
        bool,
        typer.Option(
            "--time", help="With --dry-run: say how long it takes, by a few steps of each network on the data."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Train what a recipe asks for and is not there yet; resume what was cut off; report when all is done."""
    from evendistill.experiments.derive import report_folder
    from evendistill.experiments.engines.choice import How
    from evendistill.experiments.engines.told import read_options, read_share

    words = [recipe, *(("--data", data) if data else ()), *(["--smoke"] if smoke else ())]
    words += [*(["--shared"] if shared else ()), "--out", out]
    command = shlex.join(["evendistill", "run", *map(str, words)])
    kind = cast(Literal["local", "ray", "slurm"], engine)
    again = retry_failed or smoke  # a trial is to try
    told = {"options": read_options(options or []), "retry_failed": again, "share": read_share(cell)}
    how = How(kind, jobs=jobs, pack=pack, minutes=minutes, **told)
    if timed and not dry_run:
        raise ValueError("--time goes with --dry-run: what trains says how far it is")
    recipe = derived(recipe, out, data, smoke=smoke, shared=shared, to_train=not dry_run)
    if dry_run:
        from evendistill.experiments.report.going import plan, print_plan

        found = plan(recipe, out, timed=timed, jobs=jobs)
        if as_json:
            print_json(found)
        else:
            print_plan(found, jobs)
    else:
        sweep_and_report(recipe, out, report_folder(recipe, out), how, as_json, command)
