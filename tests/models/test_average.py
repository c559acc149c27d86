"""Means of networks are of their scores or of their probabilities, never of their weights."""

import copy

import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax
from torch import nn

from evendistill.models.average import AverageOfScores, MeanOfProbabilities
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


class Told(nn.Module):
    """A network that gives these scores whatever it is asked."""

    def __init__(self, scores):
        super().__init__()
        self.scores = torch.as_tensor(scores)

    def forward(self, inputs):
        return self.scores


def test_the_probabilities_of_a_mean_are_the_mean_of_the_probabilities():
    members, inputs = [mlp(4, 3), mlp(4, 3, hidden=(5,)), mlp(4, 3, hidden=())], torch.randn(6, 4)
    by_hand = np.mean([softmax(member(inputs).detach().numpy(), axis=1) for member in members], axis=0)
    scores = MeanOfProbabilities(members)(inputs).detach().numpy()
    np.testing.assert_allclose(softmax(scores, axis=1), by_hand, rtol=1e-5)
    np.testing.assert_allclose(np.exp(scores), by_hand, rtol=1e-5)  # they are logarithms already


def test_a_mean_of_probabilities_is_not_that_of_scores():
    members, inputs = networks(2), 9 * torch.randn(6, 4)
    assert (MeanOfProbabilities(members)(inputs).exp() - average(members)(inputs).softmax(1)).abs().max() > 0.01


def test_the_mean_of_one_network_has_its_probabilities():
    member, inputs = mlp(4, 3), torch.randn(6, 4)
    torch.testing.assert_close(MeanOfProbabilities([member])(inputs), member(inputs).log_softmax(1))


def test_large_scores_neither_overflow_nor_vanish():
    one, other = [[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]], [[-1e4, -1e4, 1e4], [-1e4, 1e4, 0.0]]
    found = MeanOfProbabilities([Told(one), Told(other)])(torch.zeros(2))
    logs = [np.array(scores) - logsumexp(scores, axis=1, keepdims=True) for scores in (one, other)]
    np.testing.assert_allclose(found.numpy(), logsumexp(logs, axis=0) - np.log(2), rtol=1e-6)
    assert found.isfinite().all()
    assert found.exp().tolist() == [[0.5, 0.0, 0.5], [0.0, 1.0, 0.0]]


def test_a_mean_keeps_its_members_themselves_under_names_that_are_read_back():
    members, inputs = networks(2), torch.randn(6, 4)
    made, loaded = MeanOfProbabilities(members), MeanOfProbabilities(networks(2))
    assert all(kept is member for kept, member in zip(made.members, members, strict=True))
    loaded.load_state_dict(made.state_dict())
    assert torch.equal(loaded(inputs), made(inputs))


def test_a_mean_of_nothing_is_refused():
    with pytest.raises(ValueError, match="a mean needs at least one network"):
        MeanOfProbabilities([])
