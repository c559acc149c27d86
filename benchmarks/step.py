"""Seconds per epoch of our loop, beside a bare hand-written one and beside its own floor; peak memory.

Run with ``make bench``. Each ratio compares epochs timed in turns within this one process, the median of several
rounds. The floor of the robust objective is arithmetic: a validation example costs a forward pass, a training example
about three.
"""

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

import evendistill as ed
from evendistill.training.randomness import generator

ROUNDS = 5
EPOCHS = 40
BATCH = 64


def bare_loop(model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> None:
    """What a person writes in five minutes: cosine schedule, SGD with Nesterov momentum, data in memory."""
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)
    steps = len(labels) // BATCH
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS * steps)
    model.train()
    for epoch in range(EPOCHS):
        order = torch.randperm(len(labels), generator=generator(0, "order", epoch))
        for rows in order[: steps * BATCH].split(BATCH):
            loss = F.cross_entropy(model(inputs[rows]), labels[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()


def seconds_per_epoch(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) / EPOCHS


def compare(name: str, make: Callable[[], nn.Module]) -> dict[str, float | str]:
    """Time the bare loop and ours in turns."""
    data = ed.load_data("digits")
    inputs = next(data.train.batches([torch.arange(len(data.train))]))
    recipe = ed.Recipe(epochs=EPOCHS, batch_size=BATCH)
    steps = len(data.train) // BATCH

    def ours(objective: ed.TradeOff) -> Callable[[], object]:
        return lambda: ed.train(make(), data.train, data.validation, objective=objective, recipe=recipe, progress=False)

    contestants = {
        "bare": lambda: bare_loop(make(), inputs, data.train.labels),
        "standard": ours(ed.Standard()),
        "robust": ours(ed.Robust()),
    }
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for contestant, work in contestants.items():
            times[contestant].append(seconds_per_epoch(work))
    median = {contestant: statistics.median(seconds) for contestant, seconds in times.items()}
    validation_share = len(data.validation) / (recipe.update_every * BATCH)
    return {
        "network": name,
        "milliseconds per step, bare": round(1e3 * median["bare"] / steps, 3),
        "ours over bare": round(median["standard"] / median["bare"], 3),
        "robust over standard": round(median["robust"] / median["standard"], 3),
        "its floor": round(1 + validation_share / 3, 3),
    }


def main() -> None:
    torch.set_num_threads(1)
    compare("warm-up", lambda: ed.models.mlp(64, 10))
    found: dict[str, object] = {
        "ratios": [
            compare("mlp 128-128", lambda: ed.models.mlp(64, 10)),
            compare("convnet 16", lambda: ed.models.convnet(1, 10)),
            compare("convnet 64", lambda: ed.models.convnet(1, 10, width=64)),
        ],
        "peak memory MiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "torch": torch.__version__,
        "rounds": ROUNDS,
    }
    json.dump(found, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
