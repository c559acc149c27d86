"""A tiny run on the embedded digits: trained, trained again, and cut off and resumed, to compare the bits."""

import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from evendistill.experiments.beginning.disk import scratch
from evendistill.experiments.objectives import ObjectiveSpec
from evendistill.experiments.run import device_here, train_run
from evendistill.experiments.spec import DataSpec, MlpSpec, RunSpec
from evendistill.training.recipe import Recipe
from evendistill.training.turns import drained

CUT_AFTER = 17  # steps, of 28: within the second epoch
COMPARED = ("model.safetensors", "validation.json", "test.json")


@dataclass(frozen=True)
class Rehearsal:
    """How a tiny run went.

    Attributes:
        device: that it was trained on.
        seconds: for all of it.
        is_repeatable: whether the same run gave the same bits.
        resumes_exactly: whether it did after it was cut off and resumed.
    """

    device: str
    seconds: float
    is_repeatable: bool
    resumes_exactly: bool


def rehearse(folder: Path) -> Rehearsal:
    """Train a perceptron for two epochs, three times, on the disk where runs would lie.

    Raises:
        Exception: whatever keeps a run from being trained here.
    """
    start = time.perf_counter()
    spec = RunSpec(
        data=DataSpec(),
        network=MlpSpec(kind="mlp", hidden=(16,)),
        objective=ObjectiveSpec(alpha=1.0),
        training=Recipe(epochs=2, batch_size=64, update_every=4),
    )
    with scratch(folder) as place:
        straight, again = (_files(spec, place / name) for name in ("straight", "again"))
        work = train_run(spec, place / "resumed")
        for _ in islice(work, CUT_AFTER):
            pass
        work.close()
        resumed = _files(spec, place / "resumed")
    seconds = time.perf_counter() - start
    return Rehearsal(str(device_here()), seconds, straight == again, straight == resumed)


def _files(spec: RunSpec, runs: Path) -> list[bytes]:
    folder = drained(train_run(spec, runs))
    return [(folder.path / name).read_bytes() for name in COMPARED]
