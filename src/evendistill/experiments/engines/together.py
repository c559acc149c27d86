"""Processes that ``torchrun`` started: all of them train each run together, each with its share of every batch."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from evendistill.experiments.causes import keep_cause
from evendistill.experiments.engines.engine import Outcome, outcome_of
from evendistill.experiments.spec import RunSpec

PATIENCE = timedelta(hours=2)  # while the first process evaluates and writes; torchrun notices the dead sooner


def train_together(runs: Path, needed: Mapping[str, RunSpec], missing: Iterable[str]) -> Iterator[Outcome]:
    """Train runs one after another, teachers first; every process must call this with the same runs.

    A run that fails ends all processes: those that did not fail would wait for it forever.

    Args:
        runs: folder of all runs, on a file system that all processes share.
        needed: every run, by hash.
        missing: those to train; the first process decides, since another may have looked at another moment.

    Yields:
        One outcome a run, as they end.
    """
    from evendistill.experiments.run import train_run
    from evendistill.models.ranks import Ranks
    from evendistill.training.turns import drained

    with _process_group():
        for name in Ranks.here().agreed(list(missing)):
            try:
                drained(train_run(needed[name], runs, beside=needed.values()))
            except Exception as error:
                if Ranks.here().is_first:
                    keep_cause(outcome_of(name, error), needed[name], runs)
                raise
            yield Outcome(name)


@contextmanager
def _process_group() -> Iterator[None]:
    import torch
    import torch.distributed as dist

    if torch.cuda.is_available():
        here, own = (int(os.environ.get(name, "0")) for name in ("LOCAL_WORLD_SIZE", "LOCAL_RANK"))
        if here > torch.cuda.device_count():
            raise ValueError(f"torchrun started {here} processes here, there are {torch.cuda.device_count()} GPUs")
        torch.cuda.set_device(own)
        dist.init_process_group("nccl", device_id=torch.device("cuda", own), timeout=PATIENCE)
    else:
        dist.init_process_group("gloo", timeout=PATIENCE)
    yield
    dist.destroy_process_group()  # not after a failure: that would wait for processes that may not answer
