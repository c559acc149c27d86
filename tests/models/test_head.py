"""The head is the linear layer whose output is the scores, wherever it stands; the body is all before it."""

import pytest
import torch
from torch import nn

from evendistill.models.convnet import convnet
from evendistill.models.head import Body, head_of
from evendistill.models.mlp import mlp
from evendistill.models.resnet import cifar_resnet

IMAGE = (1, 8, 8)


class Theirs(nn.Module):
    """Its head is made first, and a layer that is not its head has the last word in ``forward``."""

    def __init__(self):
        super().__init__()
        self.scores = nn.Linear(5, 3)
        self.auxiliary = nn.Linear(3, 3)
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU())

    def forward(self, inputs):
        scores = self.scores(self.features(inputs))
        self.auxiliary(scores)
        return scores


class Changed(nn.Module):
    """Its scores are those of its linear layer after something else has been at them."""

    def __init__(self, change):
        super().__init__()
        self.linear = nn.Linear(64, 3)
        self.change = change

    def forward(self, inputs):
        return self.change(self.linear(inputs.flatten(1)))


NETWORKS = {
    "mlp": (lambda: mlp(64, 3, hidden=(5, 4)), "5"),
    "mlp without a hidden layer": (lambda: mlp(64, 3, hidden=()), "1"),
    "convnet": (lambda: convnet(1, 3, width=2), None),
    "residual": (lambda: cifar_resnet(8, 3, 1), None),
    "their own": (Theirs, "scores"),
    "inside another": (lambda: nn.Sequential(nn.Identity(), Theirs()), "1.scores"),
    "seen through a view": (lambda: Changed(lambda scores: scores.view(-1, 3)), "linear"),
    "wider afterwards": (lambda: Changed(lambda scores: scores.double()), "linear"),
}
each_network = pytest.mark.parametrize(("make", "name"), NETWORKS.values(), ids=NETWORKS)


def hooks(network):
    return [hook for module in network.modules() for hook in (*module._forward_hooks, *module._forward_pre_hooks)]


@each_network
def test_the_head_of_the_body_gives_the_scores(make, name):
    network, inputs = make().eval(), torch.randn(6, *IMAGE)
    found = head_of(network, inputs[:2])
    assert name in (None, found)
    features = Body(network, found)(inputs)
    head = network.get_submodule(found)
    assert features.shape == (6, head.in_features)
    assert torch.equal(head(features), network(inputs).float())


@each_network
def test_neither_leaves_a_trace(make, name):
    network, inputs = make().train(), torch.randn(6, *IMAGE)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    body = Body(network, head_of(network, inputs[:2]))
    assert all(module.training for module in network.modules())
    body.eval()(inputs)
    assert hooks(network) == []
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_the_body_is_the_network_itself_not_a_copy():
    network, inputs = mlp(64, 3, hidden=(5,)), torch.randn(6, *IMAGE)
    body = Body(network, head_of(network, inputs[:2]))
    before = body(inputs)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 1
    assert not torch.equal(body(inputs), before)
    assert torch.equal(body(inputs), network[:3](inputs))


@pytest.mark.parametrize(
    "change",
    [
        lambda scores: 2 * scores,
        lambda scores: scores.mul_(2),
        lambda scores: scores.log_softmax(dim=1),
        lambda scores: scores.flip(1),
        lambda scores: torch.cat([scores, scores], dim=1),
    ],
    ids=["twice", "twice in place", "normalised", "turned round", "said twice"],
)
def test_a_layer_whose_scores_are_changed_afterwards_is_no_head(change):
    network = Changed(change)
    with pytest.raises(ValueError, match=r"^no linear layer of Changed gives its scores as they are, so it has no"):
        head_of(network, torch.randn(2, *IMAGE))
    assert hooks(network) == []


def test_a_network_without_a_linear_layer_has_no_head():
    network = nn.Sequential(nn.Conv2d(1, 3, 8), nn.Flatten())
    with pytest.raises(ValueError, match="no linear layer of Sequential gives its scores as they are"):
        head_of(network, torch.randn(2, *IMAGE))


def test_no_hook_remains_where_the_network_fails():
    network = mlp(64, 3, hidden=(5,))
    body = Body(network, head_of(network, torch.randn(2, *IMAGE)))
    for ask in (body, lambda inputs: head_of(network, inputs)):
        with pytest.raises(RuntimeError):
            ask(torch.randn(2, 1, 9, 9))
        assert hooks(network) == []
