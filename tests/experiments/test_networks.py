"""The networks that a recipe can name, as runs make them."""

import json
import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from evendistill.data.datasets import load_data
from evendistill.experiments.engines.choice import How
from evendistill.experiments.mends import AtSpec
from evendistill.experiments.networks import finished_network, fresh_network, made
from evendistill.experiments.run import train_run
from evendistill.experiments.spec import OwnSpec, RunSpec
from evendistill.experiments.sweep import Sweep
from evendistill.training.turns import drained

IMAGES = {"source": "made-up:3x3x8"}
NO_BIASES = """
from torch import nn

def network(num_classes):
    body = nn.Flatten(), nn.Linear(64, 6, bias=False), nn.ReLU()
    return nn.Sequential(*body, nn.Linear(6, num_classes, bias=False))
"""


def spec(network, data=IMAGES, **more):
    training = {"epochs": 1, "batch_size": 24}
    return RunSpec.model_validate(
        {"data": data, "network": network, "objective": "standard", "training": training, **more}
    )


class Flat(nn.Module):
    def __init__(self, num_classes, channels, side=8, extra=0):
        super().__init__()
        self.linear = nn.Linear(channels * side * side, num_classes + extra)

    def forward(self, inputs):
        return self.linear(inputs.flatten(1))


@pytest.fixture(autouse=True)
def theirs(monkeypatch):
    """A module of a user's own."""
    module = ModuleType("their_nets")
    module.__dict__["Flat"] = Flat
    monkeypatch.setitem(sys.modules, "their_nets", module)


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        ({"kind": "mlp", "hidden": [4]}, 3 * 64 * 4 + 4 + 4 * 3 + 3),
        ({"kind": "resnet", "depth": 8}, 74_835),
        ({"kind": "resnet", "depth": 18, "stem": "small"}, 11_170_371),
        ({"kind": "own", "path": "their_nets:Flat"}, 3 * 64 * 3 + 3),
    ],
    ids=["mlp", "resnet8", "resnet18", "own"],
)
def test_a_recipe_names_a_network(tmp_path, network, parameters):
    folder = drained(train_run(spec(network), tmp_path))
    sizes = [
        tensor.numel() for name, tensor in tensors(folder).items() if "running" not in name and "num_b" not in name
    ]
    assert sum(sizes) == parameters


def tensors(folder):
    from evendistill.storage.tensors import read_tensors

    return read_tensors(folder.path / "model.safetensors")


def test_a_network_of_another_width_is_refused(tmp_path):
    network = {"kind": "own", "path": "their_nets:Flat", "arguments": {"extra": 2}}
    with pytest.raises(ValueError, match="the network of kind own gives 5 scores, there are 3 classes"):
        drained(train_run(spec(network), tmp_path))
    assert not list(tmp_path.rglob("model.safetensors"))


def test_a_network_that_cannot_take_the_images_is_refused_in_one_line(tmp_path):
    network = {"kind": "own", "path": "their_nets:Flat", "arguments": {"side": 9}}
    with pytest.raises(ValueError, match=r"cannot take inputs of float32 \(8, 3, 8, 8\)") as caught:
        drained(train_run(spec(network), tmp_path))
    assert len(str(caught.value).splitlines()) == 1


def test_timm_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"timm cannot be imported: .*`pip install timm`"):
        drained(train_run(spec({"kind": "timm", "name": "resnet18"}), tmp_path))


def test_greyscale_and_views_reach_the_network(tmp_path):
    view = {"mean": [0.5], "std": [0.5], "pad": 2, "crop": 6, "flip": True, "resize": 12}
    folder = drained(train_run(spec({"kind": "convnet", "width": 2}, {"source": "made-up:2x1x8"}, view=view), tmp_path))
    assert tensors(folder)["0.weight"].shape == torch.Size([2, 1, 3, 3])


def test_an_own_network_that_cannot_be_had_says_what_a_recipe_wants(monkeypatch):
    def message(path):
        with pytest.raises(ValueError, match=path) as caught:
            made(OwnSpec(kind="own", path=path), 3, (1, 8, 8))
        return str(caught.value)

    monkeypatch.setitem(vars(sys.modules["their_nets"]), "Narrow", lambda width=3: None)
    assert "takes the keyword num_classes: def __init__(self, num_classes, ...)" in message("their_nets:Narrow")
    told = message("no_such.nets:Net")
    assert "the folder that holds the module must be on Python's path: PYTHONPATH=FOLDER" in told
    assert told.count("PYTHONPATH=.") == 1
    assert "PYTHONPATH" not in message("their_nets:Nothing")


@pytest.mark.parametrize("by", ["scale-and-bias", "scale", "film"])
def test_a_frontier_of_a_network_without_biases_is_a_sweep_like_any_other(tmp_path, monkeypatch, by):
    (tmp_path / "no_biases.py").write_text(NO_BIASES)
    monkeypatch.syspath_prepend(tmp_path)
    network = {"kind": "own", "path": "no_biases:network"}
    teacher = {"network": {"kind": "mlp", "hidden": [4]}, "objectives": ["balanced"]}
    students = {"network": network, "objectives": ["balanced", "robust"], "shared": by, "temperatures": [1]}
    told = {"name": "few", "data": {"source": "digits"}, "training": {"epochs": 1, "update_every": 4}, "seeds": 1}
    (tmp_path / "few.yaml").write_text(json.dumps(told | {"teachers": teacher, "students": students}))
    sweep = Sweep.read(tmp_path / "few.yaml", tmp_path / "runs")
    assert [outcome.error for outcome in sweep.train(How(pack=1))] == [None] * len(sweep.needed)
    alphas = [spec for spec in sweep.needed.values() if isinstance(spec.mend, AtSpec)]
    data = load_data("digits")
    for spec in alphas:
        keys = finished_network(spec, data, sweep.runs).state_dict()
        assert ("3.bias" in keys) == (by != "scale")
    assert len(alphas) == 3  # alpha 0, which no label moves, once


def test_an_own_network_with_a_softmax_is_refused_and_one_with_a_log_softmax_is_not(monkeypatch):
    def ending(end):
        class Ended(Flat):
            def forward(self, inputs):
                return end(super().forward(inputs))

        monkeypatch.setitem(vars(sys.modules["their_nets"]), "Ended", Ended)
        return fresh_network(spec({"kind": "own", "path": "their_nets:Ended"}), load_data(IMAGES["source"]))

    with pytest.raises(ValueError, match=r"gives probabilities: each row is positive .* drop the softmax at its end$"):
        ending(lambda scores: scores.softmax(dim=1))
    ending(lambda scores: scores.log_softmax(dim=1))
    first = torch.arange(8)[:, None] == 0
    ending(lambda scores: scores.softmax(dim=1).where(first, scores))  # one row may sum to 1 by chance
