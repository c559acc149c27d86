"""The multipliers as a game's second player: closed forms, a known saddle point, and resuming."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evendistill.objectives.multipliers import Multipliers


def test_the_start_is_uniform():
    multipliers = Multipliers(4, step_size=0.1)
    torch.testing.assert_close(multipliers.weights, torch.full((4,), 0.25))
    assert multipliers.step_size == 0.1


@given(
    errors=st.lists(st.floats(0, 1), min_size=2, max_size=10),
    step_size=st.floats(0.01, 1),
    scale=st.floats(0.1, 2),
    steps=st.integers(1, 20),
)
def test_constant_errors_give_the_closed_form(errors, step_size, scale, steps):
    """k steps along constant errors r leave lambda = softmax(k * scale * step * r)."""
    gains = torch.tensor(errors, dtype=torch.float64)
    multipliers = Multipliers(len(errors), step_size).double()
    for _ in range(steps):
        multipliers.ascend(gains, scale)
    expected = torch.softmax(steps * scale * step_size * gains, dim=0)
    torch.testing.assert_close(multipliers.weights, expected, rtol=0, atol=1e-9)


def test_the_scale_is_one_unless_told_otherwise():
    plain, told = Multipliers(3, step_size=0.7), Multipliers(3, step_size=0.7)
    plain.ascend(torch.tensor([0.9, 0.1, 0.4]))
    told.ascend(torch.tensor([0.9, 0.1, 0.4]), scale=1.0)
    assert torch.equal(plain.weights, told.weights)
    torch.testing.assert_close(plain.weights, torch.softmax(torch.tensor([0.63, 0.07, 0.28]), dim=0))


def test_the_game_finds_its_saddle_point():
    """min over s of max over {s^2, (s-1)^2 + 0.5}: s* = 0.75, lambda* = (0.25, 0.75)."""
    s = torch.zeros((), dtype=torch.float64, requires_grad=True)
    adversary = Multipliers(2, step_size=0.05).double()
    for _ in range(4000):
        errors = torch.stack([s**2, (s - 1) ** 2 + 0.5])
        adversary.ascend(errors.detach())
        (gradient,) = torch.autograd.grad(adversary.weights @ errors, s)
        with torch.no_grad():
            s -= 0.05 * gradient
    assert s.item() == pytest.approx(0.75, abs=1e-6)
    torch.testing.assert_close(adversary.weights, torch.tensor([0.25, 0.75]).double(), rtol=0, atol=1e-6)


def test_an_absent_class_keeps_its_multiplier():
    multipliers = Multipliers(3, step_size=1.0)
    multipliers.ascend(torch.tensor([1.0, 0.0, 0.5]))
    before = multipliers.weights
    multipliers.ascend(torch.tensor([0.0, math.nan, 1.0]))
    assert multipliers.weights[1] == before[1]
    assert multipliers.weights.sum().item() == pytest.approx(1, abs=1e-6)
    assert multipliers.weights[2] > before[2]


def test_a_class_at_e_to_the_minus_200_comes_back():
    multipliers = Multipliers(2, step_size=1.0)
    for _ in range(200):
        multipliers.ascend(torch.tensor([1.0, 0.0]))
    assert multipliers.weights[1] == 0
    assert multipliers.log_weights[1].item() == pytest.approx(-200, abs=0.01)
    for _ in range(400):
        multipliers.ascend(torch.tensor([0.0, 1.0]))
    assert multipliers.weights[1] == 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_errors_of_another_dtype_are_those_of_float32_bit_for_bit(dtype):
    errors = torch.rand(20, 5, dtype=torch.float64).to(dtype)
    given, narrowed = Multipliers(5, step_size=0.3), Multipliers(5, step_size=0.3)
    for update in errors:
        given.ascend(update)
        narrowed.ascend(update.float())
    assert given.log_weights.dtype == torch.float32
    assert torch.equal(given.log_weights, narrowed.log_weights)
    torch.testing.assert_close(given.weights, (0.3 * errors.float().sum(dim=0)).softmax(dim=0))


def test_no_gradient_flows_into_the_multipliers():
    errors = torch.tensor([1.0, 0.0], requires_grad=True)
    multipliers = Multipliers(2, step_size=1.0)
    multipliers.ascend(errors)
    assert not multipliers.weights.requires_grad
    assert list(multipliers.parameters()) == []


def test_resuming_is_going_straight_through():
    all_errors = torch.rand(20, 5)
    straight, stopped = Multipliers(5, step_size=0.3), Multipliers(5, step_size=0.3)
    for errors in all_errors:
        straight.ascend(errors)
    for errors in all_errors[:10]:
        stopped.ascend(errors)
    resumed = Multipliers(5, step_size=0.3)
    resumed.load_state_dict(stopped.state_dict())
    for errors in all_errors[10:]:
        resumed.ascend(errors)
    assert list(stopped.state_dict()) == ["log_weights"]
    assert torch.equal(resumed.log_weights, straight.log_weights)


@pytest.mark.parametrize("num_classes", [1, 0, -3])
def test_fewer_than_two_classes_are_refused(num_classes):
    with pytest.raises(ValueError, match=f"^num_classes must be at least 2, got {num_classes}$"):
        Multipliers(num_classes, step_size=0.1)


@pytest.mark.parametrize("step_size", [0.0, -0.1, math.inf, math.nan])
def test_a_step_that_is_not_positive_and_finite_is_refused(step_size):
    with pytest.raises(ValueError, match=f"^step_size must be positive and finite, got {step_size}$"):
        Multipliers(2, step_size=step_size)
