"""Balanced knowledge distillation against numpy, and where counts or targets are extreme."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax, rel_entr
from torch import Tensor

from evendistill.objectives.balancedkd import BalancedKD
from evendistill.objectives.objective import BoundObjective, Description, Facts

LOG_PRIORS = torch.tensor([0.6, 0.3, 0.1]).log()
COUNTS = torch.tensor([5000, 500, 50])


def bound(counts: Tensor | None = COUNTS, temperature=2.0, **told):
    return BalancedKD(**told).bind(LOG_PRIORS, step_size=0.5, facts=Facts(class_counts=counts, temperature=temperature))


def weights_by_hand(counts, beta):
    """The inverse effective number of examples of each class, scaled to mean one; summed as a series."""
    inverse = np.array([1 / np.sum(beta ** np.arange(count)) for count in counts])
    return inverse / inverse.mean()


def loss_by_hand(batch, class_weights, weight, temperature):
    scores, targets, labels = batch
    truth = -log_softmax(scores, axis=1)[np.arange(len(labels)), labels]
    rows = class_weights * targets
    rows = rows / rows.sum(axis=1, keepdims=True)
    divergence = rel_entr(rows, np.exp(log_softmax(scores / temperature, axis=1))).sum(axis=1)
    return (truth + weight * temperature**2 * divergence).mean()


@st.composite
def batches(draw):
    """Float64 scores (B, 3), a teacher's rows (B, 3) with zeros in them, and labels (B,)."""
    count = draw(st.integers(1, 5))
    scores = draw(arrays(np.float64, (count, 3), elements=st.floats(-10, 10)))
    masses = draw(arrays(np.float64, (count, 3), elements=st.sampled_from([0.0, 0.1, 0.5, 1.0])))
    masses[:, 0] += 0.2
    labels = draw(arrays(np.int64, count, elements=st.integers(0, 2)))
    return scores, masses / masses.sum(1, keepdims=True), labels


@given(batches(), st.sampled_from([0.0, 0.5, 2.0]), st.sampled_from([1.0, 2.0, 4.0]))
def test_with_equal_counts_it_is_classical_distillation(batch, weight, temperature):
    """CE(y) + a T^2 KL(p || softmax(f / T)), the teacher's rows as they are."""
    objective = bound(torch.full((3,), 70), temperature, weight=weight)
    expected = loss_by_hand(batch, np.ones(3), weight, temperature)
    assert objective(*map(torch.from_numpy, batch)).item() == pytest.approx(expected, rel=1e-6, abs=1e-7)


@given(batches(), st.sampled_from([0.5, 2.0]), st.sampled_from([0.9, 0.9999]))
def test_with_unequal_counts_it_is_the_formula(batch, weight, beta):
    objective = bound(weight=weight, beta=beta)
    expected = loss_by_hand(batch, weights_by_hand(COUNTS.tolist(), beta), weight, 2.0)
    assert objective(*map(torch.from_numpy, batch)).item() == pytest.approx(expected, rel=1e-6, abs=1e-7)


@given(st.lists(st.integers(1, 3000), min_size=3, max_size=3), st.sampled_from([0.1, 0.9, 0.999, 0.9999]))
def test_class_weights_are_the_inverse_effective_numbers_with_mean_one(counts, beta):
    weights = bound(torch.tensor(counts), beta=beta).class_weights
    np.testing.assert_allclose(weights.numpy(), weights_by_hand(counts, beta), rtol=1e-5)
    assert weights.mean().item() == pytest.approx(1, rel=1e-6)


def test_beta_zero_knows_no_rarity():
    assert bound(beta=0).class_weights.tolist() == [1.0, 1.0, 1.0]
    assert bound(beta=0.0).class_weights.tolist() == [1.0, 1.0, 1.0]


def test_huge_counts_leave_weights_loss_and_gradient_finite():
    objective = bound(torch.tensor([10**7, 10**7, 1]))
    np.testing.assert_allclose(objective.class_weights.numpy(), np.array([1e-4, 1e-4, 1]) * 3 / 1.0002, rtol=1e-5)
    scores = torch.randn(4, 3, requires_grad=True)
    loss = objective(scores, torch.randn(4, 3).softmax(dim=1), torch.tensor([0, 1, 2, 0]))
    (gradient,) = torch.autograd.grad(loss, scores)
    assert loss.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("size", [1.0, 1e4])
