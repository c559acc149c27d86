"""Teachers diagnosed, for the terminal: calibration of each class, several teachers ranked, predictions measured."""

import math
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from evendistill.data.wording import shown
from evendistill.experiments.report.narrow import WIDE, narrow, short

if TYPE_CHECKING:
    from evendistill.experiments.ranking import Ranking
    from evendistill.maths.rank_correlation import RankCorrelation

SHOWN = ("recalls", "priors", "marginals", "calibration_error", "lower", "upper", "expected_error")
WORDS = {
    "shifted_risk": "robust risk after the best shift (ours)",
    "shape_risk": "robust risk of the shape p/pi (ours)",
    "calibration": "largest calibration term (Theorem 2), on all scores jointly",
    "own_calibration": "largest calibration term, on the own score",
    "worst_class_accuracy": "own worst-class accuracy",
    "average_accuracy": "average accuracy",
}

WHICH_WAY = "a term and a risk are better the lower they are, accuracies the higher"  # in 80 columns, as the next
SPLITS = "terms, risks and own accuracies are on validation, the students on test"
SIGN = "+1: who is ranked best has the best student, and so on down; -1: the worst one"


def print_diagnosis(found: dict[str, Any]) -> None:
    """Print the calibration of each class of one teacher, or a line a teacher of several."""
    if len(found["teachers"]) == 1:
        _print_one(found["teachers"][0])
    else:
        _print_several(found)


def _print_one(entry: dict[str, Any]) -> None:
    console = Console()
    wide = ["V soft / hard"] if console.width >= WIDE else []
    shares = ["recall %", "prior %", "marginal %"]
    grid = narrow(["class"], [*shares, "calibration term, lower bound", "ECE %", *wide], width=console.width)
    columns = zip(*(entry[name] for name in SHOWN), strict=True)
    for label, (recall, prior, marginal, error, lower, upper, ece) in enumerate(columns):
        shares = f"{100 * recall:.1f}", f"{100 * prior:.2f}", f"{100 * marginal:.2f}"
        variances = f"{entry['variance'][label]:.3g} / {entry['one_hot_variance'][label]:.3g}"
        name = Text(shown(entry["class_names"][label]))
        term = f"{error:.3f} ({lower:.3f} to {upper:.3f})"
        grid.add_row(name, *shares, term, f"{100 * ece:.2f}", *([variances] if wide else []))
    console.print(grid)
    bound = entry["bound"]
    lines = [
        f"a lower bound, conditioned on {entry['conditioning']}; largest: {entry['worst']:.3f}",
        f"Theorem 2 put together, {bound['loss_bound']:.1f} x {entry['worst']:.3f} + {max(entry['estimation']):.3f} = "
        f"{bound['value']:.2f}: no more than a lower bound of it, "
        f"and it assumes that {'; that '.join(bound['assumed'])}",
    ]
    if tried := entry.get("temperatures"):
        lines.append(
            f"of temperatures {tried['tried'][0]:g} to {tried['tried'][-1]:g} the class-wise ECE is least at "
            f"{tried['expected_error']:g}, the largest calibration term on the own score at "
            f"{tried['calibration_error']:g}"
        )
    console.print("\n".join(lines), highlight=False)


def _print_several(found: dict[str, Any]) -> None:
    console = Console()
    heads = ("largest calibration term", "robust risk, best shift", "term on own score")
    grid = narrow(["teacher"], ["average %", "worst class %", *heads], width=console.width)
    names = short([entry["name"] for entry in found["teachers"]])
    for name, entry in zip(names, found["teachers"], strict=True):  # in the order of the ranking
        accuracies = f"{100 * entry['average_accuracy']:.1f}", f"{100 * entry['worst_class_accuracy']:.1f}"
        risks = f"{entry['joint']['worst']:.3f}", f"{entry['shifted_risk']:.3f}", f"{entry['worst']:.3f}"
        grid.add_row(Text(shown(name)), *accuracies, *risks)
    console.print(grid)
    console.print(
        f"ranked by the {WORDS[found['ranked_by']]}, a lower bound, estimated across folds; beside it, what a student "
        "would have that copies the teacher at this temperature but for a shift",
        highlight=False,
    )


def print_ranking(ranking: "Ranking") -> None:
    """Print the teachers of a sweep, the best predicted first, and how well each predictor did."""
    console = Console()
    heads = ["T", "calibration term", "risk, best shift", "own worst %", "robust student's worst %"]
    grid = narrow(["teacher"], heads, width=console.width)
    for each in ranking.teachers:
        known = each.predictors
        student = "not trained" if each.student is None else each.student.robust.percent()
        numbers = f"{-known.calibration:.3f}", f"{-known.shifted_risk:.3f}", f"{100 * known.worst_class_accuracy:.1f}"
        grid.add_row(escape(each.teacher), f"{each.temperature:g}", *numbers, student)
    console.print(grid)
    console.print(f"{WHICH_WAY}\n{SPLITS}")
    if not ranking.correlations:
        console.print("fewer than three teachers have finished robust students, so no predictor can be judged")
        return
    heads = ["Spearman, with the student's worst", "none mended", *_heads(ranking)]
    judged = narrow(["ranking teachers by"], heads, width=console.width)
    for name, found in ranking.correlations.items():
        apart = [_said(each[name]).partition(" (")[0] if each else "" for each in ranking.within.values()]
        trained = _said(ranking.trained[name]) if ranking.trained else ""
        if ranking.too_few is not None:
            trained = trained.partition(" (")[0]
        judged.add_row(WORDS[name], _said(found, with_interval=ranking.too_few is None), trained, *apart)
    console.print(judged)
    console.print(SIGN, highlight=False)
    if ranking.too_few is not None:
        console.print(f"{ranking.too_few} teachers are too few: signs may well be chance, and say nothing yet")
    if any(each.is_mended for each in ranking.teachers):
        console.print("mended teachers look better here than they are: the same examples made them and judge them")


def _said(found: "RankCorrelation", *, with_interval: bool = True) -> str:
    if math.isnan(found.value):
        return "no order"
    if not with_interval:
        return f"{found.value:+.2f}"
    return f"{found.value:+.2f} ({found.lower:+.2f} to {found.upper:+.2f})"


def _heads(ranking: "Ranking") -> list[str]:
    return [f"T {temperature:g}" for temperature in ranking.within]
