"""Which way of ranking teachers tells best whose robust student will be best? Searched on data made for the purpose.

``python -m benchmarks.predictors --runs runs/predictors --out results/predictors``

Three made-up data sets: mixtures of two Gaussians a class, a long tail of 50, 15 teachers at three temperatures, three
seeds. They are apart from the data sets on which rankings are reported, so that the choice of a predictor cannot
flatter it there. Runs are kept: a second call does only what is missing.
"""

import argparse
from pathlib import Path

import numpy as np
import yaml

from benchmarks.harness import commit, machine
from evendistill.experiments.engines.choice import How
from evendistill.experiments.ranking import Ranking, as_json, rank
from evendistill.experiments.sweep import Sweep
from evendistill.storage.files import json_bytes, write_bytes

MIXTURES = {"mix5": (5, 10, 0.45, 3), "mix8": (8, 16, 0.55, 1), "mix12": (12, 24, 0.4, 2)}
"""Classes, features, spread of the centres, seed."""
CENTRES, EXAMPLES = 2, 400
RECIPE = Path("recipes/digits-lt-teachers.yaml")


def draw(classes: int, features: int, spread: float, seed: int) -> dict[str, np.ndarray]:
    """Training and test examples, as many of each class; the recipe thins training."""
    chance = np.random.default_rng(seed)
    centres = chance.normal(size=(classes, CENTRES, features)) * spread
    shapes = chance.normal(size=(classes, CENTRES, features, features)) / np.sqrt(features)
    arrays = {}
    for split in ("train", "test"):
        inputs, labels = [], []
        for label in range(classes):
            which = chance.integers(0, CENTRES, EXAMPLES)
            for centre in range(CENTRES):
                count = int((which == centre).sum())
                inputs.append(centres[label, centre] + chance.normal(size=(count, features)) @ shapes[label, centre])
                labels += [label] * count
        order = chance.permutation(len(labels))
        arrays[f"x_{split}"] = np.concatenate(inputs)[order].astype("float32")
        arrays[f"y_{split}"] = np.array(labels)[order]
    return arrays


def write_recipe(name: str, folder: Path) -> Path:
    """The digits' recipe of teachers on this data set, with smaller students and shorter training."""
    told = yaml.safe_load(RECIPE.read_text())
    told["name"], told["data"] = name, {"source": str(folder / f"{name}.npz"), "imbalance": 50}
    told["training"] |= {"epochs": 60, "update_every": 16}
    told["students"]["network"]["hidden"] = [24]
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(told))
    return path


def search(folder: Path, jobs: int) -> dict[str, Ranking]:
    """The ranking on each data set, after training what is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, told in MIXTURES.items():
        if not (folder / f"{name}.npz").is_file():
            np.savez(folder / f"{name}.npz", **draw(*told))  # pyright: ignore[reportArgumentType]
        sweep = Sweep.read(write_recipe(name, folder), folder / name)
        failed = [outcome.error for outcome in sweep.train(How(jobs=jobs)) if outcome.error]
        if failed:
            raise RuntimeError(failed[0])
        found[name] = rank(sweep)
    return found


def as_markdown(found: dict[str, Ranking]) -> str:
    """A row a predictor, a column a data set, and the mean over these."""
    names = list(next(iter(found.values())).correlations)
    lines = [f"| predictor | {' | '.join(found)} | mean |", "| --- |" + " --- |" * (len(found) + 1)]
    for name in names:
        each = [ranking.correlations[name] for ranking in found.values()]
        shown = " | ".join(f"{one.value:+.2f} ({one.lower:+.2f} to {one.upper:+.2f})" for one in each)
        lines.append(f"| {name} | {shown} | {sum(one.value for one in each) / len(each):+.2f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Search, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/predictors"))
    parser.add_argument("--out", type=Path, default=Path("results/predictors"))
    parser.add_argument("--jobs", type=int, default=2)
    told = parser.parse_args()
    found = search(told.runs, told.jobs)
    told.out.mkdir(parents=True, exist_ok=True)
    plain = {name: as_json(ranking) for name, ranking in found.items()}
    write_bytes(told.out / "search.json", json_bytes({"found": plain, "commit": commit(), "machine": machine()}))
    head = (__doc__ or "").split("\n\n")[2].strip()
    text = (
        f"# Predictors, searched\n\n{head}\n\nSpearman's rank correlation with the worst-class accuracy of the best "
        "robust student on test,\n95 % bootstrap interval over teachers:\n\n"
    )
    (told.out / "search.md").write_text(text + as_markdown(found))
    print(as_markdown(found))


if __name__ == "__main__":
    main()
