"""Calibration of a teacher drawn: reliability of each class, its calibration term against its size, its shape."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from evendistill.data.wording import shown
from evendistill.distillation.diagnose import Diagnosis
from evendistill.experiments.report.figures import STYLE, save
from evendistill.experiments.sources import Source

MOST_NAMED = 12


def write_calibration(source: Source, found: Diagnosis, path: Path) -> None:
    """Draw the diagnosis of a teacher.

    Args:
        source: its scores, for names and training counts.
        found: what was found.
        path: ending in .svg, .pdf or .png.

    Raises:
        ValueError: if the ending is none of these.
    """
    with (
        mpl.rc_context(STYLE),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # who looks at it has fonts that this machine lacks
        figure = _drawn(source, found)
        save(figure, path)


def _drawn(source: Source, found: Diagnosis) -> Figure:
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    order = _sizes(source).argsort(descending=True).tolist()
    colours = mpl.colormaps["viridis"]
    for place, label in enumerate(order):
        shade = colours(place / max(1, len(order) - 1))
        _draw_reliability(left, found, label, shade, _words(source.class_names[label]))
        _draw_shape(right, found, label, shade)
    left.plot([0, 1], [0, 1], color="grey", linewidth=0.8, zorder=0)
    left.set(xlabel="probability of the class", ylabel="its frequency", title="Reliability, a line a class")
    if len(order) <= MOST_NAMED:
        left.legend(loc="lower right", fontsize="x-small", title="most examples first", title_fontsize="x-small")
    _draw_terms(middle, source, found)
    largest = max(*right.get_xlim(), *right.get_ylim())
    right.plot([0, largest], [0, largest], color="grey", linewidth=0.8, zorder=0)
    words = "p / π$^t$, the teacher's shape", "frequency / π, the shape that is seen"
    right.set(xlabel=words[0], ylabel=words[1], title="Shape: on the line is calibrated")
    figure.suptitle(_words(f"{source.name}, temperature {found.temperature:g}"), fontsize="medium")
    return figure


def _words(text: str) -> str:
    """Names as they can be drawn; a dollar sign is no beginning of mathematics."""
    return shown(text).replace("$", r"\$")


def _sizes(source: Source) -> Tensor:
    return source.labels.bincount() if source.class_counts is None else source.class_counts


def _draw_reliability(axes: Axes, found: Diagnosis, label: int, shade: Sequence[float], name: str) -> None:
    bins = found.reliability
    full = bins.count[:, label] > 0
    axes.plot(bins.confidence[full, label], bins.frequency[full, label], ".-", color=shade, linewidth=0.9, label=name)


def _draw_shape(axes: Axes, found: Diagnosis, label: int, shade: Sequence[float]) -> None:
    bins = found.reliability
    full = bins.count[:, label] > 0
    ours = bins.confidence[full, label] / found.marginals[label]
    axes.plot(ours, bins.frequency[full, label] / found.priors[label], ".-", color=shade, linewidth=0.9)


def _draw_terms(axes: Axes, source: Source, found: Diagnosis) -> None:
    sizes, error = _sizes(source), found.calibration_error
    reach = [(error - found.lower).clamp_min(0).tolist(), (found.upper - error).clamp_min(0).tolist()]
    axes.errorbar(sizes.tolist(), error.tolist(), yerr=reach, fmt="o", markersize=4, linewidth=0.9)
    if len(sizes) <= MOST_NAMED:
        for label, name in enumerate(source.class_names):
            at = (float(sizes[label]), float(error[label]))
            axes.annotate(_words(name), at, textcoords="offset points", xytext=(4, 3), fontsize="x-small")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    which = "examples here" if source.class_counts is None else "training examples"
    words = "calibration term" + (", lower bound" if found.is_lower_bound else "")
    axes.set(xlabel=f"{which} of the class", ylabel=words, title="Calibration term against class size")
