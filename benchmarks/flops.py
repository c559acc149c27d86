"""How much of the processor a training step uses: its operations a second over those of a plain matrix product.

``python -m benchmarks.flops --data ../shared/data/cifar10-lt --out results/bench/flops.json``

The multiply-adds of convolutions and linear layers are counted from shapes, two operations each, and three times over
for a training step: forward, gradients of the inputs, gradients of the weights. All else counts as no work, and the
first layer needs no gradient of its inputs, so the count is slightly high there and low elsewhere. Matrix products of
the same dtype on as many threads are timed in turns with the steps. Then a few steps are profiled: what costs the rest.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

import evendistill as ed
from benchmarks import harness
from evendistill.data.view import View
from evendistill.distillation.problem import Problem, Task, true_problem

VIEW = View(mean=(0.5,), std=(0.25,), pad=4, flip=True)
LARGEST = 5
WARM_UP = 2
WORDS = {
    "aten::mkldnn_convolution": "convolution",
    "aten::mkldnn_convolution_backward": "convolution backward",
    "aten::convolution_backward": "convolution backward",
    "aten::native_batch_norm": "batch norm",
    "aten::native_batch_norm_backward": "batch norm backward",
    "aten::clamp_min_": "relu",
    "aten::relu_": "relu",
    "aten::threshold_backward": "relu backward",
    "aten::add_": "adding the shortcut and gradients",
    "aten::_fused_sgd_": "optimiser",
    "aten::copy_": "copies and changes of dtype",
}


@dataclass(frozen=True)
class Setting:
    """How large, and how long is timed."""

    depths: tuple[int, ...]
    batch: int
    steps: int
    side: int
    seconds: float
    threads: int


FULL = Setting(depths=(20, 56), batch=128, steps=8, side=4096, seconds=2.0, threads=2)
SMOKE = Setting(depths=(8,), batch=16, steps=2, side=256, seconds=0.02, threads=1)


def forward_multiply_adds(network: nn.Module, inputs: Tensor) -> int:
    """Of the convolutions and linear layers, for these inputs."""
    total = 0

    def count(module: nn.Module, _: object, outputs: Tensor) -> None:
        nonlocal total
        total += outputs.numel() * cast(Tensor, module.weight)[0].numel()  # of one output value

    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        network(inputs)
    for handle in handles:
        handle.remove()
    return total


def largest_costs(network: nn.Module, problem: Problem, recipe: ed.Recipe, steps: int) -> list[dict[str, Any]]:
    """The operations with the most time of their own, as shares of all."""
    going = harness.our_steps(network, problem, recipe, atleast=steps + WARM_UP)
    for _ in range(WARM_UP):
        next(going)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(steps):
            next(going)
    going.close()
    events = sorted(profiled.key_averages(), key=lambda event: -event.self_cpu_time_total)
    whole = sum(event.self_cpu_time_total for event in events)
    return [
        {"operation": event.key, "words": WORDS.get(event.key, ""), "share": event.self_cpu_time_total / whole}
        for event in events[:LARGEST]
    ]


def measure(task: Task, setting: Setting, depth: int, precision: str, rounds: int) -> dict[str, Any]:
    torch.manual_seed(0)
    network = ed.models.cifar_resnet(depth, len(task.class_names))
    problem = true_problem(task, ed.Standard(), step_size=0.1)
    recipe = ed.Recipe(batch_size=setting.batch, precision=precision, schedule="constant", threads=setting.threads)
    one = next(task.train.batches([torch.arange(1)]))
    operations = 3 * 2 * forward_multiply_adds(network, one) * setting.batch

    def step_rate() -> float:
        going = harness.our_steps(network, problem, recipe, atleast=setting.steps + WARM_UP)
        return operations / harness.seconds_per_step(going, steps=setting.steps, warm_up=WARM_UP)

    def product_rate() -> float:
        return harness.matrix_product_rate(harness.DTYPES[precision], side=setting.side, seconds=setting.seconds)

    contestants: dict[str, Callable[[], float]] = {"matrix product": product_rate, "training step": step_rate}
    rates = harness.in_turns(contestants, rounds)
    shares = harness.ratios(rates, "matrix product")["training step"]
    return {
        "network": f"resnet{depth}",
        "precision": precision,
        "batch": setting.batch,
        "forward multiply-adds per image": forward_multiply_adds(network, one),
        "operations per second": rates,
        "median operations per second": harness.medians(rates),
        "share of the matrix product": shares,
        "median share": statistics.median(shares),
        "largest costs": largest_costs(network, problem, recipe, setting.steps // 2),
    }


def main() -> None:
    told = harness.arguments(__doc__)
    setting = SMOKE if told.smoke else FULL
    torch.set_num_threads(setting.threads)
    seen = ed.load_data(told.data).viewed(VIEW)
    task = Task(seen.train, None, seen.class_names, harness.CPU)
    found = []
    for depth in setting.depths:
        for precision in harness.precisions(told):
            row = measure(task, setting, depth, precision, told.rounds)
            found.append(row)
            median = row["median operations per second"]
            costs = [f"{cost['words'] or cost['operation']} {cost['share']:.0%}" for cost in row["largest costs"]]
            print(
                f"{row['network']} {precision}: {median['training step'] / 1e9:.0f} of "
                f"{median['matrix product'] / 1e9:.0f} GFLOP/s = {row['median share']:.1%}; {', '.join(costs)}",
                flush=True,
            )
    harness.report(told, {"networks": found})


if __name__ == "__main__":
    main()
