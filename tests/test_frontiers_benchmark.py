"""Frontiers of a grid and of its variants: which trainings stand behind each, and what is compared."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
RECIPE = {
    "name": "tiny",
    "data": {"source": "digits", "imbalance": 10},
    "training": {"epochs": 20, "batch_size": 32, "update_every": 4},
    "teachers": {"network": {"kind": "mlp", "hidden": [16]}, "objectives": {"alphas": [0, 1]}},
    "students": {
        "network": {"kind": "mlp", "hidden": [32]},
        "objectives": {"alphas": [0, 1]},
        "temperatures": [1],
        "validation_labels": ["true"],
    },
    "seeds": 2,
}
TRAININGS = {"grid": 4, "students": 2, "both": 2, "one-of-each": 1, "students-by-bias": 2, "students-by-costs": 2}


def test_each_variant_has_its_trainings_and_its_share_of_the_grid(tmp_path: Path) -> None:
    recipe, out = tmp_path / "tiny.yaml", tmp_path / "found.json"
    recipe.write_text(yaml.safe_dump(RECIPE))
    words = [*list(TRAININGS)[1:], "--runs", tmp_path / "runs", "--jobs", 1, "--out", out]
    command = [sys.executable, "-m", "benchmarks.frontiers", recipe, *words]
    printed = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert len(printed.splitlines()) == len(TRAININGS)
    found = {each["variant"]: each for each in json.loads(out.read_text())["sweeps"]}
    assert {name: each["trainings"] for name, each in found.items()} == {name: 2 * n for name, n in TRAININGS.items()}
    work = {name: each["multiply-adds"] / found["grid"]["multiply-adds"] for name, each in found.items()}
    assert work["students"] == work["both"] == pytest.approx(2 * work["one-of-each"])
    assert work["students-by-costs"] < 0.5 < work["students-by-bias"] < work["students"]  # no moves in the first
    assert found["grid"]["share of the grid's"]["mean"] == 1
    assert all(0 < each["hypervolume"]["mean"] < 1 for each in found.values())


def test_the_page_says_what_the_files_hold() -> None:
    rows = [line for line in (ROOT / "docs" / "measured.md").read_text("utf-8").splitlines() if line.startswith("| ")]
    names = ("digits-lt", "fashion-mnist-lt", "cifar10-lt")
    files = [json.loads((ROOT / "results" / "frontiers" / f"{name}.json").read_text())["sweeps"] for name in names]
    for sweeps in files:
        for found in sweeps[1:]:
            area, beyond = found["share of the grid's"], found["share beyond the weakest"]
            work = 100 * found["multiply-adds"] / sweeps[0]["multiply-adds"]
            told = f"{100 * area['mean']:.1f} ± {100 * area['se']:.1f}"
            told += f" / {100 * beyond['mean']:.0f} ± {100 * beyond['se']:.0f}"
            assert sum(f"{told} | {work:.1f}" in row for row in rows) == 1, (found["variant"], told)


def test_what_follows_from_fronts_is_what_it_was_and_judging_again_changes_nothing(tmp_path: Path) -> None:
    for path in (ROOT / "results" / "frontiers").glob("*-lt.json"):
        copy = tmp_path / path.name
        copy.write_bytes(path.read_bytes())
        command = [sys.executable, "-m", "benchmarks.fronts", str(copy)]
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        assert copy.read_bytes() == path.read_bytes()
