"""Verbs that begin: init and doctor."""

from pathlib import Path
from typing import Annotated

import typer

from evendistill.cli.options import Json, Out, app
from evendistill.experiments.verbs import print_json


@app.command(epilog="Example: evendistill init photos --to first.yaml")
def init(
    data: Annotated[
        str, typer.Argument(help="digits, a folder of images or of parquet files, an .npz file, or a hub id.")
    ],
    to: Annotated[Path, typer.Option(help="The recipe file to write.")] = Path("recipe.yaml"),
    group_column: Annotated[str | None, typer.Option(help="Column of an attribute beside the class.")] = None,
    image_column: Annotated[str | None, typer.Option(help="Column of images, if it has no usual name.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column of classes, likewise.")] = None,
    imbalance: Annotated[
        float | None, typer.Option(help="Thin the training classes to this ratio of largest to smallest.")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(min=1, help="Side to bring images to; chosen where they differ, or are large.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Look at a data set and write a commented recipe for it, which runs as it is."""
    from evendistill.experiments.beginning.first import begin, plain

    columns = {"group_column": group_column, "image_column": image_column, "label_column": label_column}
    first = begin(data, to, force=force, told={**columns, "imbalance": imbalance, "image_size": image_size})
    if as_json:
        print_json(plain(first))
        return
    from evendistill.experiments.beginning.telling import print_first

    print_first(first)


@app.command(epilog="Example: evendistill doctor --out /scratch/runs")
def doctor(out: Out = Path("runs"), as_json: Json = False) -> None:
    """Say what is installed, which device there is, what is wrong, and how to mend it; try a tiny run."""
    from evendistill.experiments.beginning.health import examine, is_fine, plain

    checks = examine(out)
    if as_json:
        print_json(plain(checks))
    else:
        from evendistill.experiments.beginning.bulletin import print_checks

        print_checks(checks)
    if not is_fine(checks):
        raise typer.Exit(1)
