"""Every benchmark runs, and what it writes can be read; its numbers mean nothing at this size."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
OWN = {
    "distillation": {"check", "scoring seconds", "batches"},
    "robust_epoch": {"network", "aim above floor", "settings"},
    "flops": {"networks"},
    "many_students": {"data", "seconds to import", "variants"},
    "two_drivers": {
        "recipe",
        "seconds",
        "share of one",
        "median share",
        "median floor",
        "median over floor",
    },
    "frontier_step": {"network", "trade-offs", "batch", "aim", "floor", "settings"},
    "overhead": {"runs", "seconds of a run", "median beyond training"},
    "many_runs": {"folders", "seconds", "median seconds"},
}
Found = Callable[[str], dict[str, Any]]
COMMON = {"command", "commit", "machine", "rounds"}
POSITIVE = ("over", "ratio", "share", "second", "floor")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What a benchmark writes; each runs once."""
    folder = tmp_path_factory.mktemp("bench")
    return cache(lambda name: smoked(name, folder / f"{name}.json"))


def smoked(name: str, out: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--smoke", "--out", str(out)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert 1 <= len(printed.splitlines()) <= 12
    return json.loads(out.read_text(encoding="utf-8"))


def measured(value: object, name: str = "") -> Iterator[tuple[str, float]]:
    """The numbers beneath names that promise a positive one."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from measured(part, f"{name}/{key}")
    elif isinstance(value, list):
        for part in value:
            yield from measured(part, name)
    elif isinstance(value, float) and any(word in name for word in POSITIVE) and "above" not in name:
        yield name, value


SLOW = ("two_drivers", "overhead", "many_students")


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in OWN])
def test_smoke(name: str, found: Found) -> None:
    written = found(name)
    assert written.keys() == OWN[name] | COMMON
    assert written["machine"].keys() >= {"cpu", "cores", "threads", "torch"}
    numbers = list(measured(written))
    assert len(numbers) >= 4
    assert [where for where, number in numbers if not number > 0] == []


def test_both_loops_descend_the_same_losses(found: Found) -> None:
    check = found("distillation")["check"]
    assert check["steps"] == 50
    assert check["max_abs_difference"] < 1e-4
    assert check["last loss"] < check["first loss"] - 0.1  # they went somewhere


def test_in_float64_nothing_but_rounding_is_left_between_the_loops(found: Found) -> None:
    losses = {each["precision"]: each for each in found("losses")["losses"]}
    assert losses["float64"]["max_abs_difference"] < 1e-8
    assert losses["float64"]["steps"] == 50


@pytest.mark.slow
def test_both_ways_train_the_same_students(found: Found) -> None:
    assert [variant["students"] for variant in found("many_students")["variants"]] == [2]


def test_the_floor_is_what_the_formula_says(found: Found) -> None:
    for row in found("robust_epoch")["settings"]:
        floor = 1 + row["validation examples"] / (row["update_every"] * row["batch"]) / 3
        assert row["floor"] == pytest.approx(floor, rel=1e-4)


def test_multiply_adds_of_the_network(found: Found) -> None:
    stem = 32 * 32 * 16 * 27
    blocks = 2 * 32 * 32 * 16 * 144, 16 * 16 * 32 * (144 + 288), 8 * 8 * 64 * (288 + 576)
    for row in found("flops")["networks"]:  # written out for ResNet-8, whose shortcuts have no weights
        assert row["forward multiply-adds per image"] == stem + sum(blocks) + 64 * 10


def test_between_trade_offs_there_is_something_to_compare(found: Found) -> None:
    rows = found("between")["alphas"]
    assert [row["alpha"] for row in rows[::2]] == [eighths / 8 for eighths in range(1, 8)]
    assert all(row["difference"] == pytest.approx(row["shared"] - row["alone"], abs=1e-4) for row in rows)
    assert all(0 < row["alone"] < 1 for row in rows[::2])


def test_estimators_are_tabled_and_drawn(tmp_path):
    out = tmp_path / "estimators.md"
    command = [sys.executable, "-m", "benchmarks.estimators", "--smoke", "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    lines = out.read_text(encoding="utf-8").splitlines()
    assert [line.split(" | ")[0] for line in lines[2:6]] == ["| the truth", "| sharpened", "| partial", "| blind"]
    assert lines[2].split(" | ")[2] == "0.000 ± 0.000"  # the truth is calibrated
    assert lines[5].split(" | ")[4] == "0.000 ± 0.000"  # and a blind teacher seems so on its own score
    assert "<svg" in out.with_suffix(".svg").read_text(encoding="utf-8")
