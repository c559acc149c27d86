"""What every benchmark shares: rounds in turns, who measured where, the rate of matrix products, JSON."""

import argparse
import copy
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evendistill.distillation.problem import Problem
from evendistill.models.inference import in_channels_last
from evendistill.training.loop import fit
from evendistill.training.recipe import Recipe
from evendistill.training.result import Result
from evendistill.training.turns import Turns

SMOKE_DATA = "made-up:10x3x32"
CPU = torch.device("cpu")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
Rounds = dict[str, list[float]]


def arguments(description: str | None, *, data: str | None = None) -> argparse.Namespace:
    """``--data``, ``--out``, ``--rounds`` and ``--smoke``, which takes made-up images and as few rounds as there are.

    Args:
        description: the first line of it is what ``--help`` says.
        data: taken where none are named; None if they must be.
    """
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("--data", default=data, help="what evendistill.load_data takes")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--rounds", type=int, default=5, help="timed in turns; the median counts")
    parser.add_argument("--smoke", action="store_true", help="try the script in seconds; the numbers mean nothing")
    told = parser.parse_args()
    if told.smoke:
        told.data, told.rounds = SMOKE_DATA, 1
    if told.data is None or told.rounds < 1:
        parser.error("--data is needed" if told.data is None else f"--rounds must be at least 1, got {told.rounds}")
    return told


def precisions(told: argparse.Namespace) -> list[str]:
    """What to measure in; only float32 in a trial, which may run where bfloat16 is emulated, ten times as slow."""
    return list(DTYPES)[:1] if told.smoke else list(DTYPES)


def in_turns(contestants: Mapping[str, Callable[[], float]], rounds: int, *, warm_up: int = 0) -> Rounds:
    """What each contestant measures in each round; they take turns, so that a slow minute hits them all."""
    found: Rounds = {name: [] for name in contestants}
    for number in range(-warm_up, rounds):
        for name, measure in contestants.items():
            value = measure()
            if number >= 0:
                found[name].append(value)
    return found


def medians(rounds: Mapping[str, list[float]]) -> dict[str, float]:
    """The median round of each contestant."""
    return {name: statistics.median(values) for name, values in rounds.items()}


def ratios(rounds: Mapping[str, list[float]], over: str) -> Rounds:
    """What each contestant measured over what ``over`` measured in the same round."""
    others = {name: values for name, values in rounds.items() if name != over}
    return {name: [a / b for a, b in zip(values, rounds[over], strict=True)] for name, values in others.items()}


def our_steps(network: nn.Module, problem: Problem, recipe: Recipe, *, atleast: int) -> Turns[Result]:
    """The package's own loop on a copy of the network, for ``atleast`` steps and on to the end of an epoch.

    The copy has the memory format that ``evendistill.train`` and ``distill`` give it.
    """
    examples = len(problem.task.train)
    epochs = atleast // (examples // min(recipe.batch_size, examples)) + 1
    first = next(problem.task.train.batches([torch.arange(2)]))
    copied = in_channels_last(copy.deepcopy(network), first)
    return fit(copied, problem, replace(recipe, epochs=epochs), seed=0, device=CPU)


def seconds_per_step(going: Generator[object, None, object], *, steps: int, warm_up: int = 2) -> float:
    """Seconds a step of a loop takes, its batches included, over ``steps`` after ``warm_up``; closes the loop."""
    for _ in range(warm_up):
        next(going)
    start = time.perf_counter()
    for _ in range(steps):
        next(going)
    seconds = (time.perf_counter() - start) / steps
    going.close()
    return seconds


def matrix_product_rate(dtype: torch.dtype, *, side: int = 2048, seconds: float = 1.0) -> float:
    """Operations a second of square matrix products, two for each multiply-add, with the threads there are."""
    left, right = torch.randn(side, side).to(dtype), torch.randn(side, side).to(dtype)
    product = torch.mm(left, right)
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds or count == 0:
        torch.mm(left, right, out=product)
        count += 1
    return 2 * side**3 * count / elapsed if elapsed else 0.0


def commit() -> str:
    """The git commit of this tree, marked where files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(
            command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def machine() -> dict[str, Any]:
    """What the numbers hang on."""
    cpu = Path("/proc/cpuinfo")
    lines = dict(line.split(":", 1) for line in cpu.read_text().splitlines() if ":" in line) if cpu.is_file() else {}
    facts = {name.strip(): value.strip() for name, value in lines.items()}
    flags = facts.get("flags", "").split()
    return {
        "cpu": facts.get("model name") or platform.processor() or platform.machine(),
        "bf16 instructions": [flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags],
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def report(told: argparse.Namespace, found: Mapping[str, Any]) -> None:
    """Write what was found as JSON, with the command, the commit and the machine, where a file was named."""
    command = f"python -m benchmarks.{Path(sys.argv[0]).stem} {' '.join(sys.argv[1:])}".strip()
    whole = {"command": command, "commit": commit(), "machine": machine(), "rounds": told.rounds, **found}
    if told.out is not None:
        told.out.parent.mkdir(parents=True, exist_ok=True)
        told.out.write_text(json.dumps(_rounded(whole), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _rounded(value: object) -> object:
    """Five digits are more than a clock knows."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, Mapping):
        return {name: _rounded(part) for name, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list | tuple) else value
