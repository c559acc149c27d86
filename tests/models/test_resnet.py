"""Residual networks against published parameter counts and blocks that are written out."""

import copy
import functools
import pickle
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from evendistill import models
from evendistill.models import cifar_resnet, resnet8, resnet18, resnet20, resnet56

COUNTS = {
    20: (269_722, 275_572),
    32: (464_154, 470_004),
    44: (658_586, 664_436),
    56: (853_018, 858_868),
    110: (1_727_962, 1_733_812),
}
SMALL = {"resnet8": resnet8, "resnet18 small": functools.partial(resnet18, stem="small"), "resnet18": resnet18}
each_network = pytest.mark.parametrize("make", SMALL.values(), ids=SMALL)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def of_type(network, kind):
    return [module for module in network.modules() if isinstance(module, kind)]


def before_the_mean(network):
    return network[: next(i for i, layer in enumerate(network) if isinstance(layer, nn.AdaptiveAvgPool2d))]


def blocks(network):
    return [layer for layer in network if hasattr(layer, "shortcut")]


def shuffled(network):
    """The network with batch norms that do something."""
    for norm in of_type(network, nn.BatchNorm2d):
        state = norm.state_dict()
        for name in ("weight", "running_var"):
            nn.init.uniform_(state[name], 0.5, 1.5)
        for name in ("bias", "running_mean"):
            nn.init.normal_(state[name])
    return network


@pytest.mark.parametrize("depth", COUNTS)
def test_parameters_are_as_many_as_published(depth):
    with torch.device("meta"):
        for make in (getattr(models, f"resnet{depth}"), functools.partial(cifar_resnet, depth)):
            assert (count(make(10)), count(make(100))) == COUNTS[depth]


def test_the_smallest_has_three_blocks():
    with torch.device("meta"):
        network = resnet8(10)
    widths = [(3, 16), (16, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 64)]
    assert [(c.in_channels, c.out_channels) for c in of_type(network, nn.Conv2d)] == widths
    assert count(network) == sum(9 * a * b + 2 * b for a, b in widths) + 64 * 10 + 10


def test_resnet18_has_as_many_parameters_as_published():
    with torch.device("meta"):
        assert count(resnet18(1000)) == 11_689_512
        assert count(resnet18(1000, stem="small")) == 11_689_512 - (49 - 9) * 3 * 64


@pytest.mark.parametrize("depth", [-4, 0, 2, 7, 9, 18, 21])
def test_depths_that_are_not_six_n_and_two_are_refused(depth):
    with pytest.raises(ValueError, match=rf"^depth must be 6n \+ 2 with n of at least 1, got {depth}$"):
        cifar_resnet(depth, 10)


@pytest.mark.parametrize("stem", ["large", "", None])
def test_other_stems_are_refused(stem):
    with pytest.raises(ValueError, match=f'^stem must be "imagenet" or "small", got {stem!r}$'):
        resnet18(10, stem=stem)


@each_network
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 33, 17), (4, 5, 7), (3, 1, 1)])
def test_images_of_any_size_give_scores(make, shape):
    assert make(7, channels=shape[0]).eval()(torch.randn(2, *shape)).shape == (2, 7)


@pytest.mark.parametrize(
    ("make", "shape", "expected"),
    [
        (resnet8, (3, 32, 32), (64, 8, 8)),
        (resnet20, (3, 33, 17), (64, 9, 5)),
        (SMALL["resnet18 small"], (3, 32, 32), (512, 4, 4)),
        (resnet18, (3, 65, 32), (512, 3, 1)),
    ],
)
def test_the_image_is_halved_where_it_should_be(make, shape, expected):
    features = before_the_mean(make(2, channels=shape[0]))(torch.randn(2, *shape))
    assert features.shape == (2, *expected)


@each_network
def test_scores_are_a_linear_function_of_the_mean_over_the_image(make):
    network, inputs = make(5).eval(), torch.randn(2, 3, 40, 36)
    (classifier,) = of_type(network, nn.Linear)
    by_hand = before_the_mean(network)(inputs).mean(dim=(2, 3)) @ classifier.weight.T + classifier.bias
    torch.testing.assert_close(network(inputs), by_hand, rtol=1e-5, atol=1e-5)


def test_the_imagenet_stem_is_a_wide_convolution_and_a_maximum():
    network, inputs = shuffled(resnet18(2)).eval(), torch.randn(2, 3, 21, 20)
    convolution, norm = of_type(network, nn.Conv2d)[0], of_type(network, nn.BatchNorm2d)[0]
    first = norm(F.conv2d(inputs, convolution.weight, stride=2, padding=3)).relu()
    assert convolution.weight.shape == (64, 3, 7, 7)
    stem = network[: list(network).index(blocks(network)[0])]
    torch.testing.assert_close(stem(inputs), F.max_pool2d(first, 3, stride=2, padding=1))


