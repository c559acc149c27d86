"""How long the missing runs of a recipe will take: all that they need is made and tried, in as many processes."""

from collections.abc import Sequence

import torch

from evendistill.data.datasets import Data
from evendistill.data.examples import ArrayDataset
from evendistill.experiments.beginning.found import Found
from evendistill.experiments.beginning.measuring import kinds, measured
from evendistill.experiments.beginning.pace import Sizes, seconds_for
from evendistill.experiments.beginning.side_by_side import side_by_side
from evendistill.experiments.preflight import check_before_training
from evendistill.experiments.sources import seen
from evendistill.experiments.spec import RunSpec

FEW = 1024  # examples made up where only their shape is known


def seconds_side_by_side(runs: Sequence[RunSpec], jobs: int) -> float:
    """About how long runs take where so many are trained at once.

    Args:
        runs: at least one, all on the same data.
        jobs: runs at once.

    Raises:
        ValueError: if the data cannot be read, or a network does not fit them.
    """
    data = seen(runs[0].data, runs[0].view)
    check_before_training(runs, data)
    of = Sizes(len(data.train), len(data.validation), len(data.test))
    del data  # the processes hold their own
    ready, costs = side_by_side(kinds(runs), runs[0].data, runs[0].view, jobs=min(jobs, len(runs)))
    return seconds_for(runs, of, costs, ready=ready, jobs=jobs)


def seconds_alone(runs: Sequence[RunSpec], found: Found) -> float:
    """About how long runs take if nothing slows them, from inputs made up in the shape of what was found."""
    of = Sizes(*(found.parts[name].examples for name in ("train", "validation", "test")))
    few = [min(FEW, count) for count in vars(of).values()]
    names = found.class_names
    made = (ArrayDataset(torch.rand(n, *found.inputs.shape), torch.arange(n) % len(names)) for n in few)
    train, validation, test = made
    data = Data(train, validation, test, names)
    costs = {each: measured(run, data) for each, run in kinds(runs).items()}
    return seconds_for(runs, of, costs)
