"""Processes that ``torchrun`` started: all of them train each run together, each with its share of every batch."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from evendistill.experiments.engines import Outcome
from evendistill.experiments.spec import RunSpec


def processes_started() -> int:
    """How many processes ``torchrun`` started, this one among them; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Whether this process speaks to people: the first that ``torchrun`` started, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def train_together(runs: Path, needed: Mapping[str, RunSpec]) -> Iterator[Outcome]:
    """Train runs one after another, teachers first; every process must call this with the same runs.

    A run that fails ends all processes: those that did not fail would wait for it forever.

    Args:
        runs: folder of all runs, on a file system that all processes share.
        needed: the runs to train, by hash.

    Yields:
        One outcome a run, as they end.
    """
    from evendistill.experiments.run import train_run
    from evendistill.training.turns import drained

    with _process_group():
        for name, spec in needed.items():
            drained(train_run(spec, runs))
            yield Outcome(name)


@contextmanager
def _process_group() -> Iterator[None]:
    import torch
    import torch.distributed as dist

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("nccl")
    else:
        dist.init_process_group("gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()
