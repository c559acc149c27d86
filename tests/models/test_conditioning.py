"""What can be conditioned is told on a copy, before training: later a plain network must give the same scores."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from evendistill.models.conditioning import condition
from evendistill.models.convnet import convnet
from evendistill.models.mlp import mlp
from evendistill.models.resnet import cifar_resnet

ALPHAS = (0.0, 0.5, 1.0)
WAYS = ("scale-and-bias", "scale", "bias", "layer", "film")
ROWS = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
IMAGES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(2))


class Net(nn.Module):
    """As people write it; ``head`` is what is done with the features."""

    def __init__(self, head, **layers: nn.Module) -> None:
        super().__init__()
        self.body = nn.Linear(8, 6)
        self.last = layers.pop("last", nn.Linear(6, 4))
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.factor = nn.Parameter(torch.ones(()))
        self.head = head

    def forward(self, rows):
        return self.head(self, self.body(rows).relu())


class Cosine(nn.Linear):
    def forward(self, input):
        return 10 * F.linear(F.normalize(input, dim=1), F.normalize(self.weight, dim=1))


def zeros() -> nn.Linear:
    layer = nn.Linear(6, 4)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def beside(net, features):
    scores = net.last(features)
    net.other(features)
    return scores


def overwritten(net, features):
    scores = net.last(features)
    features.mul_(2)
    return scores


REFUSED = {
    "a subclass that normalises": (lambda: Net(lambda net, x: net.last(x), last=Cosine(6, 4)), WAYS),
    "a layer used twice": (lambda: Net(lambda net, x: net.last(net.last(x)), last=nn.Linear(6, 6)), WAYS),
    "a factor that is one at first": (lambda: Net(lambda net, x: net.factor * net.last(x)), WAYS),
    "features overwritten": (lambda: Net(overwritten), ("scale-and-bias", "scale", "layer")),
    "a norm of weights": (
        lambda: Net(lambda net, x: net.last(x), last=nn.utils.parametrizations.weight_norm(nn.Linear(6, 4))),
        WAYS,
    ),
    "features by name": (lambda: Net(lambda net, x: net.last(input=x)), ("scale-and-bias", "scale", "layer")),
}
CASES = [(name, by) for name, (_, ways) in REFUSED.items() for by in ways]


@pytest.mark.parametrize(("name", "by"), CASES)
def test_a_network_that_could_not_leave_as_a_plain_one_is_refused_and_left_alone(name, by):
    network = REFUSED[name][0]()
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(ValueError, match=r"no linear layer of Net gives its scores|by='.*' cannot (give|modulate)"):
        condition(network, ROWS, ALPHAS, by)
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("by", WAYS)
@pytest.mark.parametrize(
    ("make", "inputs"),
    [
        (lambda: mlp(8, 4, (6,)), ROWS),
        (lambda: convnet(3, 4, width=4), IMAGES),
        (lambda: cifar_resnet(110, 4), IMAGES),
        (lambda: Net(beside, last=zeros(), other=zeros()), ROWS),  # both give the scores, as long as they are zero
        (lambda: Net(lambda net, x: net.last(x), last=nn.Linear(6, 4, bias=False)), ROWS),
        (lambda: mlp(8, 4, (6,)).to(torch.bfloat16), ROWS.to(torch.bfloat16)),
    ],
    ids=["mlp", "convnet", "resnet110", "zeros", "no bias", "bfloat16"],
)
def test_what_can_be_conditioned_is_and_its_weights_are_as_they_were(by, make, inputs):
    network = make()
    before = copy.deepcopy(network.state_dict())
    made = condition(network, inputs, ALPHAS, by)
    assert made.network is network
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_of_layers_that_are_zero_the_one_that_gives_the_scores_is_found():
    assert condition(Net(beside, last=zeros(), other=zeros()), ROWS, ALPHAS, "bias").head == "last"


@pytest.mark.parametrize(("by", "has_bias"), [("scale", False), ("scale-and-bias", True), ("layer", True)])
def test_a_last_layer_gets_a_bias_only_where_a_trade_off_has_one(by, has_bias):
    network = Net(lambda net, x: net.last(x), last=nn.Linear(6, 4, bias=False))
    assert ("last.bias" in condition(network, ROWS, ALPHAS, by).at(0.25).state_dict()) is has_bias
