"""At and between the trade-offs of a shared training: what it gives beside a training of that alpha alone.

``python -m benchmarks.between --rounds 10 --out results/frontiers/between-digits.json``; with ``--data`` on images.

Each round is a seed: of its balanced teacher one student learns alpha 0, 0.25, 0.5, 0.75 and 1 at once, and another one
each alpha of ``ALPHAS``; true-labelled, temperature 1. Both are judged on test at each of these alphas; every other one
lies between two that were learnt together.
"""

import math
import statistics
from typing import Any

import torch

import evendistill as ed
from benchmarks import harness
from evendistill.data.view import View

ALPHAS = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875)
DIGITS: dict[str, Any] = {"epochs": 150, "batch_size": 64, "weight_decay": 5e-4, "update_every": 8}
IMAGES: dict[str, Any] = {
    "epochs": 10,
    "weight_decay": 5e-4,
    "warmup_epochs": 1,
    "precision": "bf16",
    "threads": torch.get_num_threads(),
}
Point = tuple[float, float]


def one_seed(source: str, seed: int, *, is_smoke: bool) -> dict[float, tuple[Point, Point]]:
    """Average and worst-class accuracy on test at each alpha: of the shared training, and trained alone."""
    is_digits = source == "digits"
    data = ed.load_data(source, imbalance=30 if is_digits else 100)
    data = data if is_digits else data.viewed(View(mean=(0.5,), std=(0.35,), flip=True))
    told: dict[str, Any] = (DIGITS if is_digits else IMAGES) | ({"epochs": 2} if is_smoke else {})
    recipe, channels = ed.Recipe(**told), data.train[0][0].shape[0]

    def network(hidden: tuple[int, ...], salt: int) -> torch.nn.Module:
        torch.manual_seed(2 * seed + salt)
        return ed.models.mlp(64, 10, hidden) if is_digits else ed.models.convnet(channels, data.num_classes)

    alike: dict[str, Any] = {"recipe": recipe, "seed": seed, "progress": False}
    taught = ed.train(network((128, 128), 0), data.train, data.validation, objective=ed.Balanced(), **alike)

    def student(objective: Any) -> ed.Result:  # noqa: ANN401 - any description
        told = {"objective": objective, "temperature": 1.0, "validation_labels": "true", **alike}
        return ed.distill(taught.model, network((32,), 1), data.train, data.validation, **told)

    def point(model: torch.nn.Module) -> Point:
        found = ed.Result(model, [], taught.multipliers).evaluate(data.test)
        return found.average_accuracy, found.worst_class_accuracy

    together = student(ed.FrontierObjective())
    return {alpha: (point(together.at(alpha)), point(student(ed.TradeOff(alpha)).model)) for alpha in ALPHAS}


def told(seeds: list[dict[float, tuple[Point, Point]]]) -> list[dict[str, Any]]:
    """Means over the seeds, and the paired difference with its standard error."""
    rows = []
    for alpha, (name, which) in ((alpha, each) for alpha in ALPHAS for each in (("average", 0), ("worst class", 1))):
        ours, alone = ([seed[alpha][way][which] for seed in seeds] for way in (0, 1))
        apart = [one - other for one, other in zip(ours, alone, strict=True)]
        row = {
            "alpha": alpha,
            "accuracy": name,
            "shared": statistics.fmean(ours),
            "alone": statistics.fmean(alone),
        }
        row |= {"difference": statistics.fmean(apart)}
        row |= {"se": statistics.stdev(apart) / math.sqrt(len(apart))} if len(apart) > 1 else {}
        rows.append(row | {"shared of each seed": ours, "alone of each seed": alone})
    return rows


def in_words(row: dict[str, Any]) -> str:
    """One accuracy, in percent."""
    apart = f"{100 * row['difference']:+.1f}" + (f" ± {100 * row['se']:.1f}" if "se" in row else "")
    return f"{row['accuracy']} {100 * row['shared']:.1f}, alone {100 * row['alone']:.1f}, apart {apart}"


def main() -> None:
    asked = harness.arguments(__doc__, data="digits")
    source = "digits" if asked.smoke else asked.data  # the smallest there are
    rows = told([one_seed(source, seed, is_smoke=asked.smoke) for seed in range(asked.rounds)])
    for average, worst in zip(rows[::2], rows[1::2], strict=True):
        print(f"alpha {average['alpha']}:", "; ".join(map(in_words, (average, worst))))
    harness.report(asked, {"seeds": asked.rounds, "alphas": rows})


if __name__ == "__main__":
    main()
