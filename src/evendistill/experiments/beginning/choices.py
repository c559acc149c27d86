"""What a first recipe chooses for a data set: networks, length of training, view, whose worst counts."""

import math
from dataclasses import dataclass
from typing import Any

from evendistill.experiments.beginning.found import Found, Inputs

SMALL, MIDDLE, LARGE = 16, 28, 64  # sides from which convolutions, residual networks and wide ones pay
COLOUR_SIDE = 32  # from which colour pictures are moved and mirrored
IMAGENET_SIDE = 128  # from which the image is halved twice before the first block
MANY = 100  # classes above which the least recall alone is mostly chance
WORST = 10
NICE = (10, 15, 20, 30, 50, 75, 100, 150)
MOVES = 100  # of the multipliers, at least, where there are steps enough
SEEDS = 3


@dataclass(frozen=True)
class Networks:
    """Networks that fit the inputs.

    Attributes:
        teacher: as a recipe has it.
        student: likewise.
        why: in one line.
        steps: that such networks want at least.
    """

    teacher: dict[str, Any]
    student: dict[str, Any]
    why: str
    steps: int


@dataclass(frozen=True)
class Length:
    """How long to train.

    Attributes:
        epochs: passes over the training set.
        batch_size: examples a step.
        steps: in all.
        update_every: steps between two moves of the multipliers.
    """

    epochs: int
    batch_size: int
    steps: int
    update_every: int


def networks(inputs: Inputs, classes: int) -> Networks:
    """Networks that fit the inputs."""
    if not inputs.is_picture or inputs.side < SMALL:
        wide, narrow = max(128, _power(classes)), max(32, _power(classes))
        why = "no picture that a convolution would help with" if not inputs.is_picture else "tiny pictures"
        return Networks(
            {"kind": "mlp", "hidden": [wide, wide]}, {"kind": "mlp", "hidden": [narrow]}, f"{why}: a perceptron", 2000
        )
    if inputs.side < MIDDLE or (inputs.side < LARGE and not inputs.has_colours):
        why = "small pictures, or grey ones: three convolutions"
        return Networks({"kind": "convnet", "width": 32}, {"kind": "convnet", "width": 16}, why, 6000)
    if inputs.side < LARGE:
        why = "the thin ResNet made for CIFAR; the student is the smallest of them"
        return Networks({"kind": "resnet", "depth": 20}, {"kind": "resnet", "depth": 8}, why, 10_000)
    stem = "imagenet" if inputs.side >= IMAGENET_SIDE else "small"
    resnet = {"kind": "resnet", "depth": 18, "stem": stem}
    why = "ResNet-18 into itself, as in the paper; a student may be any smaller network of yours, by kind own or timm"
    return Networks(resnet, dict(resnet), why, 20_000)


def length(examples: int, steps: int) -> Length:
    """How long to train on so many examples where at least so many steps are wanted."""
    batch_size = 64 if examples < 10_000 else 128 if examples < 500_000 else 256
    per_epoch = max(1, examples // batch_size)
    epochs = next((nice for nice in NICE if nice * per_epoch >= steps), NICE[-1])
    total = epochs * per_epoch
    update_every = next((every for every in (32, 16, 8) if total // every >= MOVES), 8)
    return Length(epochs, batch_size, total, update_every)


def view(inputs: Inputs) -> dict[str, Any] | None:
    """What a network sees of stored images: normalised; moved and mirrored where that is safe to say."""
    if inputs.kind == "arrays":
        return None
    told: dict[str, Any] = {name: [round(each, 4) for each in getattr(inputs, name)] for name in ("mean", "std")}
    if inputs.has_colours and inputs.side >= COLOUR_SIDE:
        told |= {"pad": inputs.side // 8, "flip": True}
    return told


def robust_k(found: Found) -> int:
    """How many of the least recalls are averaged: one, unless there are so many that the least is mostly chance."""
    return min(WORST, sum(map(bool, found.sizes("validation")))) if len(found.names) > MANY else 1


def _power(count: int) -> int:
    """The power of two at or above, 512 at most."""
    return min(512, 2 ** math.ceil(math.log2(max(2, count))))
