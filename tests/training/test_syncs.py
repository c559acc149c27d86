"""Between two ends of epochs the host never waits for the device: nothing asks for the value of a tensor."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import evendistill as ed
from evendistill.data.images import ImageDataset
from evendistill.data.view import View
from evendistill.models import convnet
from evendistill.training import loop
from evendistill.training.state import State

AUGMENTED = View(mean=(0.5,), std=(0.25,), pad=2, flip=True)

# What hands numbers, or shapes that depend on them, to the host; methods of which some never reach a CPU's dispatcher.
WAITING_KERNELS = ("_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "_unique2", "bincount")
WAITING_METHODS = ("item", "tolist", "numpy", "cpu", "__bool__", "__int__", "__float__", "__index__", "__array__")


class Kernels(TorchDispatchMode):
    """Writes down the operations that a device would be waited for."""

    def __init__(self, events: list[str]) -> None:
        super().__init__()
        self._events = events

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        masks = name.startswith("index") and any(part.dtype == torch.bool for part in tensors(args[1:2]))
        if name in WAITING_KERNELS or masks:
            self._events.append(name)
        return func(*args, **(kwargs or {}))


class Methods(TorchFunctionMode):
    """The same for methods of tensors."""

    def __init__(self, events: list[str]) -> None:
        super().__init__()
        self._events = events

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in WAITING_METHODS and getattr(torch.Tensor, name, None) is func:
            self._events.append(name)
        return func(*args, **(kwargs or {}))


def tensors(parts: Any) -> list[torch.Tensor]:
    if isinstance(parts, list | tuple):
        return [tensor for part in parts for tensor in tensors(part)]
    return [parts] if isinstance(parts, torch.Tensor) else []


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What would wait, in order, between "begin" and "end" of each epoch, with "step" after each training step."""
    events: list[str] = []
    epoch, end_epoch, keep, one_hot = loop._epoch, loop._end_epoch, State.keep_iterate, nn.functional.one_hot

    def begun(*args: Any) -> Any:
        rows_and_draws = epoch(*args)
        events.append("begin")
        return rows_and_draws

    def stepped(self: State) -> None:
        keep(self)
        events.append("step")

    def ended(*args: Any) -> None:
        events.append("end")
        before = len(events)
        end_epoch(*args)
        del events[before:]

    def unchecked(labels: torch.Tensor, num_classes: int = -1) -> torch.Tensor:
        before = len(events)
        rows = one_hot(labels, num_classes)
        if num_classes > 0:
            del events[before:]  # it looks for labels out of range on a CPU alone
        return rows

    with monkeypatch.context() as patch, Kernels(events), Methods(events):
        patch.setattr(loop, "_epoch", begun)
        patch.setattr(loop, "_end_epoch", ended)
        patch.setattr(State, "keep_iterate", stepped)
        patch.setattr(nn.functional, "one_hot", unchecked)
        yield events


def images(count: int, seed: int) -> ImageDataset:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (count, 3, 8, 8), dtype=torch.uint8, generator=generator)
    return ImageDataset(pixels, torch.arange(count) % 3, AUGMENTED)


TRAIN, VALIDATION = images(42, seed=1), images(20, seed=2)


@pytest.mark.parametrize(
    "look",
    [
        lambda values: values.sum().item(),
        lambda values: bool(values.sum() > 0),
        lambda values: float(values[0]),
        lambda values: values.tolist(),
        lambda values: values.cpu(),
        lambda values: values[values > 0],
        lambda values: values.nonzero(),
        lambda values: torch.equal(values, values),
        lambda values: [1, 2, 3][values.argmax()],
        lambda values: nn.functional.one_hot(values.long()),
    ],
)
def test_what_waits_is_seen(monkeypatch, look):
    values = torch.tensor([0.2, 0.5, 0.3])
    with recorded(monkeypatch) as events:
        look(values)
    assert events


@pytest.mark.parametrize(
    ("told", "listening"),
    [
        ({}, None),
        ({"gain": "cross_entropy", "optimizer": "adamw", "precision": "bf16"}, None),
        ({"sampler": "balanced"}, {"teacher_view": "clean"}),
        ({"sampler": "balanced", "gain": "cross_entropy", "nesterov": False}, {"teacher_view": "augmented"}),
        ({"precision": "bf16"}, {"feature_weight": 0.5}),
    ],
)
def test_training_steps_and_moves_of_the_multipliers_wait_for_nothing(monkeypatch, told, listening):
    recipe = ed.Recipe(**{"epochs": 2, "batch_size": 8, "update_every": 2, "update_examples": 15} | told)
    settings: dict[str, Any] = {"objective": ed.Robust(), "recipe": recipe, "progress": False}
    student, teacher = convnet(3, 3, width=2), convnet(3, 3, width=2)
    with recorded(monkeypatch) as events:
        if listening is None:
            result = ed.train(student, TRAIN, VALIDATION, **settings)
        else:
            result = ed.distill(teacher, student, TRAIN, VALIDATION, **listening, **settings)
    start, stop = events.index("begin"), len(events) - events[::-1].index("end")
    assert events[start:stop] == 2 * ["begin", *["step"] * 5, "end"]
    assert not torch.equal(result.multipliers, torch.full((3,), 1 / 3))  # they have moved
