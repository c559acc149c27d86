"""Several runs at once in one process, in turns: what fills a GPU that one small network leaves idle."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from evendistill.experiments.engines.engine import Outcome, failed
from evendistill.experiments.spec import RunSpec

if TYPE_CHECKING:
    from evendistill.training.turns import Turn

STEPS_A_TURN = 8


class PackedEngine:
    """Runs that take turns in this process.

    Each has random generators of its own, and on a GPU a stream of its own, so that its result is what it would be if
    it were trained alone.

    Args:
        runs: folder of all runs.
        specs: the runs that may come, by hash.
        width: how many at once.
        beside: all runs of the recipe, finished or not.

    Raises:
        ValueError: if the runs ask for different numbers of threads, which a process has but one of.
    """

    def __init__(self, runs: Path, specs: Mapping[str, RunSpec], *, width: int, beside: Iterable[RunSpec] = ()) -> None:
        if len({spec.training.threads for spec in specs.values()}) > 1:
            raise ValueError("runs of one pack must ask for one number of threads")
        self._runs, self._specs, self._width, self._beside = runs, specs, width, tuple(beside)
        self._turns: dict[str, Turn[object]] = {}

    @property
    def room(self) -> int:
        """Free places in the pack."""
        return self._width - self.running

    @property
    def running(self) -> int:
        """Runs in the pack."""
        return len(self._turns)

    def start(self, name: str) -> None:
        """Take a run into the pack."""
        from evendistill.experiments.run import device_here, train_run
        from evendistill.training.turns import Turn

        self._turns[name] = Turn(train_run(self._specs[name], self._runs, beside=self._beside), device_here())

    def ended(self, seconds: float) -> list[Outcome]:
        """Give each run a turn; those that have ended in it."""
        if not self._turns:
            time.sleep(seconds)
        return list(
            self._without(outcome for name, turn in list(self._turns.items()) if (outcome := _turn(name, turn)))
        )

    def stop(self) -> list[Outcome]:
        """Save every run."""
        return list(self._without(_closed(name, turn) for name, turn in list(self._turns.items())))

    def _without(self, outcomes: Iterable[Outcome]) -> Iterable[Outcome]:
        for outcome in outcomes:
            del self._turns[outcome.hash]
            yield outcome


def _turn(name: str, turn: "Turn[object]") -> Outcome | None:
    try:
        return None if turn.take(STEPS_A_TURN) is None else Outcome(name)
    except Exception as error:  # noqa: BLE001 - one run's failure is its own; the rest goes on
        return failed(name, error)


def _closed(name: str, turn: "Turn[object]") -> Outcome:
    try:
        turn.close()
    except Exception as error:  # noqa: BLE001 - a full disk must not keep the others from saving themselves
        return failed(name, error)
    return Outcome(name, "cut off")
