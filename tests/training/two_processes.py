"""What two processes train together, and what one trains alone to compare: a script, of which each process runs one."""

import copy
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import Dataset

import evendistill as ed
from evendistill.data.images import ImageDataset
from evendistill.data.view import View
from evendistill.models.convnet import convnet
from evendistill.models.inference import scores_at
from evendistill.models.mlp import mlp
from evendistill.models.ranks import Ranks
from evendistill.training import complete, evaluation, heldout
from evendistill.training.state import State

CLASSES = 3
SET_LEARNING_RATE = State.set_learning_rate


def numbers(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Three overlapping classes, the last the rarest."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.tensor([0, 0, 0, 1, 1, 2])[torch.arange(count) % 6]
    return torch.randn(count, 6, generator=generator, dtype=torch.float64) + labels[:, None], labels


def pictures(count: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, 1, 8, 8), generator=generator, dtype=torch.uint8), torch.arange(count) % CLASSES


def made(make: Callable[..., nn.Module], *told: Any, seed: int = 7) -> nn.Module:
    torch.manual_seed(seed)
    return make(*told)


class InDouble(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.double()

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(inputs.double())


class Counted(nn.Module):
    """A network that tells how many inputs it, or a copy of it, has seen, and how many of them in training."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.seen = Counter[str]()

    def __deepcopy__(self, memo: dict[int, Any]) -> nn.Module:
        copied = Counted(copy.deepcopy(self.network, memo))
        copied.seen = self.seen
        return copied

    def forward(self, inputs: Tensor) -> Tensor:
        self.seen["training" if self.training else "evaluation"] += len(inputs)
        return self.network(inputs)


class Tally(nn.Module):
    """Counts bright pixels in training: a buffer of integers, other ones for other examples."""

    bright: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bright", torch.tensor(0))

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            self.bright += (inputs > 0.5).sum()
        return inputs


class Noisy(Dataset):
    """A user's data set that draws from every global generator each time it is read."""

    def __init__(self, inputs: Tensor, labels: Tensor) -> None:
        self.inputs, self.labels = inputs, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        noise = torch.randn(6) + random.random() + float(np.random.rand())  # noqa: NPY002
        return self.inputs[row] + 0.1 * noise, int(self.labels[row])


class Idle(torch.optim.SGD):
    """Leaves the weights as they are."""

    def step(self, closure: Any = None) -> None:
        pass


def recipe(**told: Any) -> ed.Recipe:
    common = {"epochs": 3, "batch_size": 15, "update_every": 2, "learning_rate": 0.05, "checkpoint_every": 0.0}
    return ed.Recipe(processes=Ranks.here().size, **(common | told))


def shown(result: ed.Result) -> dict[str, Any]:
    return {
        "weights": result.model.state_dict(),
        "history": result.history,
        "losses": torch.tensor([record["loss"] for record in result.history], dtype=torch.float64),
        "multipliers": result.multipliers,
    }


def before(step: int, do: Callable[[State], object]) -> None:
    """Do something before one step of all training from here on."""

    def set_learning_rate(self: State) -> None:
        if self.step == step:
            do(self)
        SET_LEARNING_RATE(self)

    State.set_learning_rate = set_learning_rate


def refusal(work: Callable[[], object]) -> str:
    try:
        work()
    except ValueError as error:
        return str(error)
    return "was not refused"


def frozen(out: Path) -> dict[str, Any]:
    """The multipliers' game against weights that stay: 520 validation examples are three batches, 264 of them two.

    Of 11 the halves, as one batch each, would give scores with other last bits.
    """
    results = {}
    teacher, student = (made(mlp, 6, CLASSES, (8,), seed=seed) for seed in (8, 7))
    data = [(inputs.float(), labels) for inputs, labels in (numbers(33, 1), numbers(520, 2))]
    told: dict[str, Any] = {"validation_temperature": 0.7, "progress": False, "seed": 3}
    for gain, labels, most in product(("zero_one", "cross_entropy"), ("true", "teacher"), (5000, 264, 11)):
        told["validation_labels"] = labels
        moving = {"gain": gain, "update_examples": most, "update_every": 1}
        how = recipe(optimizer=lambda weights: Idle(weights, lr=1.0), epochs=2, **moving)
        result = ed.distill(teacher, student, *data, recipe=how, **told)
        results[gain, labels, most] = shown(result)
    return results


def in_float64(out: Path) -> dict[str, Any]:
    """Batches of 15 and 11 over two processes, drawn alike or by class, as they are or augmented."""
    validation = numbers(11, 2)
    teacher, student = made(mlp, 6, CLASSES, (16,)).double(), made(mlp, 6, CLASSES, (8,)).double()
    images, judged = (ImageDataset(*pictures(45, 3), View(pad=2, flip=True)), ImageDataset(*pictures(40, 4)))
    seeing = InDouble(made(mlp, 64, CLASSES, (8,)))
    quiet: dict[str, Any] = {"progress": False, "seed": 5}
    robust, mixed = {"objective": ed.Robust()}, {"objective": ed.TradeOff(0.5)}
    return {
        "distilled": shown(ed.distill(teacher, student, numbers(61, 1), validation, recipe=recipe(), **quiet)),
        "balanced": shown(
            ed.train(
                student, numbers(61, 1), validation, recipe=recipe(batch_size=11, sampler="balanced"), **mixed, **quiet
            )
        ),
        "matched": shown(
            ed.distill(teacher, student, numbers(61, 1), validation, feature_weight=0.7, recipe=recipe(), **quiet)
        ),
        "augmented": shown(ed.train(seeing, images, judged, recipe=recipe(batch_size=11), **robust, **quiet)),
        "live teacher": shown(
            ed.distill(seeing, seeing, images, judged, teacher_view="augmented", recipe=recipe(batch_size=7), **quiet)
        ),
    }


def batch_norm(out: Path) -> dict[str, Any]:
    """Each process sees its own share in batch norm: whoever looks at the network must see the same one."""
    results: dict[str, Any] = {"looked at": []}

    def looking(network: nn.Module, *told: Any, **more: Any) -> Tensor:
        results["looked at"].append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return scores_at(network, *told, **more)

    heldout.scores_at = evaluation.scores_at = looking
    data = (ImageDataset(*pictures(45, 3), View(pad=1)), ImageDataset(*pictures(300, 4)))
    for iterate in ("last", "averaged", "best"):
        seed = 7 + Ranks.here().rank  # the first one's weights are taken
        network = nn.Sequential(Tally(), made(convnet, 1, CLASSES, 2, seed=seed))
        how = recipe(batch_size=11, update_every=3, learning_rate=0.3, iterate=iterate)
        results[iterate] = shown(ed.train(network, *data, objective=ed.Robust(), recipe=how, progress=False))
    heldout.scores_at = evaluation.scores_at = scores_at
    return results


def kept(out: Path) -> dict[str, Any]:
    """A distillation in a folder, twice; what this process writes below it is written down."""
    written: list[str] = []

    def watch(event: str, told: tuple[Any, ...]) -> None:
        changes = event in ("os.rename", "os.remove") or (event == "open" and told[2] & (os.O_WRONLY | os.O_RDWR))
        if changes and str(told[0]).startswith(str(out / "kept")):
            written.append(str(told[0]))

    sys.addaudithook(watch)
    teacher, student = (Counted(made(mlp, 6, CLASSES, (width,)).double()) for width in (16, 8))

    def distill() -> dict[str, Any]:
        data = (numbers(601, 1), numbers(11, 2))
        return shown(ed.distill(teacher, student, *data, recipe=recipe(epochs=1), out=out / "kept", progress=False))

    first, files = distill(), len(written)
    seen = {"teacher": teacher.seen["evaluation"], "student": student.seen["training"]}
    fit = complete.__dict__.pop("fit")
    second = distill()
    complete.fit = fit
    return {"first": first, "second": second, "seen": seen, "written": files, "later": len(written) - files}


def refused(out: Path) -> dict[str, Any]:
    """What two processes are refused, by both of them and before it costs the run anything."""
    data, student = (numbers(61, 1), numbers(11, 2)), made(mlp, 6, CLASSES, (8,)).double()
    own = (numbers(61, 1 + Ranks.here().rank), numbers(11, 2))

    def train(data: Any, **told: Any) -> Callable[[], object]:
        return lambda: ed.train(student, *data, recipe=recipe(**told), out=out / "refused", progress=False)

    return {
        "one asked for": refusal(lambda: ed.train(student, *data, recipe=ed.Recipe(), out=out / "one", progress=False)),
        "batch of one": refusal(train(data, batch_size=1)),
        "own data each": refusal(train(own)),
        "nothing there": not (out / "one").exists(),
    }


def apart(out: Path) -> dict[str, Any]:
    """Folders that processes do not share: one would resume, the other begin anew."""

    def stop(state: State) -> None:
        raise KeyboardInterrupt

    data, student = (numbers(61, 1), numbers(11, 2)), made(mlp, 6, CLASSES, (8,)).double()
    own, said = out / f"apart{Ranks.here().rank}", []
    for step in (2, -1):
        before(step, stop)
        try:
            ed.train(student, *data, recipe=recipe(), out=own, progress=False)
        except (KeyboardInterrupt, OSError) as error:
            said.append(str(error))
    return {"said": said, "checkpoint": (own / "checkpoint.pt").exists()}


def resumable(out: Path) -> dict[str, Any]:
    """A run whose network and data draw at random, in a folder; both processes are killed on their way if asked."""
    if "DIE_BEFORE" in os.environ:
        before(int(os.environ["DIE_BEFORE"]), lambda state: os.kill(os.getpid(), signal.SIGKILL))
    torch.manual_seed(7)
    layers = (nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, CLASSES))
    train, validation = [(inputs.float(), labels) for inputs, labels in (numbers(61, 1), numbers(300, 2))]
    told: dict[str, Any] = {"objective": ed.Robust(), "recipe": recipe(iterate="best"), "out": out / "resumable"}
    return shown(ed.train(nn.Sequential(*layers), Noisy(*train), validation, progress=False, **told))


def failing(out: Path) -> dict[str, Any]:
    """One process fails in the middle of an epoch while the other waits for it."""

    def fail(state: State) -> None:
        if not state.ranks.is_first:
            raise RuntimeError("this process fails alone")

    before(6, fail)
    return resumable(out)


def work(jobs: str, out: Path) -> None:
    results = {name: globals()[name](out) for name in jobs.split(",")}
    torch.save(results, out / f"rank{Ranks.here().rank}.pt")


if __name__ == "__main__":
    rank, *where = sys.argv[3:]
    timeout = timedelta(seconds=200)
    if where:
        dist.init_process_group("gloo", f"file://{where[0]}", rank=int(rank), world_size=2, timeout=timeout)
    else:
        dist.init_process_group("gloo", timeout=timeout)
    work(sys.argv[1], Path(sys.argv[2]))
    dist.destroy_process_group()
    os._exit(0)  # an ordinary exit aborts now and then: a thread of the group may still let go of a tensor
