"""Figures of the theory, from the functions that the tests check: the best scorers, cat and panda, the gap of the game.

``python -m benchmarks.theory --out docs/images/theory.svg``

Left, Theorem 1: where each objective's best scorer calls the animal a panda rather than a cat. Middle, Figure 2 of the
paper: a teacher that finds no panda and has a calibration error of zero. Right, Theorem 4: what the averaged student of
a calibrated teacher loses against the best, by exact steps, as the moves grow; steps and bounds as printed, and ours.
"""

import argparse
import math
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from evendistill.maths.bounds import multiplier_game
from evendistill.maths.losses import label_losses
from evendistill.maths.risks import class_errors, class_risks
from evendistill.objectives.multipliers import Multipliers
from evendistill.objectives.tradeoff import trade_off_log_costs

BLACK = (torch.arange(400).double() + 0.5) / 400
ALPHAS = {"balanced": 0.0, "trade-off 0.5": 0.5, "robust": 1.0}
MOVES = (4, 8, 16, 32, 64, 128, 256, 512, 1024)
LEAST_AFTER = 20_000
POINTS = torch.tensor(
    [[0.9, 0.07, 0.03], [0.8, 0.12, 0.08], [0.7, 0.25, 0.05], [0.5, 0.3, 0.2], [0.6, 0.1, 0.3]], dtype=torch.float64
)


def animals() -> Tensor:
    """The chance of cat, panda and anything else ``(N, 3)`` by the share of black in a picture."""
    truth = torch.stack([0.75 - 0.5 * BLACK, 0.75 * BLACK**2], dim=1)
    return torch.cat([truth, 1 - truth.sum(dim=1, keepdim=True)], dim=1)


def game(truth: Tensor, *, alpha: float, moves: int, step: float) -> tuple[Tensor, Tensor]:
    """Mean scores of the best scorers against moving multipliers, and the mean multipliers."""
    multipliers = Multipliers(truth.shape[1], step).double()
    log_priors, scores, mean = truth.mean(dim=0).log(), torch.zeros_like(truth), torch.zeros_like(truth[0])
    for _ in range(moves):
        best = truth.log() + trade_off_log_costs(multipliers.log_weights, log_priors, alpha=alpha)
        multipliers.ascend(class_risks(label_losses(best), truth), scale=alpha)
        best = truth.log() + trade_off_log_costs(multipliers.log_weights, log_priors, alpha=alpha)
        scores, mean = scores + best / moves, mean + multipliers.weights / moves
    return scores, mean


def draw_scorers(axes: Axes) -> None:
    """Theorem 1 on the animals: each scorer is the truth with one factor for each class."""
    truth = animals()
    scorers = {"standard": truth.log()}
    for name, alpha in ALPHAS.items():
        _, weights = game(truth, alpha=alpha, moves=2000, step=0.5)
        log_costs = trade_off_log_costs(weights.log(), truth.mean(dim=0).log(), alpha=alpha)
        scorers[name] = truth.log() + log_costs
    for name, scores in scorers.items():
        recalls = (1 - class_errors(scores, truth)).tolist()
        risk = class_risks(label_losses(scores), truth).max().item()
        margin = scores[:, 1] - scores[:, 0]
        label = f"{name}: recalls {recalls[0]:.2f}, {recalls[1]:.2f}, {recalls[2]:.2f}; robust risk {risk:.3f}"
        axes.plot(BLACK, margin, label=label)
    axes.axhline(0, color="grey", linewidth=0.8)
    axes.set(xlabel="share of black", ylabel="score of panda less score of cat", ylim=(-6, 4))
    axes.set_title("Theorem 1: one truth, four best scorers")
    axes.legend(fontsize="x-small", loc="lower right")


def draw_teacher(axes: Axes) -> None:
    """Figure 2: twice the cat, half the panda."""
    truth = animals()
    teacher = truth * torch.tensor([2.0, 0.5, 1.0])
    for label, (name, colour) in enumerate({"cat": "#4269d0", "panda": "#ff725c"}.items()):
        axes.plot(BLACK, truth[:, label], color=colour, label=f"{name}, truth")
        axes.plot(BLACK, teacher[:, label], "--", color=colour, label=f"{name}, teacher")
        shape = teacher[:, label] / teacher[:, label].mean()
        axes.plot(BLACK, shape, ":", color=colour, linewidth=2.5, label=f"{name}, shape of both")
    axes.set(xlabel="share of black", ylabel="probability; shape, over its mean")
    axes.set_title("Figure 2: no panda found, calibration error 0")
    axes.legend(fontsize="x-small", ncols=2)


def draw_gap(axes: Axes) -> None:
    """Theorem 4: gap and bound against the number of moves."""
    priors, classes = POINTS.mean(dim=0), POINTS.shape[1]
    best, _ = game(POINTS, alpha=1.0, moves=LEAST_AFTER, step=0.05)
    least = class_risks(label_losses(best), POINTS).max().item()
    found: dict[str, list[float]] = {"printed step": [], "printed bound": [], "our step": [], "our bound": []}
    for moves in MOVES:
        most = 5.0  # no loss of these scorers is above
        step, bound = multiplier_game(classes, moves, loss_bound=most, least_prior=priors.min().item())
        ours = math.sqrt(8 * math.log(classes) / moves) / most
        for name, length in (("printed step", step), ("our step", ours)):
            scores, _ = game(POINTS, alpha=1.0, moves=moves, step=length)
            found[name].append(class_risks(label_losses(scores), POINTS).max().item() - least)
        found["printed bound"].append(bound)
        found["our bound"].append(most * math.sqrt(math.log(classes) / (2 * moves)) + most / moves)
    for name, values in found.items():
        colour = "#4269d0" if "printed" in name else "#3ca951"
        axes.loglog(MOVES, values, "--" if "bound" in name else "o-", color=colour, label=name, markersize=4)
    axes.set(xlabel="K, moves of the multipliers", ylabel="robust risk above the least")
    axes.set_title("Theorem 4: the gap and its bounds")
    axes.legend(fontsize="x-small")


def main() -> None:
    """Draw all three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images/theory.svg"))
    path = parser.parse_args().out
    with mpl.rc_context({"svg.hashsalt": "evendistill", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(14, 4.2), layout="constrained")
        for axes, draw in zip(figure.subplots(1, 3), (draw_scorers, draw_teacher, draw_gap), strict=True):
            draw(axes)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


if __name__ == "__main__":
    main()
