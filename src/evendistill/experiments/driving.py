"""Driving a sweep: which run an engine is handed next, and what follows from how it ended."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from evendistill.experiments.causes import keep_cause
from evendistill.experiments.engines.engine import Engine, Outcome
from evendistill.experiments.order import ready, without_teacher
from evendistill.experiments.results import failure_of, is_finished
from evendistill.experiments.spec import RunSpec
from evendistill.storage.watch import Watch

MOST_TRIES = 3
MOST_DOUBLINGS = 10  # a number doubled a thousand times is too large for a float
TEACHER_FAILED = "its teacher failed"
WAIT = 0.2  # seconds for which an engine is listened to before signals are looked at
LOOK_AGAIN = 0.05  # seconds until a run that another process trains is looked at again, doubled each time
LOOK_AT_LEAST = 4.0  # seconds that are never exceeded


def drive(
    engine: Engine,
    runs: Path,
    needed: Mapping[str, RunSpec],
    *,
    is_over: Callable[[], bool] = lambda: False,
    again: frozenset[str] = frozenset(),
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Outcome]:
    """Train runs on an engine, each after those that it learns from.

    A run that another process is training is left to it, and taken over if that falls silent. A run whose process dies
    is tried again from its last checkpoint, three times in all. A run whose teacher failed is not tried.

    Args:
        engine: not yet started on anything; it is stopped at the end.
        runs: folder of all runs.
        needed: the runs to train, by hash, in the order of their urgency; a teacher not among them must be finished.
        is_over: whether to save and stop.
        again: hashes of runs to be tried although they have failed before.
        clock: seconds, rising.

    Yields:
        One outcome a run, as they end; none for runs that were not begun when it was over.
    """
    drive = _Drive(engine, runs, needed, again, clock)
    try:
        while drive.waiting or engine.running:
            if is_over():
                break
            yield from drive.orphans()
            yield from drive.begin()
            yield from drive.listen()
    finally:
        last = engine.stop()
    yield from (keep_cause(each, needed[each.hash], runs) for each in last)


class _Drive:
    """What is known of the runs while they are driven."""

    def __init__(
        self,
        engine: Engine,
        runs: Path,
        needed: Mapping[str, RunSpec],
        again: frozenset[str],
        clock: Callable[[], float],
    ) -> None:
        self.engine, self.runs, self.needed, self.again = engine, runs, needed, again
        self.waiting = dict(needed)
        self.ended: dict[str, bool] = {}
        self.tries: Counter[str] = Counter()
        self.looks: Counter[str] = Counter()
        self.not_before: dict[str, float] = {}
        self.clock, self.watch = clock, Watch(clock)
        self.has_news = False

    def orphans(self) -> list[Outcome]:
        """Students that will not be tried."""
        if False not in self.ended.values():
            return []
        orphans = without_teacher(self.waiting, self.ended)
        return [Outcome(name, "failed", TEACHER_FAILED, is_input=True) for name in orphans]

    def begin(self) -> Iterator[Outcome]:
        """Fill the engine with what is ready; yields what others have done meanwhile."""
        room, now, self.has_news = self.engine.room, self.clock(), False
        for name in list(ready(self.waiting, self.needed, self.ended)) if room else ():
            if room == 0:
                return
            if self.not_before.get(name, 0.0) > now:
                continue
            if outcome := self._of_others(name):
                self.has_news = True
                yield self._settled(outcome)
            elif not self.watch.is_free(self.runs / self.needed[name].folder_name):
                self._leave(name)
            else:
                del self.waiting[name]
                self.tries[name] += 1
                self.engine.start(name)
                room -= 1

    def listen(self) -> Iterator[Outcome]:
        """What the engine says."""
        for outcome in self.engine.ended(self._patience()):
            if outcome.end in ("busy", "cut off"):  # cut off by another's signal: nobody has asked for that here
                self._put_back(outcome.hash)
                self._leave(outcome.hash)
                self.tries[outcome.hash] -= 1
            elif outcome.end == "died" and self.tries[outcome.hash] < MOST_TRIES:
                self._put_back(outcome.hash)
            else:
                end = _given_up(outcome) if outcome.end == "died" else outcome
                yield self._settled(keep_cause(end, self.needed[end.hash], self.runs))

    def _patience(self) -> float:
        """Seconds until something may begin for which no run of the engine has to end, or signals are looked at."""
        if self.has_news:  # of others: it may have been the last run, or there are students that can begin
            return 0.0
        if self.engine.running:
            return WAIT
        left = [until - self.clock() for name, until in self.not_before.items() if name in self.waiting]
        return max(0.0, min((WAIT, *left)))

    def _of_others(self, name: str) -> Outcome | None:
        """What another process has made of a run: finished it, or failed at it."""
        spec = self.needed[name]
        if is_finished(spec, self.runs):
            return Outcome(name, is_elsewhere=True)
        if name in self.again:
            return None
        failure = failure_of(spec, self.runs)
        return failure and Outcome(name, "failed", failure.error, is_input=failure.is_input, is_elsewhere=True)

    def _settled(self, outcome: Outcome) -> Outcome:
        self.waiting.pop(outcome.hash, None)
        self.ended[outcome.hash] = outcome.end == "finished"
        return outcome

    def _put_back(self, name: str) -> None:
        self.waiting = {name: self.needed[name]} | self.waiting

    def _leave(self, name: str) -> None:
        """Leave a run to its owner for a while; the longer it takes, the less often it is looked at."""
        self.not_before[name] = self.clock() + min(LOOK_AGAIN * 2 ** self.looks[name], LOOK_AT_LEAST)
        self.looks[name] = min(self.looks[name] + 1, MOST_DOUBLINGS)


def _given_up(outcome: Outcome) -> Outcome:
    cause = f"its process died {MOST_TRIES} times, last {outcome.error}; often that is a lack of memory"
    return Outcome(outcome.hash, "failed", cause)
