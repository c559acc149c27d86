"""Verbs that judge scores: evaluate and diagnose."""

from pathlib import Path
from typing import Annotated

import typer

from evendistill.cli.options import DataPath, Json, Out, app
from evendistill.experiments.verbs import (
    diagnose_recipe,
    diagnose_teachers,
    print_json,
)


@app.command(epilog="Example: evendistill evaluate predictions.npz    (arrays: scores, N x C, and labels, N)")
def evaluate(
    scores: Annotated[Path, typer.Argument(help=".npz with arrays scores and labels, or .npy or .csv of scores.")],
    labels: Annotated[Path | None, typer.Option(help=".npy or .csv of labels, if not in the same file.")] = None,
    groups: Annotated[
        Path | None, typer.Option(help="The same of groups, to be judged in the place of classes.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Per-class metrics of anyone's scores against labels."""
    from evendistill.experiments.arrays import read_groups, read_scores
    from evendistill.training.evaluation import evaluate as evaluate_scores
    from evendistill.training.evidence import evidence

    metrics = evaluate_scores(*read_scores(scores, labels), None if groups is None else read_groups(groups))
    found, worst = evidence(metrics), metrics.worst_class_interval()
    if as_json:
        print_json({**found, "worst_class_interval": vars(worst)})
        return
    from evendistill.experiments.report.terminal import print_metrics

    print_metrics(found, worst, "class" if groups is None else "group")


@app.command(epilog="Examples: evendistill diagnose teacher.npz    evendistill diagnose recipe.yaml --out runs")
def diagnose(
    teachers: Annotated[
        list[Path],
        typer.Argument(
            help="Teachers: run folders, or files of scores on held-out examples (.npz or parquet with scores, N x C, "
            "and labels, N; or .npy or .csv of scores). Or one recipe: its teachers are ranked, and judged by its runs."
        ),
    ],
    labels: Annotated[Path | None, typer.Option(help=".npy or .csv of labels, if not in the same files.")] = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="The files hold probabilities.")] = False,
    temperature: Annotated[float, typer.Option(help="Divides raw scores.")] = 1.0,
    to: Annotated[Path | None, typer.Option(help="Draw the one teacher: .svg, .pdf or .png.")] = None,
    out: Out = Path("runs"),
    data: DataPath = None,
    as_json: Json = False,
) -> None:
    """How well teachers are calibrated on each class, and how they rank as teachers of a robust student."""
    recipes = [path for path in teachers if path.suffix in (".yaml", ".yml")]
    if recipes and len(teachers) > 1:
        raise ValueError(f"give one recipe alone, or files and run folders; got {recipes[0]} among {len(teachers)}")
    if recipes:
        if labels or to or probabilities or temperature != 1:
            raise ValueError("a recipe has labels and temperatures of its own; leave --labels, --to and the like out")
        diagnose_recipe(teachers[0], out, data, as_json)
        return
    told = {"probabilities": probabilities, "temperature": temperature}
    diagnose_teachers(teachers, labels, told, to, as_json)
