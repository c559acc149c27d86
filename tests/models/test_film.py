"""A network whose last block is modulated: where, that it begins as itself, and that a plain copy gives its scores."""

import copy

import pytest
import torch
from torch import nn

from evendistill.models.conditioning import condition
from evendistill.models.convnet import convnet
from evendistill.models.film import Modulated, place_of
from evendistill.models.head import head_of
from evendistill.models.mlp import mlp
from evendistill.models.resnet import cifar_resnet, resnet18
from evendistill.objectives.frontier import FrontierObjective, conditioned

ALPHAS = (0.0, 0.5, 1.0)
IMAGES = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(3))
ROWS = IMAGES.flatten(1)


class Plain(nn.Module):
    """As people write it: the layers by name, the rest in the code."""

    def __init__(self, *, pooling: str = "flatten") -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, bias=False)
        self.second = nn.Conv2d(4, 6, 3, bias=False)
        self.last = nn.Linear(6, 4)
        self.pooling = pooling

    def forward(self, images):
        found = self.second(self.first(images).relu()).relu().mean(dim=(2, 3))
        return self.last(found if self.pooling == "flatten" else found.view(len(images), 6))


class Tokens(nn.Module):
    """Channels last: a layer on each of many tokens, then their mean."""

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.Linear(48, 6)
        self.last = nn.Linear(6, 4)

    def forward(self, rows):
        return self.last(self.each(rows.unflatten(1, (16, 48))).relu().mean(dim=1))


class Around(nn.Module):
    """A part that pools for itself, so that what is added to its insides is lost on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1))

    def forward(self, images):
        return self.body(images).flatten(1)


NETWORKS = {
    "mlp": (lambda: mlp(768, 4, (8, 6)), ROWS, ("3", "3")),
    "convnet": (lambda: convnet(3, 4, width=4), IMAGES, ("7", "7")),
    "resnet": (lambda: cifar_resnet(20, 4), IMAGES, None),
    "resnet18": (lambda: resnet18(4, "small"), IMAGES, None),
    "norms": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(768, 6), nn.LayerNorm(6), nn.Linear(6, 4)), IMAGES, "22"),
    "groups": (lambda: nn.Sequential(nn.GroupNorm(1, 3), nn.Flatten(), nn.Linear(768, 4)), IMAGES, "00"),
    "tokens": (Tokens, ROWS, ("each", "each")),
    "own": (Plain, IMAGES, ("second", "second")),
}


def made(name: str) -> tuple[nn.Module, Modulated, torch.Tensor]:
    """A twin of a network, the network modulated, and inputs."""
    make, inputs, _ = NETWORKS[name]
    plain = make()
    network = condition(copy.deepcopy(plain), inputs, ALPHAS, "film")
    assert isinstance(network, Modulated)
    return plain, network, inputs


def moved(network: nn.Module) -> nn.Module:
    """Every parameter away from where it began, and batch norm has seen something."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_all_begin_as_the_network_itself(name):
    plain, network, inputs = made(name)
    right = plain.eval()(inputs).detach()
    for part in network.eval()(inputs).detach().chunk(3, dim=1):
        torch.testing.assert_close(part, right, rtol=0, atol=1e-5)
    assert list(network.network.state_dict()) == list(plain.state_dict())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_plain_copy_gives_the_modulated_scores_and_has_no_trace_of_the_others(name):
    plain, network, inputs = made(name)
    moved(network).train()
    network(inputs)
    network.eval()
    found = network(inputs).detach().chunk(3, dim=1)
    assert not torch.allclose(found[0], found[2], atol=1e-3)
    for alpha, part in zip(ALPHAS, found, strict=True):
        taken = network.at(alpha)
        assert type(taken) is type(plain)
        assert not any(each._forward_hooks or each._forward_pre_hooks for each in taken.modules())
        torch.testing.assert_close(taken(inputs).detach(), part, rtol=0, atol=1e-6 * max(1.0, float(part.abs().max())))
    torch.testing.assert_close(network(inputs).detach().chunk(3, dim=1), found)  # and it is as it was


