"""Images a second while a student is distilled: our loop beside the loop of the usual libraries.

``python -m benchmarks.distillation --data ../shared/data/cifar10-lt --out results/bench/distillation.json``

ResNet-56 teaches ResNet-20 under the standard objective. Both loops run in this process, in turns, on two threads.
Ours asks the teacher once, before training; "live teacher" asks it anew on each augmented batch, as the reference does.
Before anything is timed, both loops train without augmentation from the same weights on the same batches, and their
losses are compared step by step.
"""

import copy
import itertools
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.data import Sampler

import evendistill as ed
from benchmarks import harness, reference
from evendistill.data.images import ImageDataset
from evendistill.data.sampling import epoch_order
from evendistill.data.view import View
from evendistill.distillation.problem import Distillation, Problem, Task, student_problem
from evendistill.distillation.teacher import frozen, teacher_scores
from evendistill.training import randomness

TEMPERATURE = 3.0
RATE, DECAY = 0.05, 1e-4
VIEW = View(mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616), pad=4, flip=True)
PLAIN = View(mean=VIEW.mean, std=VIEW.std)
CHECK_STEPS, CHECK_RATE = 50, 0.01
PAPER_EPOCHS = 256
CACHED = ("ours fp32", "ours bf16")


@dataclass(frozen=True)
class Setting:
    """What is distilled into what, and how long is timed."""

    teacher: int
    student: int
    batches: tuple[int, ...]
    steps: int
    threads: int


FULL = Setting(teacher=56, student=20, batches=(64, 128), steps=24, threads=2)
SMOKE = Setting(teacher=8, student=8, batches=(16,), steps=3, threads=1)


