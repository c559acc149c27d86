"""How near the estimates of the calibration term come to the truth, where the truth is known.

``python -m benchmarks.estimators --out results/calibration/estimators.md``

Ten classes with a long tail, examples from a Gaussian, labels drawn from a known conditional; four teachers: one that
is the truth, one that sharpens it, one that sees two of five features, one that is blind. Each estimate is the mean
over the classes, its error the standard error over the draws. "Own score" is what ``evendistill.diagnose`` says without
a reference; "joint" is on a cross-fitted reference from the scores of all four. A figure is drawn beside the table.
"""

import argparse
import statistics
from pathlib import Path

import torch
from torch import Tensor

import evendistill as ed
from evendistill.distillation.reference import cross_fitted
from evendistill.maths.calibration import calibration_error
from evendistill.maths.reliability import binned_calibration, reliability

CLASSES, FEATURES, SEEN = 10, 5, 2
SIZES, DRAWS = (300, 1000, 3000, 10000), 5
COLUMNS = ("truth", "own score, plain", "own score, debiased", "joint")
Found = dict[tuple[str, int], dict[str, list[float]]]


def world(count: int, seed: int) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """The true conditional, labels, and the raw scores of each teacher."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(FEATURES, CLASSES, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 1.5
    inputs = torch.randn(count, FEATURES, generator=generator, dtype=torch.float64)
    tail = -0.4 * torch.arange(CLASSES, dtype=torch.float64)
    scores = inputs @ weights + tail
    conditional = scores.softmax(dim=1)
    labels = torch.multinomial(conditional, 1, generator=generator).squeeze(1)
    blind = conditional.mean(dim=0).log().expand_as(scores)
    partial = inputs[:, :SEEN] @ weights[:SEEN] + tail
    return conditional, labels, {"the truth": scores, "sharpened": 2 * scores, "partial": partial, "blind": blind}


def measure(sizes: tuple[int, ...], draws: int) -> Found:
    """Each estimate of each teacher at each size, one a draw."""
    found: Found = {}
    for count in sizes:
        for draw in range(draws):
            conditional, labels, teachers = world(count, draw)
            joint = cross_fitted(torch.cat([each.log_softmax(dim=1) for each in teachers.values()], dim=1), labels)
            for name, scores in teachers.items():
                probabilities = scores.softmax(dim=1)
                bins = reliability(probabilities, labels)
                shared = ed.diagnose(scores, labels, reference=joint, replicates=2)
                values = (
                    calibration_error(probabilities, conditional),
                    binned_calibration(bins, debiased=False),
                    binned_calibration(bins),
                    shared.calibration_error,
                )
                entry = found.setdefault((name, count), {column: [] for column in COLUMNS})
                for column, value in zip(COLUMNS, values, strict=True):
                    entry[column].append(value.mean().item())
    return found


def table(found: Found) -> str:
    """The means with their standard errors in Markdown."""
    lines = [["teacher", "examples", *COLUMNS], ["---"] * (2 + len(COLUMNS))]
    names = list(dict.fromkeys(name for name, _ in found))
    for (name, count), columns in sorted(found.items(), key=lambda each: names.index(each[0][0])):
        shown = []
        for values in columns.values():
            error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
            shown.append(f"{statistics.fmean(values):.3f} ± {error:.3f}")
        lines.append([name, f"{count:,}", *shown])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def draw_figure(found: Found, path: Path) -> None:
    """A panel for each teacher: estimates against the number of examples."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(dict.fromkeys(name for name, _ in found))
    with matplotlib.rc_context({"svg.hashsalt": "evendistill", "svg.fonttype": "none", "font.size": 9}):
        figure, panels = pyplot.subplots(1, len(names), figsize=(10, 2.8), sharey=True, layout="constrained")
        for axes, name in zip(panels, names, strict=True):
            sizes = [count for each, count in found if each == name]
            for column in COLUMNS:
                means = [statistics.fmean(found[name, count][column]) for count in sizes]
                axes.plot(sizes, means, "k--" if column == "truth" else "o-", label=column, markersize=4)
            axes.set(title=name, xscale="log", xlabel="examples")
            axes.spines[["top", "right"]].set_visible(False)
        panels[0].set_ylabel("calibration term, mean over classes")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, help="Markdown file to write; the figure goes beside it")
    parser.add_argument("--smoke", action="store_true", help="try the script in seconds")
    told = parser.parse_args()
    found = measure((100,) if told.smoke else SIZES, 2 if told.smoke else DRAWS)
    print(table(found), end="")
    if told.out is not None:
        told.out.parent.mkdir(parents=True, exist_ok=True)
        told.out.write_text(f"{table(found)}\n`python -m benchmarks.estimators --out {told.out}`\n", encoding="utf-8")
        draw_figure(found, told.out.with_suffix(".svg"))


if __name__ == "__main__":
    main()
