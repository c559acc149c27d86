"""AdaMargin and AdaAlpha: the formulas in plain numbers, and the ends at which they are something known."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax

from evendistill.maths.losses import margin_loss
from evendistill.objectives.adaptive import AdaAlpha, AdaMargin
from evendistill.objectives.objective import BoundObjective, Description, Facts

LOG_PRIORS = torch.tensor([0.6, 0.3, 0.1]).log()
MARGINS = Facts(margins=lambda: torch.tensor([0.9, -0.4, 0.25], dtype=torch.float64))
BOTH = pytest.mark.parametrize("kind", [AdaMargin, AdaAlpha])
HALF = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])


@st.composite
def batches(draw):
    """Float64 scores (B, 3), a teacher's rows (B, 3) and labels (B,)."""
    count = draw(st.integers(1, 5))
    scores = draw(arrays(np.float64, (count, 3), elements=st.floats(-20, 20)))
    masses = draw(arrays(np.float64, (count, 3), elements=st.floats(0.01, 1)))
    labels = draw(arrays(np.int64, count, elements=st.integers(0, 2)))
    return scores, masses / masses.sum(1, keepdims=True), labels


def bound(description, facts: Facts = MARGINS) -> BoundObjective:
    return description.bind(LOG_PRIORS, step_size=0.5, facts=facts)


def given_to(objective, *arrays):
    return objective(*map(torch.from_numpy, arrays)).item()


def margins_by_hand(row):
    return [row[y] - (sum(row) - row[y]) / (len(row) - 1) for y in range(len(row))]


def ada_margin_by_hand(scores, targets, margins=None):
    """Mean over the batch of sum_y p_y log(1 + sum_j exp(rho_y - (f_y - f_j)))."""
    losses = []
    for f, p in zip(scores.tolist(), targets.tolist(), strict=True):
        rho = margins_by_hand(p) if margins is None else margins
        losses.append(
            sum(
                p[y] * math.log1p(sum(math.exp(rho[y] - (f[y] - f[j])) for j in range(len(f)) if j != y))
                for y in range(len(f))
            )
        )
    return sum(losses) / len(losses)


def ada_alpha_by_hand(scores, targets, labels, margins=None):
    """Mean cross-entropy on (1 - a) e_y + a p."""
    losses = []
    for f, p, y in zip(log_softmax(scores, axis=1), targets, labels, strict=True):
        rho = margins_by_hand(p) if margins is None else margins
        a = min(max(rho[y], 0.0), 1.0)
        losses.append(-((1 - a) * f[y] + a * (p * f).sum()))
    return sum(losses) / len(losses)


@given(batches())
def test_ada_margin_is_its_formula(batch):
    scores, targets, labels = batch
    loss = given_to(bound(AdaMargin()), scores, targets, labels)
    assert loss == pytest.approx(ada_margin_by_hand(scores, targets), rel=1e-9)
    loss = given_to(bound(AdaMargin("class")), scores, targets)
    assert loss == pytest.approx(ada_margin_by_hand(scores, targets, [0.9, -0.4, 0.25]), rel=1e-6)


@given(batches())
def test_ada_alpha_is_its_formula(batch):
    scores, targets, labels = batch
    assert given_to(bound(AdaAlpha()), *batch) == pytest.approx(ada_alpha_by_hand(*batch), rel=1e-9)
    expected = ada_alpha_by_hand(scores, targets, labels, [0.9, -0.4, 0.25])
    assert given_to(bound(AdaAlpha("class")), *batch) == pytest.approx(expected, rel=1e-6)


def test_ada_alpha_trusts_a_teacher_that_is_sure_of_the_truth_and_ignores_one_that_is_not():
    """Margin 1 is its cross-entropy; margin 0 or below that of the label, bit for bit."""
    scores, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    truth, plain = torch.eye(3)[labels], torch.zeros(3)
    objective = bound(AdaAlpha())
    assert torch.equal(objective(scores, truth, labels), margin_loss(scores, truth, log_costs=plain).mean())
    against = (torch.randn(6, 3) - 40 * truth).softmax(dim=1)
    onehot = margin_loss(scores, truth, log_costs=plain).mean()
    for unsure in (against, torch.full((6, 3), 1 / 3)):
        assert torch.equal(objective(scores, unsure, labels), onehot)
    soft = torch.randn(6, 3).softmax(dim=1)
    sure, shy = (Facts(margins=lambda value=value: torch.full((3,), value)) for value in (1.5, -1.5))
    heard = margin_loss(scores, soft, log_costs=plain).mean()
    assert torch.equal(bound(AdaAlpha("class"), sure)(scores, soft, labels), heard)
    assert torch.equal(bound(AdaAlpha("class"), shy)(scores, soft, labels), onehot)


