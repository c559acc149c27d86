"""Mends of finished scores and last layers against scipy, a game written out in numpy, and a problem solved by hand."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats
from scipy.special import log_softmax

import evendistill as ed
from evendistill.distillation.mending import adjusted, refitted, vector_scaling
from evendistill.distillation.postshift import logit_adjustment

PRIORS = np.array([0.9, 0.07, 0.03])
MEANS = np.array(
    [0.0, 1.2, 2.0]
)  # of three normal classes; the one in the middle is hardest even where all weigh alike


def unruly(seed, count=120, classes=4):
    """Scores that know something of the labels, each class in a unit of its own and off its place."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    scores = rng.normal(size=(count, classes)) + 1.5 * np.eye(classes)[labels]
    return torch.tensor(scores * [3.0, 1.0, 0.3, 1.0] + [0.0, 2.0, 0.0, -1.0]), torch.tensor(labels)


def calibrated(count=200_000):
    """Scores of which the softmax is the distribution of the label."""
    rng = np.random.default_rng(0)
    scores = 2 * rng.normal(size=(count, 3)) + [0.5, 0.0, -1.0]
    noise = rng.gumbel(size=scores.shape)
    return torch.tensor(scores), torch.tensor((scores + noise).argmax(axis=1))


def normal_classes(seed, *, count):
    """Scores of the Bayes rule under unbalanced priors, on held-out examples of which each class has as many."""
    labels = np.arange(count) % 3
    points = np.random.default_rng(seed).normal(loc=MEANS[labels])
    return torch.tensor(stats.norm.logpdf(points[:, None], MEANS) + np.log(PRIORS)), torch.tensor(labels)


def recalls(scores, labels):
    return ed.evaluate(scores, labels).recalls


def scaling_by_scipy(scores, labels, shifted, penalty):
    """The minimiser of the documented objective over log factors and, if there are some, shifts."""
    scores, truth, classes = scores.numpy(), np.eye(scores.shape[1])[labels.numpy()], scores.shape[1]

    def objective(variables):
        log_scale, shift = variables[:classes], variables[classes:] * shifted
        logs = log_softmax(scores * np.exp(log_scale) + shift, axis=1)
        surplus = (np.exp(logs) - truth) / len(truth)
        slope = (surplus * scores).sum(axis=0) * np.exp(log_scale), surplus.sum(axis=0) * shifted
        value = -(truth * logs).sum() / len(truth) + penalty * np.square([log_scale, shift]).sum()
        return value, np.concatenate(slope) + 2 * penalty * np.concatenate([log_scale, shift])

    options = {"ftol": 1e-15, "gtol": 1e-9}
    found = optimize.minimize(objective, np.zeros(2 * classes), jac=True, method="L-BFGS-B", options=options)
    return np.exp(found.x[:classes]), found.x[classes:]


@pytest.mark.parametrize("penalty", [1e-3, 0.1])
@pytest.mark.parametrize("shifted", [True, False])
def test_vector_scaling_is_where_scipy_finds_the_least_of_the_documented_objective(shifted, penalty):
    scores, labels = unruly(0)
    scale, shift = vector_scaling(scores, labels, shifted=shifted, penalty=penalty)
    by_scipy = scaling_by_scipy(scores, labels, shifted, penalty)
    np.testing.assert_allclose(scale.numpy(), by_scipy[0], atol=1e-3)
    np.testing.assert_allclose(shift.numpy(), by_scipy[1], atol=1e-3)
    assert scale.max() > 1.5 * scale.min()
    assert scale.dtype == shift.dtype == torch.float64
    assert not scale.requires_grad
    assert not shift.requires_grad


def test_the_penalty_is_a_thousandth_unless_told():
    scores, labels = unruly(1)
    for part, told in zip(vector_scaling(scores, labels), vector_scaling(scores, labels, penalty=1e-3), strict=True):
        assert torch.equal(part, told)


def test_without_shifts_there_are_none():
    _, shift = vector_scaling(*unruly(2), shifted=False)
    assert torch.equal(shift, torch.zeros(4, dtype=torch.float64))


def test_calibrated_scores_stay_as_they_are():
    scale, shift = vector_scaling(*calibrated())
    torch.testing.assert_close(scale, torch.ones_like(scale), rtol=0, atol=0.02)
    torch.testing.assert_close(shift, torch.zeros_like(shift), rtol=0, atol=0.03)