def network(depth: int, inputs: torch.Tensor | None = None, *, seed: int) -> nn.Module:
    """A network as it is drawn; with inputs, its batch norm statistics are theirs, or deep scores would explode."""
    torch.manual_seed(seed)
    made = ed.models.cifar_resnet(depth, 10)
    if inputs is not None:
        norms = [module for module in made.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = None
        with torch.no_grad():
            made.train()(inputs)
        for norm in norms:
            norm.momentum = 0.1
    return made.eval()


def task_of(data: ed.Data, view: View) -> Task:
    seen = data.viewed(view)
    return Task(seen.train, seen.validation, data.class_names, harness.CPU)


def problem_of(task: Task, teacher: nn.Module, scores: ed.TeacherScores, *, live: bool = False) -> Problem:
    listening = Distillation(TEMPERATURE, teacher_view="augmented" if live else "clean")
    return student_problem(task, scores, ed.Standard(), listening, step_size=0.1, teacher=teacher)


def recipe_of(batch_size: int, *, rate: float = RATE, precision: str = "fp32") -> ed.Recipe:
    return ed.Recipe(
        batch_size=batch_size,
        learning_rate=rate,
        weight_decay=DECAY,
        schedule="constant",
        precision=precision,
    )


def pil_images(task: Task, view: View) -> reference.PilImages:
    train = task.train
    if not isinstance(train, ImageDataset):
        raise TypeError(f"the reference wants images in memory, got {type(train).__name__}")
    told = {"mean": view.mean, "std": view.std, "pad": view.pad, "flip": view.flip}
    return reference.PilImages(train.images, train.labels, **told)


class OurOrder(Sampler[int]):
    """The order in which our loop visits the examples, epoch by epoch."""

    def __init__(self, count: int, seed: int) -> None:
        self._count, self._seed, self._epoch = count, seed, itertools.count()

    def __iter__(self) -> Iterator[int]:
        order = epoch_order(self._count, None, randomness.generator(self._seed, "order", next(self._epoch)))
        return iter(order.tolist())

    def __len__(self) -> int:
        return self._count


def check(
    data: ed.Data, teacher: nn.Module, student: nn.Module, batch: int, *, rate: float = CHECK_RATE
) -> dict[str, Any]:
    """How far the losses of the two loops drift apart, without augmentation."""
    task = task_of(data, PLAIN)
    told = {"temperature": TEMPERATURE, "weight_decay": DECAY, "learning_rate": rate}
    batches = reference.loader(pil_images(task, PLAIN), batch, sampler=OurOrder(len(task.train), seed=0))
    theirs = reference.steps(copy.deepcopy(student), teacher, itertools.repeat(batches), **told)
    expected = list(itertools.islice(theirs, CHECK_STEPS))

    problem = problem_of(task, teacher, teacher_scores(teacher, task.train, None, device=harness.CPU))
    losses: list[float] = []
    problem.objective.register_forward_hook(lambda module, inputs, loss: losses.append(loss.item()))  # pyright: ignore
    ours = harness.our_steps(student, problem, recipe_of(batch, rate=rate), atleast=CHECK_STEPS)
    for _ in range(CHECK_STEPS):
        next(ours)
    ours.close()
    apart = max(abs(one - other) for one, other in zip(losses, expected, strict=True))
    return {
        "steps": CHECK_STEPS,
        "batch": batch,
        "first loss": losses[0],
        "last loss": losses[-1],
        "max_abs_difference": apart,
    }


def contestants(
    task: Task, teacher: nn.Module, student: nn.Module, scores: ed.TeacherScores, batch: int, steps: int
) -> dict[str, Callable[[], float]]:
    """Each measures its images a second."""
    images = pil_images(task, VIEW)

    def speed(going: Generator[object, None, object]) -> float:
        return batch / harness.seconds_per_step(going, steps=steps)

    def ours(precision: str, *, live: bool = False) -> Callable[[], float]:
        problem, recipe = problem_of(task, teacher, scores, live=live), recipe_of(batch, precision=precision)
        return lambda: speed(harness.our_steps(student, problem, recipe, atleast=steps + 2))

    def theirs() -> float:
        epochs = itertools.repeat(reference.loader(images, batch))
        told = {"temperature": TEMPERATURE, "learning_rate": RATE, "weight_decay": DECAY}
        return speed(reference.steps(copy.deepcopy(student), teacher, epochs, **told))

    return {
        "reference": theirs,
        "ours fp32": ours("fp32"),
        "ours bf16": ours("bf16"),
        "ours fp32, live teacher": ours("fp32", live=True),
        "ours bf16, live teacher": ours("bf16", live=True),
    }


def compare(task: Task, batch: int, rounds: harness.Rounds, scoring: float) -> dict[str, Any]:
    """Ratios within each round, and their medians; scoring the teacher counts for as many epochs as it serves."""
    images = len(task.train) // batch * batch

    def with_scoring(epochs: int) -> dict[str, float]:
        paid = {name: [images / (images / speed + scoring / epochs) for speed in rounds[name]] for name in CACHED}
        return harness.medians(harness.ratios(paid | {"reference": rounds["reference"]}, "reference"))

    over = harness.ratios(rounds, "reference")
    return {
        "batch": batch,
        "images per second": rounds,
        "median images per second": harness.medians(rounds),
        "over reference": over,
        "median over reference": harness.medians(over),
        f"the same with scoring, {PAPER_EPOCHS} epochs": with_scoring(PAPER_EPOCHS),
        "the same with scoring, 1 epoch": with_scoring(1),
    }


def main() -> None:
    told = harness.arguments(__doc__)
    setting = SMOKE if told.smoke else FULL
    torch.set_num_threads(setting.threads)
    data = ed.load_data(told.data)
    task = task_of(data, VIEW)
    some = next(task.train.batches([torch.arange(min(256, len(task.train)))]))
    teacher = frozen(network(setting.teacher, some, seed=0), harness.CPU)
    student = network(setting.student, seed=1)

    checked = check(data, teacher, student, setting.batches[0])
    print(f"losses of both loops over {checked['steps']} steps: {checked['max_abs_difference']:.1e} apart at most")
    start = time.perf_counter()
    scores = teacher_scores(teacher, task.train, task.validation, device=harness.CPU)
    scoring = time.perf_counter() - start
    print(f"teacher's scores of {len(task.train)} + {len(task.validation or ())} images, once: {scoring:.1f} s")
    found = []
    for batch in setting.batches:
        runners = contestants(task, teacher, student, scores, batch, setting.steps)
        rounds = harness.in_turns(runners, told.rounds)
        found.append(compare(task, batch, rounds, scoring))
        for name, speed in found[-1]["median images per second"].items():
            share = found[-1]["median over reference"].get(name, 1.0)
            print(f"batch {batch:4}  {name:24} {speed:8.0f} images/s  {share:5.2f} x", flush=True)
    harness.report(told, {"check": checked, "scoring seconds": scoring, "batches": found})


if __name__ == "__main__":
    main()
