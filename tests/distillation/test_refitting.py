"""A last layer fitted anew: the documented problem solved by scipy, and halves that judge what they did not teach."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from scipy.special import log_softmax

import evendistill as ed
from evendistill.distillation.folds import halves
from evendistill.distillation.mending import refitted

CLASSES, WIDTH = 3, 4


def problem(seed=0, each=(40, 40, 40), spread=1.0):
    """Features of three classes, and a layer that was drawn at random."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(CLASSES).repeat_interleave(torch.tensor(each))
    labels = labels[torch.randperm(len(labels), generator=generator)]
    means = torch.randn(CLASSES, WIDTH, generator=generator, dtype=torch.float64)
    features = means[labels] + spread * torch.randn(len(labels), WIDTH, generator=generator, dtype=torch.float64)
    weight = torch.randn(CLASSES, WIDTH, generator=generator)
    return features, labels, weight, torch.randn(CLASSES, generator=generator)


def by_scipy(features, labels, weight, bias, *, penalty):
    """Least logit-adjusted cross-entropy of the training half plus the squared change of the layer; written out."""
    inputs = features.numpy() if bias is None else np.column_stack([features.numpy(), np.ones(len(features))])
    start = weight.numpy() if bias is None else np.column_stack([weight.numpy(), bias.numpy()])
    truth = np.eye(CLASSES)[labels.numpy()]

    def objective(values):
        layer = values.reshape(start.shape)
        logs = log_softmax(inputs @ layer.T + np.log(truth.mean(axis=0)), axis=1)
        slope = (np.exp(logs) - truth).T @ inputs / len(inputs) + 2 * penalty * (layer - start)
        return -(truth * logs).sum() / len(inputs) + penalty * np.square(layer - start).sum(), slope.ravel()

    options = {"ftol": 1e-15, "gtol": 1e-9}
    found = optimize.minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    layer = found.x.reshape(start.shape)
    return layer[:, :WIDTH], layer[:, WIDTH:].ravel()


def test_at_alpha_nought_it_is_where_scipy_finds_the_least_on_the_half_that_learns():
    features, labels, weight, bias = problem()
    learns, _ = halves(labels, 5)
    assert labels[learns].bincount().tolist() == [20, 20, 20]
    found = refitted(features, labels, weight, bias, alpha=0, seed=5)
    expected = by_scipy(features[learns], labels[learns], weight, bias, penalty=1e-3)
    for part, told in zip(found, expected, strict=True):
        assert part is not None
        np.testing.assert_allclose(part.numpy(), told, atol=2e-3)
    other = by_scipy(features, labels, weight, bias, penalty=1e-3)[0]
    assert np.abs(other - expected[0]).max() > 0.05


@pytest.mark.parametrize("penalty", [1e-3, 0.03])
def test_where_classes_differ_in_size_alpha_nought_is_the_balanced_objective(penalty):
    features, labels, weight, bias = problem(1, each=(80, 20, 8))
    learns, _ = halves(labels, 0)
    expected = by_scipy(features[learns], labels[learns], weight, bias, penalty=penalty)
    found = refitted(features, labels, weight, bias, alpha=0, penalty=penalty)
    np.testing.assert_allclose(found[0].numpy(), expected[0], atol=2e-3)


def test_a_heavy_penalty_leaves_the_layer_where_it_is():
    features, labels, weight, bias = problem()
    found = refitted(features, labels, weight, bias, alpha=0.5, penalty=1e4)
    torch.testing.assert_close(found[0], weight.double(), rtol=0, atol=1e-4)
    assert (refitted(features, labels, weight, bias, alpha=0.5)[0] - weight).abs().max() > 0.1


def test_the_layer_that_is_given_is_not_changed():
    features, labels, *layer = problem()
    weight, bias = (part.double() for part in layer)  # which it computes with, so that it might take them for its own
    before = weight.clone(), bias.clone()
    refitted(features, labels, weight, bias, alpha=0.5, rounds=2)
    assert torch.equal(weight, before[0])
    assert torch.equal(bias, before[1])


