"""Post-shift against brute force, logit adjustment against its formula."""

import itertools
import math

import pytest
import torch

import evendistill as ed
from evendistill.distillation.postshift import logit_adjustment


def task(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A three-class problem on which the arg max neglects the last class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.tensor([0] * 60 + [1] * 45 + [2] * 30)
    means = torch.tensor([[1.5, 0.0, -0.7], [0.2, 1.0, -0.7], [0.4, 0.2, -0.1]])
    return means[labels] + torch.randn(len(labels), 3, generator=generator), labels


def brute_force(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """The best least recall over a fine grid of shifts."""
    grid = torch.linspace(-4, 4, 161)
    best = 0.0
    for a, b in itertools.product(grid.tolist(), repeat=2):
        shifted = scores + torch.tensor([0.0, a, b])
        hits = shifted.argmax(dim=1) == labels
        best = max(best, min(hits[labels == label].float().mean().item() for label in range(3)))
    return best


@pytest.mark.parametrize("seed", range(4))
def test_it_is_within_one_example_of_brute_force(seed):
    scores, labels = task(seed)
    found = ed.evaluate(ed.PostShift().fit(scores, labels).transform(scores), labels).worst_class_accuracy
    assert found >= brute_force(scores, labels) - 1 / 30 - 1e-9


def test_it_lifts_the_worst_class_above_plain_logit_adjustment():
    scores, labels = task(0)
    adjusted = scores - (labels.bincount() / len(labels)).log()
    plain = ed.evaluate(adjusted, labels).worst_class_accuracy
    shifted = ed.evaluate(ed.PostShift().fit(scores, labels).transform(scores), labels).worst_class_accuracy
    assert shifted > plain > ed.evaluate(scores, labels).worst_class_accuracy


def test_it_adds_log_costs_whose_mean_is_zero():
    scores, labels = task(1)
    shift = ed.PostShift().fit(scores, labels)
    torch.testing.assert_close(shift.transform(scores) - scores, shift.log_costs.float().expand_as(scores))
    assert shift.log_costs.mean().item() == pytest.approx(0, abs=1e-9)


def test_an_absent_class_neither_breaks_it_nor_counts_as_worst():
    scores, labels = task(2)
    kept = labels != 1
    shift = ed.PostShift().fit(scores[kept], labels[kept])
    assert shift.log_costs.isfinite().all()
    with pytest.warns(UserWarning, match="absent from the labels: class 1"):
        assert ed.evaluate(shift.transform(scores[kept]), labels[kept]).worst_class_accuracy > 0.3


def test_what_it_cannot_do_it_says():
    scores, labels = task(0)
    with pytest.raises(ValueError, match="fit the shift before"):
        ed.PostShift().transform(scores)
    with pytest.raises(ValueError, match="the shift is for 3 classes, scores have 4"):
        ed.PostShift(iterations=1).fit(scores, labels).transform(torch.zeros(2, 4))
    with pytest.raises(ValueError, match="label 7 in row 2 is out of range"):
        ed.PostShift().fit(scores[:3], torch.tensor([0, 1, 7]))
    with pytest.raises(ValueError, match="iterations and steps must be positive"):
        ed.PostShift(first_step=0.0)


@pytest.mark.parametrize("seed", range(4))
def test_on_its_own_examples_it_is_at_least_as_good_as_logit_adjustment(seed):
    scores, labels = task(seed)
    log_priors = (labels.bincount() / len(labels)).log()
    shifted = ed.evaluate(ed.PostShift().fit(scores, labels).transform(scores), labels).worst_class_accuracy
    for tau in (0.0, 0.5, 1.0, 1.5, 2.0):
        adjusted = scores + logit_adjustment(log_priors, tau=tau)
        assert shifted >= ed.evaluate(adjusted, labels).worst_class_accuracy


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 2.0])
def test_logit_adjustment_takes_tau_log_priors_from_the_scores(tau):
    priors = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    costs = logit_adjustment(priors.log(), tau=tau)
    assert costs.mean().item() == pytest.approx(0, abs=1e-12)
    for one, other in itertools.combinations(range(3), 2):
        ratio = math.exp(costs[one] - costs[other])
        assert ratio == pytest.approx((priors[other] / priors[one]).item() ** tau)


@pytest.mark.parametrize("tau", [-0.1, math.inf, math.nan])
def test_a_tau_that_cannot_be_is_refused(tau):
    with pytest.raises(ValueError, match=f"^tau must be non-negative and finite, got {tau}$"):
        logit_adjustment(torch.zeros(3), tau=tau)
