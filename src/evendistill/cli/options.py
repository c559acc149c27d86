"""The app, and the arguments that several verbs share."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup


class Verbs(TyperGroup):
    """The verbs; typer would end an interrupted one without a word, and by Ctrl-C's exit code whatever the signal."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - whose context it is, typer's or click's, hangs on the version
        """Run the verb that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            typer.echo("evendistill: interrupted; the same command goes on from here", err=True)
            sys.stdout.flush()
            os._exit(getattr(error, "code", 130))  # Python takes a while to take itself apart, of the seconds promised


app = typer.Typer(
    cls=Verbs,
    help="Distil a teacher into a smaller student without leaving any class behind.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Recipes = Annotated[list[Path], typer.Argument(help="Recipe files (YAML) whose runs are finished.")]
Out = Annotated[Path, typer.Option(help="Folder of run folders, shared by all recipes.")]
DataPath = Annotated[str | None, typer.Option(help="Where the data are, in place of the recipe's source.")]
Shared = Annotated[
    bool, typer.Option("--shared", help="One training for all trade-offs of a side, in place of one for each.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON alone on standard output.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="The most runs at once; by default one a core.")]


def _version(asked: bool) -> None:
    if asked:
        from evendistill import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def evendistill(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Distil a teacher into a smaller student without leaving any class behind."""
