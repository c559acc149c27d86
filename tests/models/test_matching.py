"""Scores and projected features side by side while a student learns, and nothing of it in the student afterwards."""

import copy
import pickle

import pytest
import torch
from torch import nn

from evendistill.models.convnet import convnet
from evendistill.models.head import Body, head_of
from evendistill.models.matching import Matching, matching
from evendistill.models.mlp import mlp

INPUTS = torch.randn(6, 5)


def student() -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 3))


def drawn(learner: Matching) -> Matching:
    """With a projection that is not zero."""
    with torch.no_grad():
        learner.projection.normal_()
        learner.bias.normal_()
    return learner


def hooks(network):
    return [hook for module in network.modules() for hook in (*module._forward_hooks, *module._forward_pre_hooks)]


def test_scores_and_mapped_features_stand_side_by_side():
    network = student().eval()
    with matching(network, "3", 2) as learner:
        outputs = drawn(learner)(INPUTS)
    features = network[:3](INPUTS)
    expected = features @ learner.projection.T + learner.bias
    assert torch.equal(outputs[:, :3], network(INPUTS))
    torch.testing.assert_close(outputs[:, 3:], expected)


@pytest.mark.parametrize(
    ("make", "shape"), [(lambda: mlp(16, 3, (7,)), (4, 16)), (lambda: convnet(1, 3), (4, 1, 8, 8))]
)
def test_the_features_are_those_of_the_body(make, shape):
    network, inputs = make().eval(), torch.randn(shape)
    head = head_of(network, inputs)
    with matching(network, head, 2) as learner:
        outputs = drawn(learner)(inputs)
    expected = nn.functional.linear(Body(network, head)(inputs), learner.projection, learner.bias)
    assert torch.equal(outputs[:, 3:], expected)


def test_the_projection_starts_at_zero_and_draws_nothing():
    network = student()
    before = torch.get_rng_state()
    with matching(network, "3", 2) as learner:
        assert not learner.projection.any()
        assert not learner.bias.any()
    assert torch.equal(torch.get_rng_state(), before)


def test_gradients_reach_the_body_through_the_projection_and_the_projection_itself():
    def moved(learner: Matching) -> set[str]:
        learner.zero_grad()
        (learner(INPUTS)[:, 3:] - 1).square().sum().backward()
        return {name for name, each in learner.named_parameters() if each.grad is not None and each.grad.any()}

    with matching(student(), "3", 2) as learner:
        own = {"projection", "bias"}
        assert moved(learner) == own  # it starts at zero, so it does not pull yet
        body = {f"student.{layer}.{name}" for layer in (0, 1) for name in ("weight", "bias")}
        assert moved(drawn(learner)) == own | body  # the head has no part in it


def test_no_graph_outlives_its_step():
    with matching(network := student(), "3", 2) as learner:
        learner(INPUTS)
        assert not [name for name, value in vars(learner).items() if isinstance(value, torch.Tensor)]
        network(INPUTS)  # someone else looks at the student
        assert learner(INPUTS).shape == (6, 5)


def test_nothing_of_it_remains():
    network = student()
    names = list(network.state_dict())
    with matching(network, "3", 2) as learner:
        assert hooks(network)
        learner(INPUTS).sum().backward()
    assert hooks(network) == []
    assert list(network.state_dict()) == names
    assert pickle.dumps(copy.deepcopy(network))
    with pytest.raises(KeyboardInterrupt), matching(network, "3", 2):
        raise KeyboardInterrupt
    assert hooks(network) == []


def test_the_projection_is_of_the_students_kind():
    with matching(student().double(), "3", 2) as learner:
        assert learner.projection.dtype == learner.bias.dtype == torch.float64
        assert learner(INPUTS.double()).dtype == torch.float64


def test_it_is_one_graph_to_a_compiler():
    with matching(student(), "3", 2) as learner:
        compiled = torch.compile(drawn(learner), backend="eager", fullgraph=True)
        for _ in range(3):
            inputs = torch.randn(6, 5)
            torch.testing.assert_close(compiled(inputs), learner(inputs))


def test_a_head_is_a_linear_layer():
    with pytest.raises(TypeError, match="2 is not a linear layer"):
        Matching(student(), "2", 2)
