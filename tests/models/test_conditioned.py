"""A network conditioned on trade-offs: what each sees, what is left of it in a plain copy, and what lies between."""

import copy

import pytest
import torch
from torch import nn

from evendistill.models.conditioned import Conditioned
from evendistill.models.convnet import convnet
from evendistill.models.mlp import mlp

ALPHAS = (0.0, 0.5, 1.0)
WAYS = ("scale-and-bias", "scale", "bias", "layer")


def moved(network: Conditioned) -> Conditioned:
    """Every parameter away from where it began."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


def parts(network: nn.Module, inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return network(inputs).detach().chunk(len(ALPHAS), dim=1)


@pytest.mark.parametrize("by", WAYS)
def test_all_begin_as_the_network_itself(by):
    network, inputs = mlp(6, 4, (5,)), torch.randn(7, 6)
    before = network(inputs)
    for part in parts(Conditioned(network, "3", ALPHAS, by=by), inputs):
        torch.testing.assert_close(part, before.detach(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("by", WAYS)
@pytest.mark.parametrize("bias", [True, False])
def test_a_plain_copy_gives_the_conditioned_scores(by, bias):
    plain = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4, bias=bias))
    network, inputs = moved(Conditioned(plain, "2", ALPHAS, by=by)), torch.randn(50, 6)
    found = parts(network, inputs)
    assert not torch.allclose(found[0], found[2], atol=1e-2)
    for alpha, part in zip(ALPHAS, found, strict=True):
        torch.testing.assert_close(network.at(alpha)(inputs).detach(), part, rtol=0, atol=1e-6)


def test_each_has_its_own_scale_of_features_and_its_own_bias():
    plain = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4))
    network, inputs = moved(Conditioned(plain, "2", ALPHAS)), torch.randn(9, 6)
    features = plain[1](plain[0](inputs))
    root = 3**0.5
    for number, part in enumerate(parts(network, inputs)):
        scaled = features * (1 + root * network.own_scale[number])
        expected = scaled @ plain[2].weight.T + plain[2].bias + root * network.own_bias[number]
        torch.testing.assert_close(part, expected.detach(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("by", WAYS)
def test_between_two_the_last_layer_is_interpolated(by):
    network = moved(Conditioned(mlp(6, 4, (5,)), "3", ALPHAS, by=by))
    low, middle, between = (network.at(alpha).get_submodule("3") for alpha in (0.0, 0.5, 0.125))
    for name in ("weight", "bias"):
        expected = 0.75 * getattr(low, name) + 0.25 * getattr(middle, name)
        torch.testing.assert_close(getattr(between, name), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("alpha", [-0.01, 0.2, 0.81, float("nan")])
def test_nothing_is_made_up_outside_of_what_was_trained(alpha):
    network = Conditioned(mlp(6, 4, (5,)), "3", (0.25, 0.8))
    with pytest.raises(ValueError, match=r"alpha must lie in \[0.25, 0.8\], got "):
        network.at(alpha)


@pytest.mark.parametrize("by", WAYS)
def test_a_plain_copy_has_no_trace_of_the_others_and_shares_nothing(by):
    plain = convnet(1, 4, width=4)
    before = copy.deepcopy(plain)
    network = moved(Conditioned(plain, head(plain), ALPHAS, by=by))
    taken = network.at(0.5)
    assert list(taken.state_dict()) == list(before.state_dict())
    assert str(taken) == str(before)
    assert not any(module._forward_pre_hooks for module in taken.modules())
    assert not any(module.training for module in taken.modules())
    shared = {parameter.data_ptr() for parameter in network.parameters()}
    assert not shared & {parameter.data_ptr() for parameter in taken.parameters()}
    inputs = torch.randn(3, 1, 28, 28)
    network.eval()
    again = parts(network, inputs)[1]  # and the conditioned network is as it was
    torch.testing.assert_close(taken(inputs).detach(), again, rtol=0, atol=1e-5)


def head(network: nn.Module) -> str:
    return [name for name, module in network.named_modules() if isinstance(module, nn.Linear)][-1]


def test_a_copy_of_it_is_as_good_as_it():
    network, inputs = moved(Conditioned(mlp(6, 4, (5,)), "3", ALPHAS)), torch.randn(7, 6)
    twin = copy.deepcopy(network)
    with torch.no_grad():
        next(network.parameters()).zero_()
    assert torch.equal(twin.at(0.5)(inputs), copy.deepcopy(twin).at(0.5)(inputs))
    assert not torch.allclose(twin(inputs), network(inputs))
    network.load_state_dict(twin.state_dict())
    assert torch.equal(twin(inputs), network(inputs))


def test_one_trade_off_leaves_the_network_as_it_is():
    plain = nn.Sequential(nn.Linear(6, 4), nn.Tanh())  # and asks for no last linear layer
    network, inputs = Conditioned(plain, "", (0.3,)), torch.randn(7, 6)
    assert torch.equal(network(inputs), plain(inputs))
    assert torch.equal(network.at(0.3)(inputs), plain(inputs))
    assert sum(parameter.numel() for parameter in network.parameters()) == 28


def test_what_is_no_linear_layer_is_refused():
    with pytest.raises(TypeError, match="2 is not a linear layer"):
        Conditioned(mlp(6, 4, (5,)), "2", ALPHAS)


def test_gradients_reach_what_is_shared_and_what_is_not_at_the_speed_of_a_training_alone():
    """One descent step on the mean of K losses moves each own bias as far as a step on that loss alone would."""
    plain, inputs = nn.Linear(6, 4), torch.randn(9, 6)
    network = Conditioned(plain, "", ALPHAS, by="bias")
    losses = [part.square().mean() for part in network(inputs).chunk(3, dim=1)]
    torch.stack(losses).mean().backward()
    assert plain.weight.grad is not None
    assert isinstance(network.own_bias, nn.Parameter)
    assert network.own_bias.grad is not None
    alone = copy.deepcopy(plain)
    alone.zero_grad()
    alone(inputs).square().mean().backward()
    assert alone.bias.grad is not None
    moved_by = 3**0.5 * network.own_bias.grad  # of the bias that the scores see
    torch.testing.assert_close(moved_by, alone.bias.grad.expand(3, -1))
    torch.testing.assert_close(plain.weight.grad, alone.weight.grad)
