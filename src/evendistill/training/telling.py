"""Each new record of a run handed to whoever asked for it, between two steps and without leaving a trace in the run."""

import copy
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from evendistill.training import randomness
from evendistill.training.turns import Turns

T = TypeVar("T")
Record = dict[str, Any]
OnEpoch = Callable[[list[Record]], None]


def telling(
    work: Callable[[OnEpoch], Turns[T]], on_record: Callable[[Record], object], device: torch.device
) -> Turns[T]:
    """The same work; after a step that ends an epoch ``on_record`` is called with a copy of the epoch's record.

    What it draws at random is not missed by the run. What it raises ends the work as an interruption does: the run is
    saved and has not failed, for a tracker that is down says nothing of it.

    Args:
        work: made from what is to be called with the history so far, after each epoch and before the first step.
        on_record: whom to tell.
        device: of the run.
    """
    known: int | None = None
    new: list[Record] = []

    def hear(history: list[Record]) -> None:
        nonlocal known
        new.extend([] if known is None else history[known:])  # what it begins with was told before it was resumed
        known = len(history)

    turns = work(hear)
    try:
        while True:
            try:
                next(turns)
            except StopIteration as end:
                return end.value
            while new:
                _tell(new.pop(0), on_record, device)
            yield
    finally:
        turns.close()


def _tell(record: Record, on_record: Callable[[Record], object], device: torch.device) -> None:
    before = randomness.capture(device)
    try:
        on_record(copy.deepcopy(record))
    finally:
        randomness.restore(before, device)
