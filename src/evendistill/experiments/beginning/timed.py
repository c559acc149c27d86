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
    train, validation, test = (_made_up(found, count) for count in vars(of).values())
    data = Data(train, validation, test, found.class_names, found.group_names)
    costs = {each: measured(run, data) for each, run in kinds(runs).items()}
    return seconds_for(runs, of, costs)


def _made_up(found: Found, count: int) -> ArrayDataset:
    """Some examples, at least one of each class and group; their inputs are one, which takes no memory."""
    classes, groups = len(found.class_names), len(found.group_names)
    rows = torch.arange(max(min(FEW, count), classes * max(groups, 1)))
    inputs = torch.rand(1, *found.inputs.shape).expand(len(rows), *found.inputs.shape)
    return ArrayDataset(inputs, rows % classes, rows // classes % groups if groups else None)
