"""The weighted form: costs from outside, with a mean of one, for classes, cells and attributes alone."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax

from evendistill.maths.losses import weighted_loss
from evendistill.objectives.objective import BoundObjective, Description
from evendistill.objectives.tradeoff import Balanced, Base, CostObjective, Reweighted, Standard, TradeOff

PRIORS = torch.tensor([0.6, 0.3, 0.1])
BASES = pytest.mark.parametrize("base", ["balanced", "standard"])
ALPHAS = pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0])


@st.composite
def simplex_pairs(draw):
    """Float64 multipliers and priors (2, C), each summing to one."""
    raw = draw(arrays(np.float64, (2, draw(st.integers(2, 6))), elements=st.floats(0.01, 1)))
    return raw / raw.sum(1, keepdims=True)


def weighted(priors, alpha, base: Base = "balanced", **told) -> CostObjective:
    return TradeOff(alpha, base, form="weighted").bind(priors.log(), step_size=told.get("step_size", 0.5))


def costs_by_hand(weights, priors, alpha, base):
    start = priors if base == "standard" else np.full(priors.shape, 1 / priors.size)
    return ((1 - alpha) * start + alpha * weights) / priors


def batch(count=7):
    return torch.randn(count, 3), torch.randn(count, 3).softmax(dim=1)


def gradient_of(objective, scores, targets, attributes=None):
    scores = scores.clone().requires_grad_()
    return torch.autograd.grad(objective(scores, targets, None, attributes), scores)[0]


@ALPHAS
@BASES
@given(pair=simplex_pairs())
def test_costs_are_beta_over_the_priors_and_one_on_average(alpha, base, pair):
    weights, priors = pair
    objective = weighted(torch.from_numpy(priors), alpha, base)
    objective.multipliers.log_weights.copy_(torch.from_numpy(weights).log())
    costs = objective._log_costs().double().exp().numpy()
    np.testing.assert_allclose(costs, costs_by_hand(weights, priors, alpha, base), rtol=1e-5)
    assert priors @ costs == pytest.approx(1, rel=1e-5)


@ALPHAS
@BASES
def test_the_loss_is_weighed_from_outside_before_and_after_an_update(alpha, base):
    scores, targets = batch()
    objective = weighted(PRIORS, alpha, base)
    weights, errors = np.full(3, 1 / 3), np.array([0.1, 0.4, 0.9])
    for _ in range(2):
        costs = costs_by_hand(weights, PRIORS.numpy(), alpha, base)
        expected = -(costs * targets.numpy() * log_softmax(scores.numpy(), axis=1)).sum(1).mean()
        assert objective(scores, targets).item() == pytest.approx(expected, rel=1e-5)
        objective.ascend(torch.from_numpy(errors))
        weights = weights * np.exp(0.5 * alpha * errors)
        weights = weights / weights.sum()


@pytest.mark.parametrize("table", [PRIORS.unsqueeze(1), torch.tensor([[0.5, 0.1, 0.1], [0.1, 0.15, 0.05]])])
def test_groups_take_the_costs_of_their_row(table):
    scores, targets = batch()
    attributes = torch.arange(7) % len(table)
    objective = weighted(table, 0.4)
    objective.ascend(torch.linspace(0, 1, table.numel()))
    raw = np.exp(0.5 * 0.4 * np.linspace(0, 1, table.numel()))
    costs = costs_by_hand((raw / raw.sum()).reshape(table.shape), table.numpy(), 0.4, "balanced")
    assert (costs * table.numpy()).sum() == pytest.approx(1, rel=1e-6)
    rows = np.broadcast_to(costs[attributes], (7, 3))
    expected = -(rows * targets.numpy() * log_softmax(scores.numpy(), axis=1)).sum(1).mean()
    assert objective(scores, targets, None, attributes).item() == pytest.approx(expected, rel=1e-5)
    assert objective.shape == tuple(table.shape)
    assert objective.weights.shape == (table.numel(),)


def test_the_margin_form_takes_the_costs_of_the_row_from_the_scores():
    scores, targets = batch()
    table, attributes = torch.tensor([[0.5, 0.1, 0.1], [0.1, 0.15, 0.05]]), torch.arange(7) % 2
    objective = TradeOff(0.4).bind(table.log(), step_size=0.5)
    objective.ascend(torch.linspace(0, 1, 6))
    raw = np.exp(0.5 * 0.4 * np.linspace(0, 1, 6))
    costs = costs_by_hand((raw / raw.sum()).reshape(2, 3), table.numpy(), 0.4, "balanced")
    expected = -(targets.numpy() * log_softmax(scores.numpy() - np.log(costs)[attributes], axis=1)).sum(1).mean()
    assert objective(scores, targets, None, attributes).item() == pytest.approx(expected, rel=1e-5)


def test_reweighted_is_the_mean_over_classes_of_a_long_tail():
    """Every class has the same say in the loss over the whole training set, and no score is shifted."""
    labels = torch.arange(3).repeat_interleave(torch.tensor([12, 6, 2]))
    scores = torch.randn(20, 3)
    description: Description = Reweighted()
    objective: BoundObjective = description.bind(torch.tensor([0.6, 0.3, 0.1]).log(), step_size=0.5)
    losses = F.cross_entropy(scores, labels, reduction="none")
    means = torch.stack([losses[labels == label].mean() for label in range(3)])
    torch.testing.assert_close(objective(scores, labels), means.mean())
    assert description == TradeOff(0.0, form="weighted")
    assert description.is_adversarial is False
    assert len({Reweighted(), Balanced(), Standard()}) == 3


def test_standard_weighted_from_outside_is_standard():
    scores, targets = batch()
    torch.testing.assert_close(weighted(PRIORS, 0.0, "standard")(scores, targets), F.cross_entropy(scores, targets))


@pytest.mark.parametrize("form", ["margin", "weighted"])
def test_a_form_is_kept_and_the_margin_is_the_default(form):
    assert TradeOff(0.5, form=form).bind(PRIORS.log(), step_size=0.5).form == form
    assert TradeOff(0.5) == TradeOff(0.5, form="margin") != TradeOff(0.5, form="weighted")


def test_multipliers_of_attributes_change_the_gradient():
    scores, targets = batch(6)
    attributes = torch.arange(6) % 2
    objective = weighted(torch.tensor([[0.5], [0.5]]), 1.0, step_size=2.0)
    before = gradient_of(objective, scores, targets, attributes)
    objective.ascend(torch.tensor([0.0, 1.0]))
    after = gradient_of(objective, scores, targets, attributes)
    costs = 2 * torch.tensor([0.0, 2.0]).softmax(dim=0)
    torch.testing.assert_close(after, before * costs[attributes].unsqueeze(1))


@pytest.mark.parametrize(
    ("alpha", "base"), [(0.0, "balanced"), (0.5, "balanced"), (0.5, "standard"), (1.0, "balanced")]
)
def test_attributes_alone_are_refused_by_the_margin_form_in_one_line_that_says_why(alpha, base):
    message = r"^attributes alone cannot .*: softmax cannot see .*; take form 'weighted', .*$"
    with pytest.raises(ValueError, match=message) as error:
        TradeOff(alpha, base).bind(PRIORS.unsqueeze(1).log(), step_size=0.5)
    assert "\n" not in str(error.value)


def test_the_standard_objective_takes_attributes_as_it_tells_nothing_apart():
    scores, targets = batch()
    objective = Standard().bind(PRIORS.unsqueeze(1).log(), step_size=0.5)
    loss = objective(scores, targets, None, torch.arange(7) % 3)
    torch.testing.assert_close(loss, F.cross_entropy(scores, targets))


@pytest.mark.parametrize("shape", [(2, 1), (2, 3)])
def test_groups_without_attributes_are_refused(shape):
    objective = weighted(torch.full(shape, 0.2), 0.5)
    with pytest.raises(ValueError, match=r"^this objective needs the attributes of the batch, got None$"):
        objective(*batch())


def test_a_group_without_a_prior_is_refused_by_its_number():
    with pytest.raises(ValueError, match=r"^group 2 has no mass in the training targets$"):
        weighted(torch.tensor([[0.5, 0.3], [0.0, 0.2]]), 0.5)


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match=r"^form must be 'margin' or 'weighted', got 'outer'$"):
        TradeOff(0.5, form="outer")  # type: ignore[arg-type]


@pytest.mark.parametrize("targets", [torch.tensor([0, 2, 1, 1]), torch.tensor([[0.2, 0.3, 0.5]]).repeat(4, 1)])
@pytest.mark.parametrize("shape", [(3,), (4, 3)])
def test_weighted_loss_takes_log_costs_as_costs(targets, shape):
    scores, log_costs = torch.randn(4, 3), torch.randn(shape)
    told = weighted_loss(scores, targets, log_costs.exp())
    assert torch.equal(weighted_loss(scores, targets, log_costs=log_costs), told)
    assert torch.equal(weighted_loss(scores, targets, costs=log_costs.exp()), told)


def test_weighted_loss_wants_one_of_costs_and_log_costs():
    scores, targets, costs = torch.randn(4, 3), torch.tensor([0, 2, 1, 1]), torch.ones(3)
    for told in ({}, {"costs": costs, "log_costs": costs}):
        with pytest.raises(ValueError, match=r"^give exactly one of costs and log_costs$"):
            weighted_loss(scores, targets, **told)
    for told in ({"costs": torch.ones(2)}, {"log_costs": torch.ones(2)}):
        with pytest.raises(ValueError, match=r"^costs must be of shape \(3,\) or \(4, 3\), got \(2,\)$"):
            weighted_loss(scores, targets, **told)
    with pytest.raises(ValueError, match=r"^costs must be non-negative, the least is -1$"):
        weighted_loss(scores, targets, torch.tensor([1.0, -1.0, 0.0]))
    assert weighted_loss(scores, targets, torch.zeros(3)).tolist() == [0.0] * 4
