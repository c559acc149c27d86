"""The command line: parses, calls, prints."""

import os
import warnings
from pathlib import Path
from typing import Annotated

import typer

from evendistill.experiments.processes import first_process_speaks
from evendistill.experiments.verbs import (
    cores,
    derived,
    diagnose_recipe,
    diagnose_teachers,
    fail,
    joined,
    print_json,
    report_on,
    sweep_and_report,
)

RULES = ("paper", "best-robust", "weighted-sum", "average-above", "robust-above")

app = typer.Typer(
    help="Distil a teacher into a smaller student without leaving any class behind.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Recipes = Annotated[list[Path], typer.Argument(help="Recipe files (YAML) whose runs are finished.")]
Out = Annotated[Path, typer.Option(help="Folder of run folders, shared by all recipes.")]
DataPath = Annotated[str | None, typer.Option(help="Where the data are, in place of the recipe's source.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON alone on standard output.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Processes to train in; by default one a core.")]


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


@app.command(epilog="Example: evendistill demo --seeds 3 --out demo")
def demo(
    seeds: Annotated[int, typer.Option(min=1, help="Repeats of every combination.")] = 3,
    out: Annotated[Path, typer.Option(help="Folder for runs and report.")] = Path("demo"),
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """The main job on embedded data: teachers and students under every objective on long-tailed digits."""
    from evendistill.experiments.demo import write_demo_recipe

    recipe = write_demo_recipe(out, seeds=seeds)
    told = {"jobs": jobs or cores(), "pack": None, "minutes": None}
    sweep_and_report(recipe, out / "runs", out / "report", told, as_json, f"evendistill demo --seeds {seeds}")


@app.command(epilog="Example: evendistill run recipe.yaml --out runs --jobs 2")
def run(
    recipe: Annotated[Path, typer.Argument(help="Recipe file (YAML).")],
    out: Out = Path("runs"),
    jobs: Jobs = None,
    data: DataPath = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Try the recipe in seconds: made-up images, one epoch, one seed.")
    ] = False,
    pack: Annotated[
        int | None, typer.Option(min=1, help="Train so many runs at once in this process instead: for a GPU.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Save and stop after so long; the same command goes on.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be trained, train nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Train what a recipe asks for and is not there yet; resume what was cut off; report when all is done."""
    added = (f" --data {data}" if data else "") + (" --smoke" if smoke else "")
    command = f"evendistill run {recipe}{added} --out {out}"
    recipe = derived(recipe, out, data, smoke)
    if dry_run:
        from evendistill.experiments.report.going import plan

        found = plan(recipe, out)
        if as_json:
            print_json(found)
            return
        typer.echo("".join(f"{name}\n" for name in found["missing"]), nl=False)
        typer.echo(f"{len(found['missing'])} of {found['runs']} runs to train", err=True)
    else:
        told = {"jobs": jobs or cores(), "pack": pack, "minutes": minutes}
        sweep_and_report(recipe, out, out / "reports" / recipe.stem, told, as_json, command)


@app.command(epilog="Example: evendistill report recipe.yaml --out runs")
def report(recipes: Recipes, out: Out = Path("runs"), data: DataPath = None, as_json: Json = False) -> None:
    """The tables and the page of finished recipes; several share one table if they are comparable."""
    sweep = joined(recipes, out, data)
    named = " ".join(map(str, recipes)) + (f" --data {data}" if data else "")
    report_on(sweep, out / "reports" / recipes[0].stem, as_json, f"evendistill report {named} --out {out}", trained=0)


@app.command(epilog="Example: evendistill select recipe.yaml --rule average-above --floor 0.7")
def select(
    recipes: Recipes,
    out: Out = Path("runs"),
    data: DataPath = None,
    rule: Annotated[str | None, typer.Option(help=f"One of {', '.join(RULES)}; by default the recipe's.")] = None,
    factor: Annotated[float | None, typer.Option(help="Of the standard error, for paper.")] = None,
    weight: Annotated[float | None, typer.Option(help="Of the worst class, for weighted-sum.")] = None,
    floor: Annotated[float | None, typer.Option(help="From 0 to 1, for average-above and robust-above.")] = None,
    as_json: Json = False,
) -> None:
    """Which student to ship, by a rule on validation alone."""
    from evendistill.experiments.chosen import choice
    from evendistill.experiments.report.terminal import print_choice
    from evendistill.experiments.rules import told

    sweep = joined(recipes, out, data)
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
    to: Annotated[Path | None, typer.Option(help="Draw it: .svg, .pdf or .png.")] = None,
    as_json: Json = False,
) -> None:
    """The Pareto frontier on test: who is on it, who is beaten beyond noise, and its area."""
    from evendistill.experiments.report import standing
    from evendistill.experiments.report.picture import write_frontier
    from evendistill.experiments.report.table import make_table
    from evendistill.experiments.report.terminal import print_standings

    table = make_table(joined(recipes, out, data))
    if to is not None:
        write_frontier(table, to)
    if as_json:
        print_json(standing.as_json(table))
    else:
        print_standings(table)


@app.command(epilog="Example: evendistill status runs")
def status(
    runs: Annotated[Path, typer.Argument(help="Folder of run folders.")] = Path("runs"), as_json: Json = False
) -> None:
    """What is finished, failed or cut off in a folder of runs."""
    from evendistill.experiments.status import read_status

    found = read_status(runs)
    if as_json:
        print_json({"runs": [{"folder": str(entry.folder), **entry.plain()} for entry in found]})
        return
    for entry in found:
        typer.echo(f"{entry.state:<9} {entry.folder.name}" + (f"  {entry.note}" if entry.note else ""))
    counts = {state: sum(entry.state == state for entry in found) for state in ("finished", "failed", "started")}
    typer.echo(", ".join(f"{count} {state}" for state, count in counts.items()))


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


def main() -> None:
    """Run the command line; whatever is wrong with the input becomes one line and exit code 2."""
    warnings.showwarning = lambda message, *_: typer.echo(f"warning: {message}", err=True)
    try:
        with first_process_speaks():
            app(standalone_mode=True)
    except (ValueError, FloatingPointError, FileNotFoundError, NotADirectoryError, PermissionError) as error:
        if os.environ.get("EVENDISTILL_TRACEBACK"):
            raise
        fail(str(error), 2)
    except OSError as error:
        fail(str(error), 1)
    except KeyboardInterrupt:
        fail("interrupted; the same command goes on from here", 130)
