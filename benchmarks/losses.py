"""Do our loop and that of the usual libraries descend alike? 50 steps without augmentation, from equal weights.

``python -m benchmarks.losses --data ../shared/data/cifar10-lt --out results/bench/losses.json``

In float32 the two round differently (memory layout, the order of sums), and training multiplies such differences: the
larger the learning rate, the faster. In float64, from inputs that are equal to the last bit, only the loops are left.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

import evendistill as ed
from benchmarks import distillation, harness
from evendistill.data.datasets import Data
from evendistill.data.images import ImageDataset

RATES = (1e-2, 1e-3, 1e-4)
EVERY, BATCH = 25, 16


class InDouble(nn.Module):
    """A network in float64 whose inputs are brought to one grid, so that equal pixels are equal inputs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.double()

    def forward(self, inputs: Tensor) -> Tensor:
        """Scores ``(B, C)`` in float64."""
        return self.network(torch.round(inputs.double() * 4096) / 4096)


def thinned(data: Data) -> Data:
    """A small part of the training set: float64 is slow."""
    if not isinstance(data.train, ImageDataset):
        raise ValueError("the data must be images that are held in memory")
    return replace(data, train=data.train.subset(torch.arange(0, len(data.train), EVERY)))


def measure(data: Data, precision: str, rate: float, depth: int) -> dict[str, Any]:
    some = next(data.viewed(distillation.VIEW).train.batches([torch.arange(64)]))
    teacher = distillation.frozen(distillation.network(8, some, seed=0), harness.CPU)
    student = distillation.network(depth, seed=1)
    if precision == "float64":
        teacher, student = InDouble(teacher), InDouble(student)
    return {"precision": precision, "learning rate": rate} | distillation.check(
        data, teacher, student, BATCH, rate=rate
    )


def main() -> None:
    told = harness.arguments(__doc__)
    torch.set_num_threads(1)
    data = ed.load_data(told.data)
    data = data if told.smoke else thinned(data)
    found = []
    for precision in ("float32", "float64"):
        for rate in RATES[:1] if told.smoke else RATES:
            found.append(measure(data, precision, rate, 8 if told.smoke else 20))
            apart = found[-1]["max_abs_difference"]
            print(f"{precision}  learning rate {rate:g}  losses at most {apart:.1e} apart", flush=True)
    harness.report(told, {"teacher and student": "ResNet-8, ResNet-20", "losses": found})


if __name__ == "__main__":
    main()
