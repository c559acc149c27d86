"""How long runs will take, from what their parts cost on this machine."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evendistill.experiments.beginning.measuring import Cost, kind
from evendistill.experiments.objectives import FrontierSpec
from evendistill.experiments.processes import cores
from evendistill.experiments.run import stops
from evendistill.experiments.spec import RunSpec

UNITS = ((86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))


@dataclass(frozen=True)
class Sizes:
    """What the time of a run hangs on, of the data.

    Attributes:
        train: training examples.
        validation: validation examples.
        test: test examples.
    """

    train: int
    validation: int
    test: int


def seconds_for(
    runs: Sequence[RunSpec],
    of: Sizes,
    costs: Mapping[tuple[object, ...], Cost],
    *,
    ready: float = 0.0,
    jobs: int | None = None,
) -> float:
    """About how long these runs take together.

    Args:
        runs: those to train.
        of: their data.
        costs: of each :func:`kind` of them.
        ready: seconds until a process is ready to train.
        jobs: runs at once; one a core if None.
    """
    if not runs:
        return 0.0
    each = {run.hash: seconds_of(run, of, costs[kind(run)]) for run in runs}
    chains: dict[str, float] = {}

    def chain(run: RunSpec) -> float:
        """Seconds until a run is finished that waits for nothing but what it learns from."""
        if run.hash not in chains:
            chains[run.hash] = each.get(run.hash, 0.0) + max(map(chain, run.inputs), default=0.0)
        return chains[run.hash]

    return ready + max(sum(each.values()) / (jobs or cores()), *map(chain, runs))


def seconds_of(run: RunSpec, of: Sizes, cost: Cost) -> float:
    """About how long one run takes, from its beginning to its results."""
    if run.mend is not None:
        return _looks(run, of) * cost.look + of.validation * cost.mend
    told = run.training
    batch = min(told.batch_size, of.train)
    an_epoch = of.train // batch  # what is left over waits for the next epoch
    steps, looks = told.epochs * an_epoch, _looks(run, of)
    if run.objective.is_adversarial:
        spans = [an_epoch] * told.epochs if told.update_phase == "epoch" else [steps]
        moves = sum(math.ceil(span / told.update_every) for span in spans)
        looks += (moves - 1) * min(of.validation, told.update_examples)  # the first belongs to the beginning
    if told.iterate == "best":
        looks += told.epochs * of.validation
    return cost.begin + (steps - 1) * cost.step + looks * cost.look


def _looks(run: RunSpec, of: Sizes) -> int:
    """Examples that are looked at when a run is trained: held out, for the test, and those its students ask for."""
    held_out = of.validation + of.test
    if run.mend is None and isinstance(run.objective, FrontierSpec):
        return of.validation + len(stops(run.objective.alphas)) * held_out
    asked = of.train + of.validation if run.trained.listening is None else 0
    return held_out + asked


def about(seconds: float, jobs: int | None = None) -> str:
    """So long, in words; no more exact than it is.

    Example:
        >>> about(740, 2)
        'about 12 minutes with --jobs 2'
    """
    size, unit = next((each for each in UNITS if seconds >= 1.5 * each[0]), UNITS[-1])
    count = max(1, round(seconds / size))
    return f"about {count} {unit if count > 1 else unit[:-1]} with --jobs {jobs or cores()}"
