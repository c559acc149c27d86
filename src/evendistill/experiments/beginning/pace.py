"""How long runs will take, from a few training steps of each of their networks on this machine."""

import math
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from evendistill.data.view import View
from evendistill.experiments.networks import made
from evendistill.experiments.processes import cores
from evendistill.experiments.run import device_here
from evendistill.experiments.sources import loaded
from evendistill.experiments.spec import DataSpec, NetworkSpec, RunSpec, ViewSpec
from evendistill.models.inference import in_channels_last
from evendistill.training import randomness
from evendistill.training.recipe import Recipe

WARM, MOST_STEPS, MOST_SECONDS = 1, 20, 0.7  # for each network
FORWARD = 1 / 3  # of a step: the way back is twice as long
UNITS = ((86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))


@dataclass(frozen=True)
class Sizes:
    """What the time of a step hangs on, of the data.

    Attributes:
        train: training examples.
        validation: validation examples.
        shape: of one input as a network sees it.
        classes: their number.
    """

    train: int
    validation: int
    shape: tuple[int, ...]
    classes: int


def sizes(data: DataSpec, view: ViewSpec | None) -> Sizes:
    """The sizes of a recipe's data, which are loaded for it."""
    stored = loaded(data)
    seen = stored if view is None else stored.viewed(View(**view.model_dump()))
    first = next(seen.train.batches([torch.arange(1)]))
    return Sizes(len(seen.train), len(seen.validation), tuple(first.shape[1:]), seen.num_classes)


def seconds_for(runs: Iterable[RunSpec], of: Sizes, *, jobs: int | None = None) -> float:
    """About how long these runs take together; reading and augmenting images is not in it.

    Args:
        runs: those to train.
        of: their data.
        jobs: runs at once; one a core if None.
    """
    known: dict[object, float] = {}
    every: list[float] = []
    for run in (run for run in runs if run.mend is None):
        told = run.training
        key = (run.network.model_dump_json(), told.batch_size, told.precision, told.threads)
        if key not in known:
            known[key] = seconds_a_step(run.network, told, of)
        steps = told.epochs * math.ceil(of.train / told.batch_size)
        looked_at = min(of.validation, told.update_examples) if run.objective.is_adversarial else 0
        every.append(steps * known[key] * (1 + FORWARD * looked_at / told.batch_size / told.update_every))
    return max(sum(every) / (jobs or cores()), max(every, default=0.0))


def seconds_a_step(network: NetworkSpec, recipe: Recipe, of: Sizes) -> float:
    """Median of a few training steps on random inputs; the first ones, which are slower, do not count."""
    device, size = device_here(), min(recipe.batch_size, of.train)
    with randomness.isolated(0, device), randomness.threads(recipe.threads):
        inputs, labels = torch.rand(size, *of.shape, device=device), torch.arange(size, device=device) % of.classes
        model = in_channels_last(made(network, of.classes, of.shape).to(device), inputs).train()
        optimiser = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9)
        found: list[float] = []
        while len(found) < WARM + 1 or (len(found) < MOST_STEPS and sum(found[WARM:]) < MOST_SECONDS):
            start = time.perf_counter()
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=recipe.precision == "bf16"):
                loss = F.cross_entropy(model(inputs).float(), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            loss.item()  # a GPU is waited for
            found.append(time.perf_counter() - start)
    return statistics.median(found[WARM:])


def about(seconds: float, jobs: int | None = None) -> str:
    """So long, in words; no more exact than it is.

    Example:
        >>> about(740, 2)
        'about 12 minutes with --jobs 2'
    """
    size, unit = next((each for each in UNITS if seconds >= 1.5 * each[0]), UNITS[-1])
    count = max(1, round(seconds / size))
    return f"about {count} {unit if count > 1 else unit[:-1]} with --jobs {jobs or cores()}"