def test_ada_margin_at_margin_zero_is_distillation():
    scores, targets = torch.randn(6, 3), torch.randn(6, 3).softmax(dim=1)
    zero = Facts(margins=lambda: torch.zeros(3))
    expected = margin_loss(scores, targets, log_costs=torch.zeros(3)).mean()
    assert torch.equal(bound(AdaMargin("class"), zero)(scores, targets), expected)
    even = torch.full((6, 3), 1 / 3)
    expected = margin_loss(scores, even, log_costs=torch.zeros(3)).mean()
    torch.testing.assert_close(bound(AdaMargin())(scores, even), expected)


@BOTH
@pytest.mark.parametrize("per", ["example", "class"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scores_of_ten_thousand_leave_loss_and_gradient_finite(kind, per, dtype):
    scores = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4], [1e4, 1e4, 1e4]], dtype=dtype, requires_grad=True)
    targets = torch.tensor([[0.0, 1.0, 0.0], [0.7, 0.2, 0.1], [1.0, 0.0, 0.0]], dtype=dtype)
    labels = torch.tensor([1, 0, 0])
    for rows in (targets, targets.roll(1, dims=1)):
        loss = bound(kind(per))(scores, rows, labels)
        (gradient,) = torch.autograd.grad(loss, scores)
        assert loss.isfinite()
        assert loss > 1
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0


def test_at_scores_of_ten_thousand_ada_margin_is_linear_in_the_gap():
    scores = torch.tensor([[1e4, -1e4, 0.0]], dtype=torch.float64)
    sure = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64)
    assert bound(AdaMargin())(scores, sure).item() == pytest.approx(2e4 + 1, rel=1e-12)


@BOTH
@HALF
@pytest.mark.parametrize("per", ["example", "class"])
def test_half_precision_scores_are_widened(kind, dtype, per):
    scores, targets = torch.randn(5, 3).to(dtype), torch.randn(5, 3).softmax(dim=1)
    labels = torch.tensor([0, 1, 2, 0, 1])
    objective = bound(kind(per))
    loss = objective(scores, targets, labels)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, objective(scores.float(), targets, labels))
    both = objective(scores, targets.to(dtype), labels)
    assert both.dtype == torch.float32
    torch.testing.assert_close(both, loss, rtol=2e-2, atol=0)


@BOTH
def test_margins_of_classes_are_asked_for_only_where_they_are_needed(kind):
    def untold():
        raise AssertionError

    assert bound(kind(), Facts(margins=untold)) is not None
    for facts in (Facts(), Facts(margins=lambda: None)):
        with pytest.raises(ValueError, match=r"^margins of classes need a teacher; there is none$"):
            kind("class").bind(LOG_PRIORS, step_size=0.5, facts=facts)


def test_ada_alpha_needs_labels():
    with pytest.raises(ValueError, match=r"^this objective needs the true labels of the batch, got None$"):
        bound(AdaAlpha())(torch.zeros(2, 3), torch.full((2, 3), 1 / 3))
    assert bound(AdaAlpha()).reads_labels is True
    assert bound(AdaMargin()).reads_labels is False


@BOTH
def test_an_unknown_per_is_refused(kind):
    with pytest.raises(ValueError, match=r"^per must be 'example' or 'class', got 'batch'$"):
        kind("batch")


@BOTH
def test_no_multiplier_moves(kind):
    description: Description = kind()
    objective = bound(description)
    objective.ascend(torch.tensor([0.1, 0.5, 0.9]))
    torch.testing.assert_close(objective.weights, torch.full((3,), 1 / 3))
    assert (description.is_adversarial, objective.is_adversarial, objective.needs_whole_batch) == (False,) * 3
    assert objective.shape == (3,)


@BOTH
def test_a_checkpoint_holds_the_margins_of_classes(kind):
    scores, targets, labels = torch.randn(4, 3), torch.randn(4, 3).softmax(dim=1), torch.tensor([0, 1, 2, 0])
    first = bound(kind("class"))
    resumed = bound(kind("class"), Facts(margins=lambda: torch.zeros(3)))
    assert not torch.equal(resumed(scores, targets, labels), first(scores, targets, labels))
    resumed.load_state_dict(first.state_dict())
    assert torch.equal(resumed(scores, targets, labels), first(scores, targets, labels))
    assert bound(kind()).state_dict() == {}