def normal_classes(count, seed):
    """Three normal classes on a line, the one in the middle the hardest; in these features the Bayes rule is linear."""
    labels = torch.arange(count) % CLASSES
    noise = torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    points = torch.tensor([0.0, 1.2, 2.0], dtype=torch.float64)[labels] + noise
    return torch.stack([points, points**2 / 4], dim=1), labels


def test_the_more_alpha_the_better_the_worst_class_on_examples_that_nobody_saw():
    held_out, (features, labels) = normal_classes(1200, 0), normal_classes(30_000, 1)
    worst = []
    for alpha in (0.0, 0.5, 1.0):
        layer = refitted(*held_out, torch.zeros(CLASSES, 2), torch.zeros(CLASSES), alpha=alpha)
        recalls = ed.evaluate(torch.nn.functional.linear(features, *layer), labels).recalls
        assert recalls.argmin() == 1
        worst.append(recalls.min())
    assert worst[1] > worst[0] + 0.02
    assert worst[2] > worst[1] + 0.01


@pytest.mark.parametrize("part", [0, 1])
def test_only_one_half_descends_and_only_the_other_judges(part):
    features, labels, weight, bias = problem(3)
    pair = halves(labels, 0)
    spoilt = features.clone()
    spoilt[pair[part]] = features[pair[part]].roll(1, dims=0)
    found = {alpha: refitted(spoilt, labels, weight, bias, alpha=alpha)[0] for alpha in (0, 1)}
    kept = {alpha: refitted(features, labels, weight, bias, alpha=alpha)[0] for alpha in (0, 1)}
    assert torch.equal(found[0], kept[0]) is (part == 1)  # at alpha 0 nobody judges
    assert not torch.equal(found[1], kept[1])


@given(counts=st.lists(st.integers(2, 9), min_size=2, max_size=6), seed=st.integers(0, 99))
def test_halves_part_every_class_evenly_and_share_no_example(counts, seed):
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    labels = labels[torch.randperm(len(labels))]
    one, other = halves(labels, seed)
    assert sorted(one.tolist() + other.tolist()) == list(range(len(labels)))
    numbers = [labels[half].bincount(minlength=len(counts)) for half in (one, other)]
    assert (numbers[0] - numbers[1]).abs().max() <= 1
    assert abs(len(one) - len(other)) <= 1


def test_halves_are_drawn_by_the_seed():
    labels = torch.arange(60) % 3
    assert all(torch.equal(*pair) for pair in zip(halves(labels, 1), halves(labels, 1), strict=True))
    assert set(halves(labels, 1)[0].tolist()) != set(halves(labels, 2)[0].tolist())


def test_the_same_seed_gives_the_same_layer_and_leaves_the_global_generator_alone():
    told = problem(4)
    before = torch.get_rng_state()
    one, again, other = (refitted(*told, alpha=0.5, rounds=3, seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("alpha", [0, 0.5])
def test_a_layer_without_bias_gets_none(alpha):
    features, labels, weight, _ = problem()
    found, bias = refitted(features, labels, weight, None, alpha=alpha, rounds=3)
    assert bias is None
    if alpha == 0:
        learns, _ = halves(labels, 0)
        expected, _ = by_scipy(features[learns], labels[learns], weight, None, penalty=1e-3)
        np.testing.assert_allclose(found.numpy(), expected, atol=2e-3)


def test_single_precision_features_are_as_good():
    features, labels, weight, bias = problem()
    found = refitted(features.float(), labels, weight, bias, alpha=0.5)
    expected = refitted(features, labels, weight, bias, alpha=0.5)
    for part, told in zip(found, expected, strict=True):
        assert part is not None
        assert part.dtype == torch.float64
        torch.testing.assert_close(part, told, rtol=0, atol=1e-3)


@pytest.mark.parametrize(("each", "words"), [((5, 1, 5), "class 1 has 1"), ((3, 2, 0), "class 2 has 0")])
def test_a_class_with_fewer_than_two_examples_is_named_in_one_line(each, words):
    with pytest.raises(ValueError, match=f"^{words} held-out examples; a new last layer needs two$"):
        refitted(*problem(each=each), alpha=0.5)


def test_two_examples_of_a_class_are_enough():
    found = refitted(*problem(each=(9, 2, 2)), alpha=1)
    assert all(part is not None and part.isfinite().all() for part in found)
