"""What the robust objective adds to a training step, beside the least that it could add.

``python -m benchmarks.robust_epoch --data ../shared/data/cifar10-lt --out results/bench/robust_epoch.json``

A ResNet-8 student of a teacher's cached scores, standard and robust in turns, timed over whole periods between two
moves of the multipliers. A move looks at V validation examples, at a third of the price of training on them if a
training step costs three forward passes, so the floor is 1 + V / (update_every x batch) / 3. The second floor puts the
measured price of a bare forward pass over ready inputs in place of that third.
"""

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import nn

import evendistill as ed
from benchmarks import harness
from evendistill.data.view import View
from evendistill.distillation.problem import Distillation, Problem, Task, student_problem
from evendistill.models.inference import in_channels_last
from evendistill.objectives.objective import Description
from evendistill.training.heldout import EVALUATION_BATCH

VIEW = View(mean=(0.5,), std=(0.25,), pad=4, flip=True)
AIM = 0.05
WARM_UP = 2


@dataclass(frozen=True)
class Setting:
    """How large, how often the multipliers move, and over how many periods is timed."""

    batches: tuple[int, ...]
    update_every: int
    periods: int
    threads: int


FULL = Setting(batches=(128, 1024), update_every=32, periods=2, threads=2)
SMOKE = Setting(batches=(16,), update_every=4, periods=1, threads=1)


def task_of(data: ed.Data) -> Task:
    seen = data.viewed(VIEW)
    return Task(seen.train, seen.validation, data.class_names, harness.CPU)


def problem_of(task: Task, objective: Description) -> Problem:
    """A student's, its teacher's scores made up: what they say costs nothing."""
    generator = torch.Generator().manual_seed(0)
    sizes = (len(task.train), len(task.validation or ()))
    made_up = [torch.randn(size, len(task.class_names), generator=generator) for size in sizes]
    return student_problem(task, ed.TeacherScores(*made_up), objective, Distillation(), step_size=0.1)


def bare_forward(network: nn.Module, task: Task, precision: str) -> Callable[[], float]:
    """Seconds of the network alone over the validation set, from inputs that are ready in batches."""
    validation = task.validation
    if validation is None:
        raise ValueError("the data have no validation set")
    ready = list(validation.batches(torch.arange(len(validation)).split(EVALUATION_BATCH)))
    network = in_channels_last(network, ready[0][:2]).eval()
    bf16 = precision == "bf16"

    def measure() -> float:
        start = perf_counter()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
            for inputs in ready:
                network(inputs)
        return perf_counter() - start

    return measure


def contestants(task: Task, setting: Setting, batch: int, precision: str) -> dict[str, Callable[[], float]]:
    """Seconds of a standard step, of a robust one with its share of a move, and of a forward pass over validation."""
    torch.manual_seed(0)
    network = ed.models.resnet8(len(task.class_names))
    recipe = ed.Recipe(batch_size=batch, update_every=setting.update_every, precision=precision, schedule="constant")
    steps = setting.update_every * setting.periods

    def loop(objective: Description) -> Callable[[], float]:
        problem = problem_of(task, objective)

        def measure() -> float:
            going = harness.our_steps(network, problem, recipe, atleast=steps + WARM_UP)
            return harness.seconds_per_step(going, steps=steps, warm_up=WARM_UP)

        return measure

    forward = bare_forward(copy.deepcopy(network), task, precision)
    return {"standard": loop(ed.Standard()), "robust": loop(ed.Robust()), "forward": forward}


def compare(task: Task, setting: Setting, batch: int, precision: str, rounds: int) -> dict[str, Any]:
    seconds = harness.in_turns(contestants(task, setting, batch, precision), rounds)
    over = harness.ratios(seconds, "standard")
    median = harness.medians(over)
    validation, steps = len(task.validation or ()), setting.update_every
    floor = 1 + validation / (steps * batch) / 3
    return {
        "batch": batch,
        "precision": precision,
        "validation examples": validation,
        "update_every": steps,
        "steps timed": steps * setting.periods,
        "seconds": seconds,
        "robust over standard": over["robust"],
        "median robust over standard": median["robust"],
        "floor": floor,
        "above floor": median["robust"] - floor,
        "forward over training, per example": median["forward"] * batch / validation,
        "floor with measured forward": 1 + median["forward"] / steps,
    }


def main() -> None:
    told = harness.arguments(__doc__)
    setting = SMOKE if told.smoke else FULL
    torch.set_num_threads(setting.threads)
    task = task_of(ed.load_data(told.data))
    found = []
    print("batch  precision  robust / standard  floor  measured floor  forward / training")
    for batch in setting.batches:
        for precision in harness.precisions(told):
            row = compare(task, setting, batch, precision, told.rounds)
            found.append(row)
            print(
                f"{batch:5}  {precision:9}  {row['median robust over standard']:17.3f}  {row['floor']:5.3f}  "
                f"{row['floor with measured forward']:14.3f}  {row['forward over training, per example']:18.3f}",
                flush=True,
            )
    harness.report(told, {"network": "resnet8", "aim above floor": AIM, "settings": found})


if __name__ == "__main__":
    main()