def test_a_teacher_three_times_too_sharp_is_mended_to_a_third():
    scores, labels = calibrated()
    scale, shift = vector_scaling((3 * scores).float(), labels, penalty=0)
    torch.testing.assert_close(3 * scale, torch.ones_like(scale), rtol=0, atol=0.02)
    torch.testing.assert_close(shift - shift.mean(), torch.zeros_like(shift), rtol=0, atol=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_factors_are_positive_so_that_each_class_ranks_examples_as_before(seed):
    scores, labels = unruly(seed)
    scores[:, 1] *= -1  # says the opposite of what it should
    scale, shift = vector_scaling(scores, labels)
    assert scale.min() > 0
    assert scale.argmin() == 1
    assert torch.equal((scores * scale + shift).argsort(dim=0), scores.argsort(dim=0))


def test_a_class_without_held_out_examples_breaks_nothing():
    scores, labels = unruly(3)
    kept = labels != 2
    for part in (
        *vector_scaling(scores[kept], labels[kept]),
        adjusted(scores[kept], labels[kept], uniform(4), alpha=1),
    ):
        assert part.isfinite().all()


def uniform(classes):
    return torch.zeros(classes).log_softmax(dim=0)


@given(shares=st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
def test_at_alpha_nought_it_is_plain_logit_adjustment(shares):
    scores, labels = normal_classes(0, count=30)
    log_priors = torch.tensor(shares).log().log_softmax(dim=0)
    costs = adjusted(scores, labels, log_priors, alpha=0)
    torch.testing.assert_close(costs, logit_adjustment(log_priors.double()), rtol=0, atol=1e-12)


def by_multiplicative_weights(scores, labels, alpha, rounds, step_size):
    """Algorithm 2 on finished scores, not in logarithms; the costs of the mean multipliers."""
    weights = mean = np.full(3, 1 / 3)
    seen = []
    for _ in range(rounds):
        seen.append(weights)
        costs = np.log((1 - alpha) / 3 + alpha * weights) - np.log(PRIORS)
        wrong = (scores.numpy() + costs).argmax(axis=1) != labels.numpy()
        errors = np.array([wrong[labels.numpy() == label].mean() for label in range(3)])
        weights = weights * np.exp(alpha * step_size * errors)
        weights = weights / weights.sum()
    mean = np.mean(seen, axis=0)
    costs = np.log((1 - alpha) / 3 + alpha * mean) - np.log(PRIORS)
    return costs - costs.mean()


@pytest.mark.parametrize(("alpha", "rounds", "step_size"), [(0.5, 1000, 0.1), (1.0, 1000, 0.1), (0.3, 50, 1.0)])
def test_its_costs_are_those_of_the_mean_multipliers_of_algorithm_2(alpha, rounds, step_size):
    scores, labels = normal_classes(1, count=300)
    by_hand = by_multiplicative_weights(scores, labels, alpha, rounds, step_size)
    log_priors = torch.tensor(PRIORS).log()
    costs = adjusted(scores, labels, log_priors, alpha=alpha, rounds=rounds, step_size=step_size)
    np.testing.assert_allclose(costs.numpy(), by_hand, atol=1e-5)
    if (rounds, step_size) == (1000, 0.1):
        assert torch.equal(costs, adjusted(scores, labels, log_priors, alpha=alpha))


def test_at_alpha_one_the_worst_class_does_nearly_as_well_as_any_costs_allow():
    scores, labels = normal_classes(2, count=1200)
    log_priors = torch.tensor(PRIORS).log()
    worst = [recalls(scores, labels).min()]
    for alpha in (0.0, 0.5, 1.0):
        worst.append(recalls(scores + adjusted(scores, labels, log_priors, alpha=alpha), labels).min())
    assert worst == sorted(worst)
    assert worst[1] > worst[0] + 0.2
    assert worst[3] > worst[1] + 0.02
    grid = torch.linspace(-1, 5, 41, dtype=torch.float64)
    shifts = (torch.stack([torch.zeros_like(a), a, b]) for a, b in itertools.product(grid, repeat=2))
    assert worst[3] > max(recalls(scores + shift, labels).min() for shift in shifts) - 0.02


@given(alpha=st.floats(0, 1), seed=st.integers(0, 9))
def test_costs_have_mean_zero(alpha, seed):
    scores, labels = normal_classes(seed, count=60)
    costs = adjusted(scores, labels, torch.tensor(PRIORS).log(), alpha=alpha, rounds=20)
    assert costs.mean().item() == pytest.approx(0, abs=1e-9)
    assert costs.dtype == torch.float64


@given(alpha=st.floats(0, 1), margin=st.sampled_from([99.0, -99.0]))
def test_where_all_classes_err_alike_no_multiplier_moves(alpha, margin):
    labels = torch.arange(12) % 3
    scores = margin * torch.eye(3)[labels] - torch.eye(3)[(labels + 1) % 3]  # all are right, or all are wrong
    log_priors = torch.tensor(PRIORS).log()
    costs = adjusted(scores, labels, log_priors, alpha=alpha, rounds=20)
    torch.testing.assert_close(costs, logit_adjustment(log_priors), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "mend", [vector_scaling, lambda scores, labels: adjusted(scores, labels, uniform(3), alpha=0.5)]
)
def test_scores_and_labels_that_cannot_be_are_refused_with_their_row(mend):
    scores, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    with pytest.raises(ValueError, match="label 7 in row 2 is out of range"):
        mend(scores, torch.tensor([0, 1, 7, 0]))
    with pytest.raises(ValueError, match="scores contain NaN, first in row 1"):
        mend(scores.index_fill(0, torch.tensor([1]), torch.nan), labels)
    with pytest.raises(ValueError, match="labels must be 4 integers"):
        mend(scores, labels[:3])


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_an_alpha_out_of_range_is_refused(alpha):
    scores, labels = normal_classes(0, count=30)
    with pytest.raises(ValueError, match=rf"^alpha must lie in \[0, 1\], got {alpha}$"):
        adjusted(scores, labels, uniform(3), alpha=alpha)
    with pytest.raises(ValueError, match=rf"^alpha must lie in \[0, 1\], got {alpha}$"):
        refitted(scores, labels, torch.zeros(3, 3), None, alpha=alpha)
