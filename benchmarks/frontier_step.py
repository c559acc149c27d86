"""What a training step of several trade-offs at once costs, over a step of one.

``python -m benchmarks.frontier_step --data ../shared/data/cifar10-lt --out results/bench/frontier_step.json``

A student of a teacher's cached scores, one trade-off and five in turns: steps between two moves of the multipliers, and
whole periods with a move in them. The floor is what the further last layers add to the multiply-adds of a step; by
``film`` these are the same, and work without multiply-adds, on the last block, comes on top.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

import evendistill as ed
from benchmarks import harness
from benchmarks.flops import forward_multiply_adds
from benchmarks.robust_epoch import problem_of, task_of
from evendistill.distillation.problem import Task
from evendistill.models.conditioned import Conditioned, Conditioning
from evendistill.models.head import head_of
from evendistill.objectives.frontier import conditioned
from evendistill.objectives.objective import Description

WAYS: tuple[Conditioning, ...] = ("scale-and-bias", "layer", "film")
ONE = "one"
AIM = 1.15


@dataclass(frozen=True)
class Setting:
    """How large, how often the multipliers move, and how many steps are timed."""

    batch: int
    update_every: int
    steps: int
    depth: int
    threads: int


FULL = Setting(batch=128, update_every=32, steps=32, depth=20, threads=2)
SMOKE = Setting(batch=16, update_every=4, steps=4, depth=8, threads=1)


def network_of(task: Task, setting: Setting) -> torch.nn.Module:
    torch.manual_seed(0)
    return (ed.models.resnet20 if setting.depth == 20 else ed.models.resnet8)(len(task.class_names))


def contestants(task: Task, setting: Setting, precision: str, update_every: int) -> dict[str, Callable[[], float]]:
    """Seconds a step under one trade-off, and under five by each way of conditioning."""
    first = next(task.train.batches([torch.arange(2)]))
    schedule = {"precision": precision, "schedule": "constant", "update_every": update_every}
    recipe = ed.Recipe(batch_size=setting.batch, **schedule)
    warm_up = 2

    def loop(objective: Description) -> Callable[[], float]:
        problem, network = problem_of(task, objective), network_of(task, setting)
        if isinstance(objective, ed.FrontierObjective):
            network = conditioned(network, first, objective)

        def measure() -> float:
            going = harness.our_steps(network, problem, recipe, atleast=setting.steps + warm_up)
            return harness.seconds_per_step(going, steps=setting.steps, warm_up=warm_up)

        return measure

    return {ONE: loop(ed.TradeOff(0.5))} | {by: loop(ed.FrontierObjective(by=by)) for by in WAYS}


def floor(task: Task, setting: Setting) -> float:
    """Multiply-adds of a step under five trade-offs over those under one; forward and backward alike."""
    network, first = network_of(task, setting), next(task.train.batches([torch.arange(1)]))
    own = Conditioned(network, head_of(network, first), (0.0, 1.0))
    layer = own.network.get_submodule(own.head)
    plain = forward_multiply_adds(network, first)
    return 1 + 5 * sum(each.numel() for name, each in layer.named_parameters() if name == "weight") / plain


def main() -> None:
    told = harness.arguments(__doc__)
    setting = SMOKE if told.smoke else FULL
    torch.set_num_threads(setting.threads)
    task = task_of(ed.load_data(told.data))
    found: list[dict[str, Any]] = []
    for precision in harness.precisions(told):
        for moves, every in (("none", 100_000), (f"one in {setting.update_every} steps", setting.update_every)):
            seconds = harness.in_turns(contestants(task, setting, precision, every), told.rounds)
            over = harness.ratios(seconds, ONE)
            told_row = {"precision": precision, "moves": moves, "seconds": seconds, "over one": over}
            found.append(told_row | {"median over one": harness.medians(over)})
            told_of = ", ".join(f"{by} {ratio:.3f}" for by, ratio in harness.medians(over).items())
            print(f"{precision}, moves of the multipliers: {moves}: {told_of}", flush=True)
    told_of_all = {"network": f"resnet{setting.depth}", "trade-offs": 5, "batch": setting.batch, "aim": AIM}
    harness.report(told, {**told_of_all, "floor": floor(task, setting), "settings": found})


if __name__ == "__main__":
    main()