@pytest.mark.parametrize("size", [(6, 8), (5, 7), (1, 1)])
def test_the_padded_shortcut_is_every_second_pixel_and_zeros(size):
    shortcut = blocks(resnet8(2))[1].get_submodule("shortcut")
    inputs = torch.randn(3, 16, *size)
    by_hand = torch.zeros(3, 32, (size[0] + 1) // 2, (size[1] + 1) // 2)
    for row in range(0, size[0], 2):
        for column in range(0, size[1], 2):
            by_hand[:, :16, row // 2, column // 2] = inputs[:, :, row, column]
    assert torch.equal(shortcut(inputs), by_hand)


def written_out(block, inputs, *, shortcut):
    """A block with nothing in place, in train mode."""
    one, two, *projection = ((m.weight, m.kernel_size) for m in of_type(block, nn.Conv2d))
    norms, stride = of_type(block, nn.BatchNorm2d), 1 if shortcut == "identity" else 2

    def normed(values, norm):
        return F.batch_norm(values, None, None, norm.weight, norm.bias, training=True)

    hidden = F.relu(normed(F.conv2d(inputs, one[0], stride=stride, padding=1), norms[0]))
    if shortcut == "padded":
        inputs = torch.cat([inputs[:, :, ::2, ::2]] * 2, dim=1) * (torch.arange(32) < 16)[:, None, None]
    if shortcut == "projected":
        ((weight, size),) = projection
        assert size == (1, 1)
        inputs = normed(F.conv2d(inputs, weight, stride=2), norms[2])
    return F.relu(normed(F.conv2d(hidden, two[0], padding=1), norms[1]) + inputs)


@pytest.mark.parametrize(
    ("make", "place", "shortcut"),
    [(resnet8, 0, "identity"), (resnet8, 1, "padded"), (resnet18, 1, "identity"), (resnet18, 2, "projected")],
)
def test_a_block_is_the_block_written_out_with_its_gradients(make, place, shortcut):
    block = shuffled(blocks(make(2))[place])
    inputs, results = torch.randn(4, of_type(block, nn.Conv2d)[0].in_channels, 5, 6), []
    for function in (block, functools.partial(written_out, block, shortcut=shortcut)):
        leaf = inputs.clone().requires_grad_()
        outputs = function(leaf)
        results.append((outputs, torch.autograd.grad((outputs**2).sum(), [leaf, *block.parameters()])))
        assert torch.equal(leaf, inputs)
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-4)


def is_drawn(weight, *, fan):
    """Normal with variance 2 / fan, to five standard errors of the mean and the standard deviation, with tails."""
    unit, errors = weight * (fan / 2) ** 0.5, 5 / weight.numel() ** 0.5
    return abs(unit.mean()) < errors and abs(unit.std() - 1) < errors / 2**0.5 and unit.abs().max() > 2


@pytest.mark.parametrize("make", [resnet56, resnet18])
def test_weights_are_drawn_as_documented(make):
    network = make(100)
    for convolution in of_type(network, nn.Conv2d):
        assert is_drawn(convolution.weight, fan=convolution.out_channels * convolution.kernel_size[0] ** 2)
        assert convolution.bias is None
    for norm in of_type(network, nn.BatchNorm2d):
        assert (norm.weight == 1).all()
        assert (norm.bias == 0).all()
    (classifier,) = of_type(network, nn.Linear)
    assert is_drawn(classifier.weight, fan=classifier.in_features)
    assert (classifier.bias == 0).all()


def drawn(make, seed):
    torch.manual_seed(seed)
    return torch.cat([tensor.flatten() for tensor in make(3).state_dict().values()])


@each_network
def test_the_global_generator_of_torch_gives_the_weights_and_no_other_does(make):
    first = drawn(make, seed=1)
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002 - the generator that nobody may touch
    states = random.getstate(), pickle.dumps(np.random.get_state())  # noqa: NPY002
    assert torch.equal(drawn(make, seed=1), first)
    assert (random.getstate(), pickle.dumps(np.random.get_state())) == states  # noqa: NPY002
    assert not torch.equal(drawn(make, seed=2), first)


@each_network
@pytest.mark.parametrize("training", [False, True])
def test_channels_last_gives_the_same_scores(make, training):
    network = shuffled(make(5)).train(training)
    other = copy.deepcopy(network).to(memory_format=torch.channels_last)
    inputs = torch.randn(4, 3, 33, 40)
    expected, scores = network(inputs), other(inputs.to(memory_format=torch.channels_last))
    torch.testing.assert_close(scores, expected, rtol=1e-5, atol=1e-5 * expected.abs().max().item())


@each_network
@pytest.mark.parametrize(("part", "size"), [("", (66, 96)), ("", (65, 33)), ("shortcut", (64, 96))])
def test_blocks_and_shortcuts_keep_channels_last(make, part, size):
    network, strides = make(5).to(memory_format=torch.channels_last), []
    for block in blocks(network):  # the block itself is its part without a name
        block.get_submodule(part).register_forward_hook(lambda _, __, outputs: strides.append(outputs.stride(1)))
    network(torch.randn(2, 3, *size).to(memory_format=torch.channels_last))
    assert strides == [1] * len(blocks(network))


@each_network
def test_a_state_goes_into_another_network(make):
    network, other, inputs = make(5), make(5), torch.randn(3, 3, 32, 32)
    network(inputs)  # moves the statistics of batch norm
    other.load_state_dict(network.state_dict())
    assert torch.equal(other.eval()(inputs), network.eval()(inputs))


@each_network
@pytest.mark.parametrize("bf16", [False, True])
def test_a_step_lowers_the_loss_and_reaches_every_parameter(make, bf16):
    network, inputs, labels = make(5), torch.randn(8, 3, 33, 36), torch.arange(8) % 5
    kept, optimiser = inputs.clone(), torch.optim.SGD(network.parameters(), lr=0.01)

    def loss():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            return F.cross_entropy(network(inputs).float(), labels)

    before = loss()
    before.backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())
    optimiser.step()
    assert loss() < before
    assert torch.equal(inputs, kept)
