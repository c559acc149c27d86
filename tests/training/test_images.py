"""Training on augmented images: what network and teacher see, and runs that are cut off in the middle of an epoch."""

import copy
import shutil

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import evendistill as ed
from evendistill.data.images import ImageDataset
from evendistill.data.view import View
from evendistill.models import convnet
from evendistill.models.inference import in_channels_last
from evendistill.training.checkpoint import Checkpoint
from evendistill.training.optimisers import make_optimiser

pytestmark = pytest.mark.filterwarnings("ignore:the validation examples are the training examples")

VIEW = View(mean=(0.5,), std=(0.25,), pad=2, flip=True)


def images(count: int, seed: int) -> ImageDataset:
    """Three classes of noise, the first with half of the images, the last with a sixth."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (count, 3, 8, 6), dtype=torch.uint8, generator=generator)
    return ImageDataset(pixels, torch.tensor([0, 0, 0, 1, 1, 2]).repeat(count // 6), VIEW)


TRAIN, VALIDATION = images(30, seed=1), images(18, seed=2)


def network(seed: int = 7) -> nn.Module:
    torch.manual_seed(seed)
    return convnet(3, 3, width=2)


def recipe(**told) -> ed.Recipe:
    return ed.Recipe(**{"epochs": 2, "batch_size": 8, "update_every": 2, "checkpoint_every": 0.0} | told)


class Seeing(nn.Module):
    """A network of which every copy writes into one list what it is asked about."""

    seen: list[tuple[str, bool, torch.Tensor]] = []  # noqa: RUF012 - training works on a copy

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.inner = name, network(len(name))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        Seeing.seen.append((self.name, self.training, inputs.clone()))
        return self.inner(inputs)


@pytest.mark.parametrize("sampler", ["uniform", "balanced"])
def test_resuming_from_every_step_equals_straight_through(tmp_path, monkeypatch, sampler):
    """Three steps an epoch, so four of the six interruptions are in the middle of one."""
    saved, last = [], []
    save = Checkpoint.save

    def keep_each(self, state):
        save(self, state)
        kept = tmp_path / "kept" / str(len(saved))
        shutil.copytree(self.path.parent, kept)
        saved.append(kept)

    def keep_last(self, state):
        last.append(copy.deepcopy(state))

    def run(out):
        told = {"objective": ed.Robust(), "recipe": recipe(sampler=sampler), "seed": 4}
        return ed.train(network(), TRAIN, VALIDATION, out=out, progress=False, **told)

    monkeypatch.setattr(Checkpoint, "save", lambda self, state: (keep_each(self, state), keep_last(self, state)))
    straight, end = run(tmp_path / "straight"), last[-1]
    assert len(saved) == 6
    monkeypatch.setattr(Checkpoint, "save", keep_last)
    buffers = [part["momentum_buffer"] for part in end["optimiser"]["state"].values()]
    assert sum(not buffer.is_contiguous() for buffer in buffers if buffer.ndim == 4) >= 2  # they follow the weights
    for folder in saved[:-1]:
        resumed = run(folder)
        assert resumed.history == straight.history
        assert torch.equal(resumed.multipliers, straight.multipliers)
        for part in ("network", "optimiser"):
            for one, other in zip(tensors(last[-1][part]), tensors(end[part]), strict=True):
                assert torch.equal(one, other)
                assert one.stride() == other.stride()


def tensors(tree) -> list[torch.Tensor]:
    if isinstance(tree, dict | list):
        return [found for child in (tree.values() if isinstance(tree, dict) else tree) for found in tensors(child)]
    return [tree] if isinstance(tree, torch.Tensor) else []


def test_convolutions_are_trained_in_channels_last_memory():
    result = ed.train(network(), TRAIN, None, recipe=recipe(), progress=False)
    weights = [parameter for parameter in result.model.parameters() if parameter.ndim == 4]
    assert len(weights) == 3
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)
    assert not any(weight.is_contiguous() for weight in weights)


@pytest.mark.parametrize("data", [TRAIN, (torch.rand(30, 3, 8, 6), TRAIN.labels)], ids=["images", "arrays"])
def test_each_epoch_sees_other_windows_of_every_image_and_validation_none(data):
    Seeing.seen.clear()
    told = {"objective": ed.Robust(), "recipe": recipe(batch_size=10), "progress": False}
    ed.train(Seeing("student"), data, VALIDATION, **told)
    epochs = torch.cat([inputs for _, training, inputs in Seeing.seen if training]).split(30)
    assert len(epochs) == 2
    first, second = ({image.numpy().tobytes() for image in epoch.contiguous()} for epoch in epochs)
    clean = {x.contiguous().numpy().tobytes() for x, _ in (VALIDATION[row] for row in range(len(VALIDATION)))}
    assert len(clean) == 18
    looked = [inputs for _, training, inputs in Seeing.seen if not training and len(inputs) == 18]
    assert len(looked) == 3  # before steps 0, 2 and 4
    for inputs in looked:
        assert {image.numpy().tobytes() for image in inputs.contiguous()} == clean
    if data is TRAIN:
        assert len(first & second) < 10
        assert first != second
    else:
        assert first == second


def test_windows_are_drawn_for_each_epoch_anew_from_the_seed_alone(monkeypatch):
    drawn, batches = [], ImageDataset.batches

    def keep(self, rows, draws=None):
        if draws is not None:
            drawn.append(torch.cat(list(draws)))
        return batches(self, rows, draws)

    monkeypatch.setattr(ImageDataset, "batches", keep)
    for seed, told in ((1, {}), (1, {"sampler": "balanced"}), (2, {})):
        ed.train(network(), TRAIN, None, recipe=recipe(**told), seed=seed, progress=False)
    first, second, *others = drawn
    assert not torch.equal(first, second)
    assert torch.equal(torch.stack(others[:2]), torch.stack([first, second]))
    assert not torch.equal(others[2], first)


def test_the_cached_scores_of_a_teacher_are_those_of_images_that_are_not_augmented(tmp_path):
    teacher = network(3)
    ed.distill(teacher, network(), TRAIN, VALIDATION, recipe=recipe(), out=tmp_path, progress=False)
    plain = View(mean=VIEW.mean, std=VIEW.std)
    for split, data in {"train": TRAIN, "validation": VALIDATION}.items():
        (path,) = tmp_path.glob(f"scores-{split}-*.safetensors")
        (whole,) = data.viewed(plain).batches([torch.arange(len(data))])
        with torch.no_grad():
            expected = teacher.eval()(whole)
        torch.testing.assert_close(load_file(path)["scores"], expected, rtol=0, atol=1e-6)


def test_another_augmentation_finds_the_scores_of_the_teacher_in_their_cache(tmp_path):
    """But not the run: a folder of one augmentation is refused under another."""

    def run(data):
        Seeing.seen.clear()
        ed.distill(Seeing("teacher"), network(), data, VALIDATION, recipe=recipe(), out=tmp_path, progress=False)

    run(TRAIN)
    assert len(Seeing.seen) == 2
    with pytest.raises(ValueError, match=r"holds another run: its view is 'View\(.*pad=2.*asked for is 'View\(.*pad=1"):
        run(TRAIN.viewed(View(mean=(0.5,), std=(0.25,), pad=1, flip=True)))
    assert Seeing.seen == []


@pytest.mark.parametrize("teacher_view", ["clean", "augmented"])
def test_an_augmented_teacher_is_asked_on_exactly_what_its_student_sees(teacher_view):
    Seeing.seen.clear()
    told = {"objective": ed.Standard(), "teacher_view": teacher_view, "recipe": recipe(), "progress": False}
    ed.distill(Seeing("teacher"), Seeing("student"), TRAIN, None, **told)
    student = [inputs for name, training, inputs in Seeing.seen if name == "student" and training]
    asked = [(training, inputs) for name, training, inputs in Seeing.seen if name == "teacher"]
    assert len(student) == 6
    assert not any(training for training, _ in asked)
    assert torch.equal(asked[0][1], next(TRAIN.batches([torch.arange(30)])))  # for the priors
    if teacher_view == "clean":
        assert len(asked) == 1
        return
    assert len(asked) == 7
    for inputs, (_, shown) in zip(student, asked[1:], strict=True):
        assert torch.equal(inputs, shown)


class Flattening(nn.Module):
    """A user's network that flattens with ``view``, which refuses channels-last activations."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(4 * 6 * 4, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        activations = self.convolution(inputs)
        return self.linear(activations.view(len(activations), -1))


