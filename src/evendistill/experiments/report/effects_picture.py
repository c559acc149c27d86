"""The picture of what distillation did to whom: the gain of each class, and the mean of the k least recalls."""

import warnings
from pathlib import Path
from typing import Any

from evendistill.experiments.report.effects import Comparison, Section
from evendistill.experiments.report.effects_words import heading
from evendistill.experiments.report.figures import STYLE, save

MARKS = {1: ("#4269d0", "^", "gains beyond noise"), -1: ("#d1495b", "v", "loses beyond noise"), 0: ("#888888", "o", "")}
CURVES = (("teacher", "#222222", "--"), ("student", "#4269d0", "-"), ("student alone", "#b38300", "-."))
MOST_NAMES = 20
LONG_NAME = 4


def write_effects(section: Section, path: Path) -> bytes:
    """Draw every comparison in a row of its own: svg, pdf or png by the ending of the file; gives what was written."""
    import matplotlib
    from matplotlib.figure import Figure

    with (
        matplotlib.rc_context(STYLE),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a page has the fonts that this machine lacks
        figure = Figure(figsize=(9.6, 3.9 * len(section.comparisons)), layout="constrained")
        rows = figure.subfigures(len(section.comparisons), 1, squeeze=False)
        for row, each in zip(rows[:, 0], section.comparisons, strict=True):
            row.suptitle(_plain(heading(each)), x=0.01, ha="left", fontweight="bold", fontsize=10)
            left, right = row.subplots(1, 2, width_ratios=(3, 2))
            _draw_gains(left, each)
            _draw_curves(right, each)
            for axes in (left, right):
                axes.spines[["top", "right"]].set_visible(False)
        return save(figure, path)


def _draw_gains(axes: Any, told: Comparison) -> None:  # noqa: ANN401 - matplotlib's axes
    gain, (lower, upper) = 100 * told.mean.gain, (100 * end for end in told.interval)
    axes.axhline(0, color="#bbbbbb", linewidth=0.8)
    for sign, (colour, mark, label) in MARKS.items():
        at = ((told.mean.beyond_noise == sign) & ~gain.isnan()).nonzero().flatten()
        if len(at):
            reach = [(gain - lower)[at].clamp_min(0).tolist(), (upper - gain)[at].clamp_min(0).tolist()]
            shown = {"fmt": mark, "color": colour, "elinewidth": 1.0, "markersize": 5}
            axes.errorbar(at.tolist(), gain[at].tolist(), reach, label=label or "within noise", **shown)
    _name_classes(axes, told)
    chance = "seeds" if len(told.seeds) > 1 else "test examples"
    axes.set_title(
        f"Gain over the student alone, {100 * told.mean.level:g} % interval over {chance}", loc="left", fontsize=9
    )
    axes.set(ylabel="gain in recall on test (points)")
    axes.legend(fontsize=8, edgecolor="none", framealpha=0.85)


def _name_classes(axes: Any, told: Comparison) -> None:  # noqa: ANN401 - matplotlib's axes
    """Names where they fit, else numbers; below them how many training examples each class has, where that is known."""
    names, known = told.class_names, told.training_examples
    if len(names) <= MOST_NAMES:
        is_long = any(len(name) > LONG_NAME for name in names)
        examples = [f" ({count:,})" if is_long else f"\n{count:,}" for count in known or ()] or [""] * len(names)
        words = [_plain(name) + count for name, count in zip(names, examples, strict=True)]
        turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if is_long else {}
        axes.set_xticks(range(len(names)), words, **turned)
        axes.set_xlabel("class, and its training examples" if known else "class")
    else:
        axes.set_xlabel("number of the class")


def _draw_curves(axes: Any, told: Comparison) -> None:  # noqa: ANN401 - matplotlib's axes
    count = told.mean.worst_k.shape[1]
    for (name, colour, style), values in zip(CURVES, 100 * told.mean.worst_k, strict=True):
        axes.plot(range(1, count + 1), values.tolist(), style, color=colour, label=name)
    axes.set_title("Mean of the k least recalls", loc="left", fontsize=9)
    axes.set(xlabel="k", ylabel="mean recall on test (%)")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(fontsize=8, edgecolor="none", framealpha=0.85)


def _plain(text: str) -> str:
    """Text that matplotlib does not take for mathematics."""
    return text.replace("$", r"\$")
