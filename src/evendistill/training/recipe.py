"""Training hyper-parameters, checked once."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": ("sgd", "adamw"),
    "schedule": ("cosine", "step", "constant"),
    "update_phase": ("global", "epoch"),
    "gain": ("zero_one", "cross_entropy"),
    "iterate": ("last", "averaged", "best"),
    "precision": ("fp32", "bf16"),
    "sampler": ("uniform", "balanced"),
    "decayed": ("all", "matrices"),
}
AT_LEAST: dict[str, float] = {
    "epochs": 1,
    "batch_size": 1,
    "weight_decay": 0,
    "momentum": 0,
    "warmup_epochs": 0,
    "update_every": 1,
    "update_examples": 1,
    "threads": 1,
    "processes": 1,
    "checkpoint_every": 0,
}

WHOLE = ("epochs", "batch_size", "warmup_epochs", "update_every", "update_examples", "threads", "processes")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained, whatever the objective.

    Attributes:
        epochs: passes over the training set.
        batch_size: examples a step; the remainder of an epoch is dropped, and a smaller data set is one batch.
        optimizer: "sgd", "adamw", or a function from the parameters to an own ``torch.optim.Optimizer``, whose learning
            rates are then the peak ones.
        learning_rate: at the peak of the schedule.
        momentum: of SGD.
        nesterov: Nesterov's momentum in SGD.
        weight_decay: L2 penalty in SGD, decoupled in AdamW; see ``decayed``.
        schedule: after the warm-up "cosine" falls to zero, "step" falls tenfold at each milestone, "constant" stays.
        warmup_epochs: linear rise to the peak.
        milestones: epochs after which "step" falls.
        multiplier_step: step size of the multipliers; 0.1 in all experiments of Wang et al. 2023.
        update_every: training steps between two moves of the multipliers; 32 in the code of Narasimhan and Menon 2021.
        update_examples: most validation examples that one move looks at; a fresh random subset if there are more.
        update_phase: "global" counts training steps through, "epoch" starts anew each epoch as that code does.
        gain: "zero_one" class errors move the multipliers (the papers' practice) or "cross_entropy" (their theory).
        iterate: the network that is returned: "last", "averaged" (mean of the scores of the networks after each period
            of ``update_every`` steps) or "best" (by worst-class accuracy on true validation labels, after each epoch).
        precision: "fp32", or "bf16" autocast.
        threads: of torch while it trains; their number changes the last bits of results. One is right for many small
            runs side by side; a single run of a large network on a machine with many cores is faster with more.
        checkpoint_every: seconds between two checkpoints, where a run has a folder.
        sampler: "uniform" shows every example once an epoch; "balanced" draws as many examples with replacement, each
            class as often as any other. Priors are those of what is drawn, so the balanced and the robust objective
            mean the same under either.
        compile: let ``torch.compile`` fuse the network: worth it for long runs, most of all on a GPU.
        decayed: what ``weight_decay`` acts on: "all" parameters, as in the papers, or "matrices" alone, which leaves
            out biases and the parameters of normalisation.
        capture: record a training step as one CUDA graph and replay it: for small networks on a GPU, nothing elsewhere.
        processes: how many share each batch, as started by ``torchrun``; batch norm sees a process's own share.

    Raises:
        ValueError: if a value is out of range, naming the field and the value.
    """

    epochs: int = 50
    batch_size: int = 128
    optimizer: str | Callable[[Any], Any] = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 1e-4
    schedule: str = "cosine"
    warmup_epochs: int = 0
    milestones: tuple[int, ...] = ()
    multiplier_step: float = 0.1
    update_every: int = 32
    update_examples: int = 5000
    update_phase: str = "global"
    gain: str = "zero_one"
    iterate: str = "last"
    precision: str = "fp32"
    threads: int = 1
    checkpoint_every: float = 30.0
    sampler: Literal["uniform", "balanced"] = "uniform"
    compile: bool = False
    decayed: Literal["all", "matrices"] = "all"
    capture: bool = False
    processes: int = 1

    # Read by pydantic where a recipe file is parsed; a plain mapping, so that this floor need not know pydantic.
    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid", "strict": False}

    def __post_init__(self) -> None:
        object.__setattr__(self, "milestones", tuple(self.milestones))
        for field in fields(self):
            _check(field.name, getattr(self, field.name))
        if self.milestones != tuple(sorted(set(self.milestones))) or any(m < 1 for m in self.milestones):
            raise ValueError(f"milestones must be ascending epochs, got {self.milestones}")
        if self.milestones and self.schedule != "step":
            raise ValueError(f"milestones belong to schedule 'step', got schedule {self.schedule!r}")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs must be below epochs {self.epochs}, got {self.warmup_epochs}")
        if self.nesterov and self.optimizer == "sgd" and self.momentum == 0:
            raise ValueError("nesterov needs a positive momentum, got 0")


def _check(name: str, value: object) -> None:
    if name in CHOICES and not callable(value) and value not in CHOICES[name]:
        raise ValueError(f"{name} must be one of {', '.join(CHOICES[name])}, got {value!r}")
    if name in WHOLE and (not isinstance(value, int) or isinstance(value, bool)):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    if name in AT_LEAST and not (isinstance(value, int | float) and AT_LEAST[name] <= value < math.inf):
        raise ValueError(f"{name} must be at least {AT_LEAST[name]}, got {value!r}")
    if name in ("learning_rate", "multiplier_step") and not (isinstance(value, int | float) and 0 < value < math.inf):
        raise ValueError(f"{name} must be positive and finite, got {value!r}")