def test_targets_of_probability_zero_have_finite_losses_and_gradients(size):
    """A teacher that rules classes out, of a student that may be as sure of them."""
    scores = (size * torch.tensor([[1.0, -1.0, 0.0], [0.0, 1.0, 1.0]])).requires_grad_()
    targets = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.5, 0.5]])
    loss = bound()(scores, targets, torch.tensor([0, 2]))
    (gradient,) = torch.autograd.grad(loss, scores)
    weights = weights_by_hand(COUNTS.tolist(), 0.9999)
    if size == 1:
        batch = scores.detach().double().numpy(), targets.double().numpy(), [0, 2]
        expected = loss_by_hand(batch, weights, 1.0, 2.0)
        assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert loss.isfinite()
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


def test_where_the_student_agrees_with_the_weighed_teacher_only_the_truth_is_left():
    """The divergence vanishes there, and so does its gradient."""
    targets = torch.randn(4, 3, dtype=torch.float64).softmax(dim=1)
    objective = bound(weight=7.0)
    rows = objective.class_weights.double() * targets
    scores = (2.0 * rows.log()).requires_grad_()
    labels = torch.tensor([0, 1, 2, 0])
    loss = objective(scores, targets, labels)
    truth = torch.nn.functional.cross_entropy(scores, labels)
    assert loss.item() == pytest.approx(truth.item(), rel=1e-9)
    gradients = [torch.autograd.grad(value, scores)[0] for value in (loss, truth)]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened_before_the_temperature_divides(dtype):
    scores, targets = torch.randn(5, 3).to(dtype), torch.randn(5, 3).softmax(dim=1)
    labels = torch.tensor([0, 1, 2, 0, 1])
    objective = bound(temperature=3.0)
    loss = objective(scores, targets, labels)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, objective(scores.float(), targets, labels))
    both = objective(scores, targets.to(dtype), labels)
    assert both.dtype == torch.float32
    torch.testing.assert_close(both, objective(scores, targets.to(dtype).float(), labels))


def test_the_defaults_are_those_of_the_paper():
    assert BalancedKD() == BalancedKD(weight=1.0, beta=0.9999)
    objective: BoundObjective = bound()
    scores, targets = torch.randn(2, 3), torch.randn(2, 3).softmax(dim=1)
    labels = torch.tensor([0, 1])
    assert torch.equal(objective(scores, targets, labels), bound(weight=1, beta=0.9999)(scores, targets, labels))


def test_nothing_moves_and_a_checkpoint_holds_the_weights():
    description: Description = BalancedKD()
    objective = bound()
    objective.ascend(torch.tensor([0.1, 0.5, 0.9]))
    torch.testing.assert_close(objective.weights, torch.full((3,), 1 / 3))
    assert (description.is_adversarial, objective.is_adversarial, objective.needs_whole_batch) == (False,) * 3
    resumed = bound(torch.ones(3))
    resumed.load_state_dict(objective.state_dict())
    assert torch.equal(resumed.class_weights, objective.class_weights)
    assert resumed.class_weights[2] > 5 * resumed.class_weights[0]


def test_it_needs_labels_and_the_counts_of_classes():
    assert bound().reads_labels is True
    with pytest.raises(ValueError, match=r"^this objective needs the true labels of the batch, got None$"):
        bound()(torch.zeros(2, 3), torch.full((2, 3), 1 / 3))
    for counts in (None,):
        with pytest.raises(ValueError, match=r"^balanced KD needs the number of training examples of each class$"):
            bound(counts)


@pytest.mark.parametrize(
    "told", [{"weight": -1.0}, {"weight": float("inf")}, {"beta": 1.0}, {"beta": -0.1}, {"beta": float("nan")}]
)
def test_arguments_out_of_range_are_refused(told):
    with pytest.raises(ValueError, match=r"^weight must be non-negative and beta in \[0, 1\), got "):
        BalancedKD(**told)


@pytest.mark.parametrize("shape", [(2, 1), (2, 3)])
def test_where_groups_are_not_classes_there_is_a_weight_for_each(shape):
    facts = Facts(class_counts=COUNTS, temperature=2.0)
    found = BalancedKD().bind(torch.zeros(shape), step_size=0.5, facts=facts)
    assert found.shape == shape
    assert found.weights.tolist() == pytest.approx([1 / math.prod(shape)] * math.prod(shape))