def test_a_batch_norm_is_scaled_and_shifted_channel_by_channel_before_the_shortcut_is_added():
    plain, network, inputs = made("resnet")
    layer = plain.get_submodule(network.place.layer)
    assert isinstance(layer, nn.BatchNorm2d)
    assert network.place.layer.startswith(f"{network.place.block}.residual.")
    moved(network).eval()
    plain.load_state_dict(network.network.state_dict())
    scales, shifts = 1 + 3**0.5 * network.own_factor.detach(), 3**0.5 * network.own_shift.detach()
    found = network(inputs).detach().chunk(3, dim=1)
    for part, scale, shift, bias in zip(found, scales, shifts, 3**0.5 * network.own_bias.detach(), strict=True):
        scaled = layer.register_forward_hook(
            lambda _layer, _given, outputs, scale=scale, shift=shift: (
                outputs * scale[:, None, None] + shift[:, None, None]
            )
        )
        torch.testing.assert_close(part, plain.eval()(inputs).detach() + bias, rtol=0, atol=1e-5)
        scaled.remove()


@pytest.mark.parametrize("name", ["mlp", "convnet", "resnet", "own"])
def test_between_two_scale_and_shift_are_interpolated(name):
    _, network, _ = made(name)
    moved(network)
    low, middle, between = (network.at(alpha).get_submodule(network.place.layer) for alpha in (0.0, 0.5, 0.125))
    for part in ("weight", "bias"):
        expected = 0.75 * getattr(low, part) + 0.25 * getattr(middle, part)
        torch.testing.assert_close(getattr(between, part), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["mlp", "convnet", "norms", "groups", "tokens", "own"])
def test_the_last_layer_with_channels_before_the_head_is_the_place(name):
    make, inputs, place = NETWORKS[name]
    plain = make()
    assert tuple(place_of(plain, inputs, head_of(plain, inputs))) == tuple(place)


def test_a_block_is_computed_once_for_all():
    _, network, inputs = made("resnet")
    rows = []
    for layer in network.network.modules():
        if isinstance(layer, nn.Conv2d | nn.BatchNorm2d):
            layer.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    network(inputs)
    assert set(rows) == {len(inputs)}


@pytest.mark.parametrize(
    ("network", "inputs", "said"),
    [
        (nn.Sequential(Around(), nn.Linear(6, 4)), IMAGES, "cannot modulate '0.body.0' in '0' of Sequential"),
        (Plain(pooling="view"), IMAGES, "cannot modulate 'second' of Plain"),
        (nn.Linear(768, 4), ROWS, "no layer of Linear before its last one could be scaled and shifted"),
        (nn.Sequential(nn.BatchNorm1d(768, affine=False), nn.Linear(768, 4)), ROWS, "no layer of Sequential before"),
    ],
)
def test_where_it_cannot_be_done_it_says_so_and_leaves_the_network_alone(network, inputs, said):
    with torch.no_grad():
        before = network.eval()(inputs)
    with pytest.raises(ValueError, match=said):
        conditioned(network, inputs, FrontierObjective(ALPHAS, by="film"))
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in network.modules())
    with torch.no_grad():
        assert torch.equal(network(inputs), before)


def test_a_frontier_by_film_is_one_and_of_one_alpha_it_is_the_network():
    plain = mlp(768, 4, (6,))
    network = conditioned(plain, ROWS, FrontierObjective(ALPHAS, by="film"))
    assert isinstance(network, Modulated)
    assert network.by == "film"
    alone = conditioned(nn.Sequential(nn.Linear(768, 4)), ROWS, FrontierObjective((0.5,), by="film"))
    assert not isinstance(alone, Modulated)
    assert alone(ROWS).shape == (5, 4)
