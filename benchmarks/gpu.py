"""Training images per second of packed runs on one GPU, beside the floor that memory bandwidth sets.

``python -m benchmarks.gpu --data PATH``: CIFAR-10-LT, standard training of a ResNet-56 in bf16 at batch 1,024, one to
many runs at once in one process, steps launched as they come or recorded as one CUDA graph, with and without
``torch.compile``. ``--smoke`` shows on a CPU that all of it runs.
"""

import argparse
import itertools
import json
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor, nn

import evendistill as ed
from evendistill.data.datasets import Data
from evendistill.data.view import View
from evendistill.distillation.problem import Task, true_problem
from evendistill.training.loop import fit
from evendistill.training.turns import Turn

VIEW = View(mean=(0.5,), std=(1.0,), pad=2, flip=True)
PASSES = 6
"""How often a training step must at least read or write each convolution's output: written and read on the way up; read
with its gradient read, and both written, on the way down."""
TURN = 4


def bytes_per_image(network: nn.Module, inputs: Tensor, *, width: int) -> float:
    """Least traffic of one training image: the outputs of all convolutions, ``width`` bytes each, ``PASSES`` times."""
    sizes: list[int] = []
    hooks = [
        module.register_forward_hook(lambda module, given, output: sizes.append(output.numel() // len(output)))
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        network(inputs)
    for hook in hooks:
        hook.remove()
    return float(PASSES * width * sum(sizes))


def bandwidth(device: torch.device, *, mebibytes: int) -> float:
    """Bytes per second of copying one large tensor, read and written."""
    source = torch.empty(mebibytes << 20, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    _wait(device)
    start = time.perf_counter()
    for _ in range(8):
        target.copy_(source)
    _wait(device)
    return 8 * 2 * source.numel() / (time.perf_counter() - start)


def images_per_second(
    data: Data, recipe: ed.Recipe, *, depth: int, runs: int, device: torch.device, steps: int
) -> float:
    """Training images per second of so many runs in turns, once each is warm."""
    task = Task(data.train, data.validation, data.class_names, device)
    turns = []
    for seed in range(runs):
        torch.manual_seed(seed)
        network = ed.models.cifar_resnet(depth, data.num_classes, channels=3)
        problem = true_problem(task, ed.Standard(), step_size=0.1)
        turns.append(Turn(fit(network, problem, recipe, seed=seed, device=device), device))
    for turn in turns:
        turn.take(8)
    _wait(device)
    start = time.perf_counter()
    for _ in range(max(1, steps // TURN)):
        for turn in turns:
            turn.take(TURN)
    _wait(device)
    seconds = time.perf_counter() - start
    return runs * max(1, steps // TURN) * TURN * recipe.batch_size / seconds


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="made-up:10x3x32")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true")
    told = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = ed.load_data(told.data, imbalance=100).viewed(VIEW).to(device)
    depth, batch, steps, packs = (8, 32, 4, (1, 2)) if told.smoke else (56, 1024, 64, (1, 2, 4, 8, 16))
    network, first = ed.models.cifar_resnet(depth, data.num_classes, 3), next(data.train.batches([torch.arange(1)]))
    rate = bandwidth(device, mebibytes=16 if told.smoke else 4096)
    floor = rate / bytes_per_image(network.to(device), first, width=2)
    found = {"device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu", "torch": torch.__version__}
    found |= {"bytes per second": rate, "floor, images per second": floor, "measured": []}
    print(f"floor {floor:,.0f} images per second at {rate / 1e9:,.0f} GB/s")
    for capture, compiled, runs in itertools.product((False, True), (False, True), packs):
        if told.smoke and compiled:
            continue
        recipe = ed.Recipe(
            epochs=10**6, batch_size=batch, precision="bf16", capture=capture, compile=compiled, schedule="constant"
        )
        rounds = [
            images_per_second(data, recipe, depth=depth, runs=runs, device=device, steps=steps)
            for _ in range(told.rounds)
        ]
        line = {"capture": capture, "compile": compiled, "runs": runs, "rounds": rounds}
        found["measured"].append(line | {"median": statistics.median(rounds)})
        print(f"{line | {'rounds': [round(rate) for rate in rounds]}}", flush=True)
        if told.out:
            told.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