def test_a_network_that_cannot_do_with_channels_last_is_trained_as_it_is():
    data = (torch.rand(30, 3, 8, 6), TRAIN.labels)
    result = ed.train(Flattening(), data, data, objective=ed.Robust(), recipe=recipe(), progress=False)
    assert all(parameter.is_contiguous() for parameter in result.model.parameters())
    assert result.history[-1]["loss"] > 0


def test_such_a_network_is_told_why_it_cannot_take_images():
    with pytest.raises(ValueError, match=r"the network cannot take inputs .*view size is not compatible"):
        ed.train(Flattening(), TRAIN, None, recipe=recipe(), progress=False)


class Varied(nn.Module):
    """Convolutions of every kind whose memory order could be mistaken."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 4, 3, padding=1, groups=4),
            nn.Conv2d(4, 6, 1),
            nn.ReLU(),
            nn.Conv2d(6, 1, (3, 1)),
            nn.Flatten(),
            nn.LazyLinear(3),
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.layers(inputs)


@pytest.mark.parametrize("nesterov", [True, False])
def test_fused_steps_in_channels_last_are_plain_steps_on_contiguous_weights(nesterov):
    (inputs,) = TRAIN.batches([torch.arange(30)])
    torch.manual_seed(0)
    plain = Varied()
    plain(inputs)
    before = copy.deepcopy(plain)
    fast = in_channels_last(copy.deepcopy(plain), inputs)
    assert any(not parameter.is_contiguous() for parameter in fast.parameters())
    told = {"learning_rate": 0.05, "nesterov": nesterov, "weight_decay": 1e-2}
    optimisers = [
        torch.optim.SGD(plain.parameters(), lr=0.05, momentum=0.9, nesterov=nesterov, weight_decay=1e-2, foreach=False),
        make_optimiser(fast.parameters(), recipe(**told)),
    ]
    assert optimisers[1].defaults["fused"]
    for _ in range(5):
        for model, optimiser, x in zip((plain, fast), optimisers, (inputs.contiguous(), inputs), strict=True):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x), TRAIN.labels).backward()
            optimiser.step()
    assert (next(plain.parameters()) - next(before.parameters())).abs().max() > 1e-3  # they have moved
    for one, other in zip(plain.state_dict().values(), fast.state_dict().values(), strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=1e-6)
