"""Factors and shifts in the last layer: where they fit, where they do not, and how such weights are read back."""

import pytest
import torch
from torch import nn

from evendistill.experiments.export.folding import folded
from evendistill.models.average import AverageOfScores, MeanOfProbabilities
from evendistill.models.loading import filled
from evendistill.models.rescaled import Rescaled

INPUTS = torch.randn(32, 3, generator=torch.Generator().manual_seed(0))
SCALE, SHIFT = torch.tensor([0.5, 1.0, 2.0]), torch.tensor([3.0, -1.0, 0.25])


class Twice(nn.Module):
    """Its last layer has been used before."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, inputs):
        return self.linear(self.linear(inputs).relu())


def rescaled(network):
    return Rescaled(network.eval(), SCALE, SHIFT)


def check(network, *, is_folded):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    found = folded(network, INPUTS)
    torch.testing.assert_close(found(INPUTS), network(INPUTS))
    assert isinstance(found, Rescaled) is not is_folded
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    return found


@pytest.mark.parametrize("bias", [True, False])
def test_the_last_layer_takes_them_with_or_without_a_bias(bias):
    plain = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3, bias=bias))
    found = check(rescaled(plain), is_folded=True)
    assert found.state_dict().keys() == plain.state_dict().keys() | {"2.bias"}
    again = filled(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3, bias=bias)), found.state_dict())
    assert torch.equal(again(INPUTS), found(INPUTS))


def test_each_member_of_a_mean_of_scores_takes_them():
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    found = check(rescaled(AverageOfScores(first, [first.state_dict(), second.state_dict()])), is_folded=True)
    assert found.state_dict().keys() == {f"networks.{each}.{part}" for each in (0, 1) for part in ("weight", "bias")}


@pytest.mark.parametrize(
    "network",
    [Twice(), nn.Sequential(nn.Linear(3, 3), nn.Tanh()), MeanOfProbabilities([nn.Linear(3, 3), nn.Linear(3, 3)])],
    ids=["used twice", "no head", "mean of probabilities"],
)
def test_they_stay_as_they_are_where_no_layer_can_take_them(network):
    check(rescaled(network), is_folded=False)


def test_a_network_that_was_not_rescaled_is_copied():
    network = nn.Linear(3, 3)
    found = folded(network, INPUTS)
    assert found is not network
    assert torch.equal(found(INPUTS), network(INPUTS))


def test_weights_of_another_network_are_one_line():
    with pytest.raises(ValueError, match=r"^the weights do not fit the network: size mismatch for weight.*") as error:
        filled(nn.Linear(3, 3), nn.Linear(4, 3).state_dict())
    assert "\n" not in str(error.value)
