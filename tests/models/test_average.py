"""The averaged scorer averages scores, never weights."""

import copy

import pytest
import torch
from torch import nn

from evendistill.models.average import AverageOfScores
from evendistill.models.convnet import convnet
from evendistill.models.mlp import mlp


def networks(count=3):
    return [mlp(4, 3, hidden=(5,)) for _ in range(count)]


def average(members):
    return AverageOfScores(members[0], [member.state_dict() for member in members])


def test_its_scores_are_the_mean_of_the_scores():
    members, inputs = networks(), torch.randn(6, 4)
    by_hand = (members[0](inputs) + members[1](inputs) + members[2](inputs)) / 3
    torch.testing.assert_close(average(members)(inputs), by_hand)


def test_its_scores_are_not_those_of_the_mean_weights():
    members, inputs = networks(), torch.randn(6, 4)
    of_weights = copy.deepcopy(members[0])
    states = [member.state_dict() for member in members]
    of_weights.load_state_dict({name: torch.stack([s[name] for s in states]).mean(0) for name in states[0]})
    assert (average(members)(inputs) - of_weights(inputs)).abs().max() > 0.01


def test_the_average_of_one_network_is_that_network():
    member, inputs = mlp(4, 3), torch.randn(6, 4)
    assert torch.equal(average([member])(inputs), member(inputs))


def test_it_keeps_its_own_weights():
    members, inputs = networks(2), torch.randn(6, 4)
    averaged = average(members)
    before = averaged(inputs)
    with torch.no_grad():
        for member in members:
            for parameter in member.parameters():
                parameter.zero_()
    assert torch.equal(averaged(inputs), before)


def test_batch_norm_statistics_are_each_networks_own():
    members = [convnet(1, 3, width=2), convnet(1, 3, width=2)]
    members[1](torch.randn(8, 1, 4, 4) * 10)
    inputs = torch.randn(5, 1, 4, 4)
    by_hand = (members[0].eval()(inputs) + members[1].eval()(inputs)) / 2
    torch.testing.assert_close(average(members).eval()(inputs), by_hand)


def test_it_can_be_saved_and_loaded():
    members, inputs = networks(2), torch.randn(6, 4)
    loaded = average([*networks(2)])
    loaded.load_state_dict(average(members).state_dict())
    assert torch.equal(loaded(inputs), average(members)(inputs))


def test_an_average_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one network"):
        AverageOfScores(nn.Linear(2, 2), [])
