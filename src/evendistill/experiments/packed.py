"""Several runs at once in one process, in turns: what fills a GPU that one small network leaves idle."""

import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from evendistill.experiments.engines import TEACHER_FAILED, Outcome, failed, ready, without_teacher
from evendistill.experiments.spec import RunSpec

if TYPE_CHECKING:
    from evendistill.training.turns import Turn

STEPS_A_TURN = 8


def train_packed(
    runs: Path, needed: Mapping[str, RunSpec], *, width: int, deadline: float = math.inf
) -> Iterator[Outcome]:
    """Train up to ``width`` runs at once in this process, teachers before their students.

    Each run has random generators of its own, and on a GPU a stream of its own, so that its result is what it would be
    if it were trained alone.

    Args:
        runs: folder of all runs.
        needed: the runs to train, by hash; a teacher not among them must be finished.
        width: how many at once.
        deadline: seconds since the epoch at which to save and stop.

    Yields:
        One outcome a run, as they end.

    Raises:
        ValueError: if the runs ask for different numbers of threads, which a process has but one of.
    """
    if len({spec.training.threads for spec in needed.values()}) > 1:
        raise ValueError("runs of one pack must ask for one number of threads")
    from evendistill.experiments.run import device_here, train_run
    from evendistill.training.turns import Turn

    waiting, ended = dict(needed), dict[str, bool]()
    open_turns: dict[str, Turn] = {}
    while waiting or open_turns:
        if time.time() >= deadline:
            yield from map(_stopped, open_turns, open_turns.values())
            return
        for orphan in without_teacher(waiting, ended):
            yield Outcome(orphan, TEACHER_FAILED, is_input=True)
        free = width - len(open_turns)
        for name in ready(waiting, needed, ended)[:free] if free else ():
            open_turns[name] = Turn(train_run(waiting.pop(name), runs), device_here())
        for name, turn in list(open_turns.items()):
            outcome = _turn(name, turn)
            if outcome is not None:
                del open_turns[name]
                ended[name] = outcome.error is None
                yield outcome


def _stopped(name: str, turn: "Turn[object]") -> Outcome:
    turn.close()
    return Outcome(name, is_cut_off=True)


def _turn(name: str, turn: "Turn[object]") -> Outcome | None:
    try:
        return None if turn.take(STEPS_A_TURN) is None else Outcome(name)
    except Exception as error:  # noqa: BLE001 - one run's failure is its own; the rest goes on
        return failed(name, error)
