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
