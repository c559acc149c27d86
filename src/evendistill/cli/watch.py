"""Verbs that show runs to other programs: tensorboard."""

from pathlib import Path
from typing import Annotated

import typer

from evendistill.cli.options import Json, app
from evendistill.experiments.verbs import print_json


@app.command(epilog="Example: evendistill tensorboard runs --to board --follow")
def tensorboard(
    runs: Annotated[Path, typer.Argument(help="Folder of run folders, or one run folder.")] = Path("runs"),
    to: Annotated[Path, typer.Option(help="Folder for the event files, one folder a run.")] = Path("board"),
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until every run has finished or failed, or Ctrl-C.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write what runs have logged as event files for TensorBoard; what is there already stays."""
    from evendistill.experiments.mirror import Mirror

    mirror, written = Mirror(runs, to), 0
    try:
        for each in mirror.follow() if follow else [mirror.refresh()]:
            written += each
    except KeyboardInterrupt:  # how one stops looking on
        pass
    if as_json:
        print_json({"runs": mirror.runs, "records": written, "to": str(to.resolve())})
    else:
        typer.echo(f"{written} new records of {mirror.runs} runs; look at them with: tensorboard --logdir {to}")
