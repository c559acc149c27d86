"""What runs cost where several are trained at once: measured in as many processes, which slow one another down."""

import multiprocessing
import time
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from threading import BrokenBarrierError
from typing import TYPE_CHECKING, Any

from evendistill.experiments.spec import DataSpec, RunSpec, ViewSpec

if TYPE_CHECKING:
    from evendistill.experiments.beginning.measuring import Cost

PATIENCE = 600.0  # seconds for the slowest of them to read its data
_barrier: Any = None  # of this process and those beside it


def side_by_side(
    runs: dict[tuple[object, ...], RunSpec], data: DataSpec, view: ViewSpec | None, *, jobs: int
) -> "tuple[float, dict[tuple[object, ...], Cost]]":
    """Start processes as training does, and measure in all of them at once.

    Args:
        runs: one of each kind.
        data: theirs.
        view: theirs.
        jobs: how many processes.

    Returns:
        The seconds until a process is ready to train, and the cost of each kind.

    Raises:
        ValueError: if a run cannot be begun, or a process died.
    """
    from evendistill.experiments.beginning.measuring import Cost

    context, start = multiprocessing.get_context("spawn"), time.monotonic()
    with ProcessPoolExecutor(jobs, context, _take, (context.Barrier(jobs),)) as pool:
        found = [pool.submit(_measure, list(runs.values()), data, view, place) for place in range(jobs)]
        told = [each.result() for each in sorted(found, key=_is_bystander)]
    ready = max(moment for moment, _ in told) - start
    return ready, {each: Cost.mean(costs[position] for _, costs in told) for position, each in enumerate(runs)}


def _is_bystander(future: "Future[Any]") -> bool:
    """Whether it failed only because another did; that one is to speak."""
    error = future.exception()
    if isinstance(error, BrokenExecutor):
        raise ValueError("a process died while it was measured how long a step takes; try fewer at once, by --jobs")
    return isinstance(error, BrokenBarrierError)


def _take(barrier: Any) -> None:  # noqa: ANN401 - a barrier of whatever context
    global _barrier
    _barrier = barrier


def _measure(runs: list[RunSpec], data: DataSpec, view: ViewSpec | None, place: int) -> "tuple[float, list[Cost]]":
    """When this process was ready, and what each run costs."""
    import torch

    from evendistill.experiments.beginning.measuring import measured
    from evendistill.experiments.sources import seen

    try:
        if torch.cuda.is_available():
            torch.cuda.set_device(place % torch.cuda.device_count())
        examples = seen(data, view)
        measured(runs[0], examples)  # what is slow once, such as what torch imports late
        ready, costs = time.monotonic(), []
        for run in runs:
            _barrier.wait(PATIENCE)
            costs.append(measured(run, examples))
    except BaseException:
        _barrier.abort()
        raise
    return ready, costs
