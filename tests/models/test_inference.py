"""Asking a network for its scores leaves no trace in it."""

import copy

import pytest
import torch
from torch import nn

from evendistill.models.convnet import convnet
from evendistill.models.inference import evaluating, in_channels_last, scores_over

CPU = torch.device("cpu")


def half_frozen():
    """A network in training of which a user has put one part into eval mode."""
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 2)))
    network[1].eval()
    return network


def modes(network):
    return [module.training for module in network.modules()]


def test_each_module_gets_its_own_mode_back():
    network = half_frozen()
    before = modes(network)
    assert len(set(before)) == 2
    with evaluating(network):
        assert not any(modes(network))
    assert modes(network) == before


def test_each_module_gets_its_own_mode_back_after_an_error():
    network = half_frozen()
    before = modes(network)
    with pytest.raises(RuntimeError, match="shape"):
        scores_over(network, [torch.randn(2, 99)], device=CPU)
    assert modes(network) == before
    assert torch.is_grad_enabled()


def test_no_gradients_are_recorded():
    network = half_frozen()
    with evaluating(network):
        assert not network(torch.randn(2, 3)).requires_grad
    assert network(torch.randn(2, 3)).requires_grad
    assert not scores_over(network, [torch.randn(2, 3)], device=CPU).requires_grad


def test_inputs_a_million_away_leave_batch_norm_alone():
    network = convnet(1, 3, width=2)
    network(torch.randn(8, 1, 4, 4))
    before = copy.deepcopy(network.state_dict())
    scores_over(network, [torch.randn(4, 1, 4, 4) + 1e6], device=CPU)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    network(torch.randn(8, 1, 4, 4) + 1e6)
    assert not torch.equal(network.state_dict()["1.running_var"], before["1.running_var"])


def test_the_scores_of_batches_are_the_scores_of_the_whole():
    network, inputs = half_frozen(), torch.randn(7, 3)
    scores = scores_over(network, inputs.split(3), device=CPU)
    torch.testing.assert_close(scores, network.eval()(inputs), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scores_keep_the_precision_of_the_network(dtype):
    assert scores_over(nn.Linear(3, 2).to(dtype), [torch.randn(2, 3, dtype=dtype)], device=CPU).dtype == dtype


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_scores_become_float32(dtype):
    scores = scores_over(nn.Identity(), [torch.tensor([[0.5, 2.0]], dtype=dtype)], device=CPU)
    assert scores.dtype == torch.float32
    assert scores.tolist() == [[0.5, 2.0]]


def test_autocast_computes_in_bfloat16_and_returns_float32():
    network, inputs = nn.Linear(3, 2), torch.randn(4, 3)
    scores = scores_over(network, [inputs], device=CPU, bf16=True)
    assert scores.dtype == torch.float32
    assert torch.equal(scores, scores.bfloat16().float())
    assert not torch.equal(scores, scores_over(network, [inputs], device=CPU))
    torch.testing.assert_close(scores, network(inputs), rtol=0, atol=0.05)


@pytest.mark.parametrize(
    ("forward", "shown"),
    [
        (lambda x: x.sum(1), r"got \(4,\)"),
        (lambda x: x[..., None], r"got \(4, 3, 1\)"),
        (lambda x: x[:2], r"got \(2, 3\)"),
        (lambda x: (x, x), "got tuple"),
        (lambda x: {"logits": x}, "got dict"),
    ],
)
def test_what_is_no_row_of_scores_an_example_is_refused(forward, shown):
    class Odd(nn.Module):
        def forward(self, x):
            return forward(x)

    with pytest.raises(ValueError, match=r"scores of shape \(4, C\), " + shown):
        scores_over(Odd(), [torch.randn(4, 3)], device=CPU)


def test_convolutions_go_to_channels_last_and_give_the_same_scores():
    network, inputs = convnet(3, 5, width=4), torch.randn(6, 3, 9, 7)
    modes_before, expected = modes(network), scores_over(network, [inputs], device=CPU)
    before = copy.deepcopy(network.state_dict())
    assert in_channels_last(network, inputs) is network
    weights = [parameter for parameter in network.parameters() if parameter.ndim == 4]
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)
    assert not any(weight.is_contiguous() for weight in weights)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert modes(network) == modes_before
    for memory in (torch.contiguous_format, torch.channels_last):
        found = scores_over(network, [inputs.to(memory_format=memory)], device=CPU)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_a_network_that_refuses_channels_last_stays_as_it_was():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(3, 2, 2)

        def forward(self, x):
            x = self.convolution(x)
            return x.view(len(x), -1)

    network, inputs = Flat(), torch.randn(4, 3, 4, 4)
    before = scores_over(network, [inputs], device=CPU)
    in_channels_last(network, inputs)
    assert network.convolution.weight.is_contiguous()
    assert torch.equal(scores_over(network, [inputs], device=CPU), before)


def test_a_network_without_convolutions_is_not_tried():
    network = nn.Linear(3, 2)
    assert in_channels_last(network, torch.empty(0)) is network
