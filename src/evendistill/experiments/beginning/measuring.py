"""What the parts of runs cost here: a step, a look at an example, the beginning of a run, a mend; each is measured."""

import itertools
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch

from evendistill.data.datasets import Data
from evendistill.distillation.problem import Task, true_problem
from evendistill.experiments.mended import put_on
from evendistill.experiments.mends import AtSpec, LogitAdjustmentSpec, MeanSpec, RefittedSpec
from evendistill.experiments.networks import network_to_train
from evendistill.experiments.objectives import FrontierSpec
from evendistill.experiments.run import device_here, objective_of
from evendistill.experiments.spec import RunSpec
from evendistill.models.inference import scores_over
from evendistill.training import randomness
from evendistill.training.heldout import EVALUATION_BATCH
from evendistill.training.loop import fit

WARM, MOST_STEPS = 2, 500
STEPS_SECONDS, LOOKS_SECONDS = 1.0, 0.3  # for each network, on a machine that may have other work as well
MOST_FITTED = 256  # examples that a mend is tried on


@dataclass(frozen=True)
class Cost:
    """What runs of one kind cost, in seconds.

    Attributes:
        step: one training step.
        look: the scores of one example.
        begin: all up to the end of the first step, a first move of the multipliers with it.
        mend: what is put on finished scores, for each held-out example.
    """

    step: float = 0.0
    look: float = 0.0
    begin: float = 0.0
    mend: float = 0.0

    @classmethod
    def mean(cls, costs: Iterable["Cost"]) -> "Cost":
        """Of several that were measured side by side."""
        return cls(*map(statistics.fmean, zip(*(vars(each).values() for each in costs), strict=True)))


def kind(run: RunSpec) -> tuple[object, ...]:
    """What runs of one cost have in common."""
    told, trained = run.training, run.trained
    several = trained.objective if isinstance(trained.objective, FrontierSpec) else None
    put = run.mend and run.mend.kind
    return run.network.model_dump_json(), several, told.batch_size, told.precision, told.threads, put


def kinds(runs: Iterable[RunSpec]) -> dict[tuple[object, ...], RunSpec]:
    """The first run of each kind."""
    found: dict[tuple[object, ...], RunSpec] = {}
    for run in runs:
        found.setdefault(kind(run), run)
    return found


def measured(run: RunSpec, data: Data) -> Cost:
    """What a run costs here, from a few of its own steps on its own data; nothing is written.

    A student's step is measured without its teacher, whose scores are there when it begins; so is what is captured or
    compiled, as it would be without.

    Args:
        run: one of its kind.
        data: as its network sees them.
    """
    device, start = device_here(), time.perf_counter()
    with randomness.isolated(0, device), randomness.threads(run.training.threads):
        if run.mend is not None:
            return Cost(look=_look(run.trained, data.to(device)), mend=_mend(run, data))
        data = data.to(device)
        task = Task(
            data.train, data.validation, data.class_names, device, run.training.sampler, run.grouping, data.group_names
        )
        problem = true_problem(task, objective_of(run.objective), step_size=run.training.multiplier_step)
        told = replace(run.training, compile=False, capture=False, processes=1, update_every=MOST_STEPS + 1)
        network = network_to_train(run, data)
        work = fit(network, problem, told, seed=0, device=device)
        next(work)
        begin = time.perf_counter() - start
        step = _mean(lambda: next(work), STEPS_SECONDS, device)
        work.close()
        return Cost(step, _look(run, data), begin)


def _look(run: RunSpec, data: Data) -> float:
    device = device_here()
    network, rows = network_to_train(run, data).to(device), torch.arange(min(EVALUATION_BATCH, len(data.validation)))
    batches = data.validation.batches
    return _mean(lambda: scores_over(network, batches([rows]), device=device), LOOKS_SECONDS, device) / len(rows)


def _mend(run: RunSpec, data: Data) -> float:
    mend = run.mend
    if isinstance(mend, MeanSpec | LogitAdjustmentSpec) or (isinstance(mend, AtSpec) and not mend.by_costs):
        return 0.0
    labels = data.validation.labels[:MOST_FITTED]
    scores, ones = torch.randn(len(labels), data.num_classes), torch.ones(data.num_classes, dtype=torch.float64)
    start = time.perf_counter()
    put_on(None if isinstance(mend, RefittedSpec) else mend, scores, labels, (ones / len(ones)).log())
    return (time.perf_counter() - start) / len(labels)


def _mean(work: Callable[[], object], seconds: float, device: torch.device) -> float:
    """Mean time of one piece of work; the first ones, which are slower, do not count."""
    found: list[float] = []
    for _ in itertools.repeat(None, MOST_STEPS):
        start = time.perf_counter()
        try:
            work()
        except StopIteration:  # the whole training was shorter
            break
        if device.type == "cuda":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - start)
        if sum(found[WARM:]) > seconds:
            break
    return statistics.fmean(found[WARM:] or found or [0.0])
