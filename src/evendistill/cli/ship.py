"""Verbs that ship a finished run: export and push."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evendistill.cli.options import Json, app
from evendistill.experiments.verbs import fail, print_json

if TYPE_CHECKING:
    from evendistill.experiments.export.agreement import Agreement
    from evendistill.experiments.export.writing import Exported

To = Annotated[Path, typer.Option(help="Folder to write; an earlier export there is replaced.")]


@app.command(epilog="Example: evendistill export runs/1a2b3c4d5e6f-digits-robust-from-standard-t3-s0 --to shipped")
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    to: To,
    alpha: Annotated[
        float | None,
        typer.Option(help="Of a run that serves several trade-offs: any between them; of a balanced run any at all."),
    ] = None,
    data: Annotated[str | None, typer.Option(help="Where the run's data lie now, if they were moved.")] = None,
    license_name: Annotated[
        str, typer.Option("--license", metavar="NAME", help="For the card, as the Hugging Face hub calls it.")
    ] = "other",
    as_json: Json = False,
) -> None:
    """Weights with the shift folded in, ONNX checked against the run on its data, and a model card.

    A network of kind own or timm is made anew to read the weights into: its code is imported and run.
    """
    from evendistill.experiments.export.agreement import TOLERANCE, DisagreementError
    from evendistill.experiments.export.export import export_run
    from evendistill.experiments.export.feeding import feeding

    if alpha is not None:
        from evendistill.experiments.export.alpha import run_at

        run = run_at(run, alpha)
    try:
        done = export_run(run, to, source=data, license_name=license_name)
    except DisagreementError as error:
        fail(str(error), 1)
        return
    if as_json:
        found = {name: vars(each) | {"relative": each.relative} for name, each in _agreements(done).items()}
        fed = {name: done.config[name] for name in ("inputs", "outputs", "class_names")}
        told = {"folder": str(done.folder), "files": done.files, "agreement": found, "tolerance": TOLERANCE}
        print_json(told | fed)
        return
    for name, each in _agreements(done).items():
        typer.echo(
            f"{name}: largest difference {each.difference:.2e} on {each.examples} examples, "
            f"{each.relative:.2e} of the scores' scale {each.scale:.3g} (at most {TOLERANCE:g})"
        )
    typer.echo(feeding(done.config))
    if license_name == "other":
        typer.echo("warning: the card names no licence; --license mit, apache-2.0 or another does", err=True)
    typer.echo(f"exported: {done.folder}")


@app.command(epilog="Example: evendistill push shipped --repo user/name --private")
def push(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that evendistill export made.")],
    repo: Annotated[str, typer.Option(help="user/name on the Hugging Face hub; made if it is not there.")],
    private: Annotated[bool, typer.Option("--private", help="Only for who is let in.")] = False,
    as_json: Json = False,
) -> None:
    """Upload an exported folder to the Hugging Face hub, under the token of HF_TOKEN or of `hf auth login`."""
    from evendistill.experiments.export.push import push as upload

    url = upload(folder, repo, private=private)
    if as_json:
        print_json({"repo": repo, "url": url})
    else:
        typer.echo(f"pushed: {url}")


def _agreements(done: "Exported") -> "dict[str, Agreement]":
    return {"model.onnx": done.onnx, "model.safetensors": done.weights}
