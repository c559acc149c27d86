"""Labellers: their targets, and priors that are the mean of these very targets."""

import math

import pytest
import torch
from torch import nn

import evendistill as ed
from evendistill.data.sampling import sampling_shares
from evendistill.distillation.labels import LiveTeacherLabels, TeacherLabels, TrueLabels

SCORES = 4 * torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LABELS = torch.arange(20) % 3
ROWS = torch.arange(20)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_priors_are_the_mean_of_the_targets_that_the_loss_sees(temperature, weight):
    labels = TeacherLabels(SCORES, LABELS, temperature=temperature, onehot_weight=weight)
    targets = labels.targets(ROWS, ROWS)
    by_hand = (1 - weight) * (SCORES / temperature).softmax(1) + weight * torch.eye(3, dtype=torch.float64)[LABELS]
    torch.testing.assert_close(targets, by_hand)
    torch.testing.assert_close(labels.log_priors.exp(), targets.mean(dim=0))


def test_a_class_that_the_teacher_all_but_rules_out_keeps_a_finite_prior():
    scores = torch.tensor([[0.0, 0.0, -1e4]]).repeat(5, 1)
    labels = TeacherLabels(scores, torch.zeros(5, dtype=torch.long), temperature=1.0)
    assert labels.log_priors.isfinite().all()
    bound = ed.Balanced().bind(labels.log_priors, step_size=0.1)
    assert bool(bound.forward(torch.zeros(5, 3), labels.targets(torch.arange(5), scores)).isfinite())


def test_true_labels_count():
    labels = TrueLabels(torch.tensor([0, 0, 2, 1]), 3)
    torch.testing.assert_close(labels.log_priors.exp(), torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64))
    assert labels.targets(torch.tensor([2]), torch.zeros(1, 4)).tolist() == [2]


def oracle(shares, temperature, weight):
    """Priors written out in float64, an example after the other."""
    priors = [0.0, 0.0, 0.0]
    for row, share in enumerate(shares.tolist()):
        exponentials = [math.exp(score / temperature) for score in SCORES[row].tolist()]
        for label in range(3):
            soft = exponentials[label] / sum(exponentials)
            priors[label] += share * ((1 - weight) * soft + weight * (LABELS[row].item() == label))
    return torch.tensor(priors, dtype=torch.float64)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_priors_weigh_each_target_by_how_often_its_example_is_drawn(temperature, weight):
    shares = torch.rand(20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    shares /= shares.sum()
    labels = TeacherLabels(SCORES, LABELS, temperature=temperature, onehot_weight=weight, shares=shares)
    torch.testing.assert_close(labels.log_priors.exp(), oracle(shares, temperature, weight), rtol=1e-12, atol=0)
    even = TeacherLabels(SCORES, LABELS, temperature=temperature, onehot_weight=weight)
    torch.testing.assert_close(
        even.log_priors.exp(), oracle(torch.full((20,), 1 / 20), temperature, weight), rtol=1e-6, atol=0
    )
    assert torch.equal(labels.targets(ROWS, ROWS), even.targets(ROWS, ROWS))


def test_true_labels_drawn_class_by_class_have_uniform_priors():
    given = torch.tensor([0, 0, 0, 0, 2, 1, 1])
    labels = TrueLabels(given, 3, shares=sampling_shares(given, "balanced"))
    torch.testing.assert_close(labels.log_priors.exp(), torch.full((3,), 1 / 3, dtype=torch.float64))
    shares = torch.tensor([0.1, 0.1, 0.1, 0.1, 0.5, 0.05, 0.05], dtype=torch.float64)
    priors = TrueLabels(given, 3, shares=shares).log_priors.exp()
    torch.testing.assert_close(priors, torch.tensor([0.4, 0.1, 0.5], dtype=torch.float64))


def test_a_live_teacher_on_clean_inputs_is_the_cached_one_and_stays_in_eval_mode():
    torch.manual_seed(0)
    teacher = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).eval()
    inputs = torch.randn(20, 4)
    with torch.no_grad():
        cached = TeacherLabels(teacher(inputs), LABELS, temperature=2.0, onehot_weight=0.2)
    live = LiveTeacherLabels(teacher, cached)
    before = teacher.state_dict()["1.running_mean"].clone()
    torch.testing.assert_close(live.targets(ROWS, inputs), cached.targets(ROWS, inputs))
    assert not torch.allclose(live.targets(ROWS, inputs + 1), cached.targets(ROWS, inputs))
    assert torch.equal(teacher.state_dict()["1.running_mean"], before)
    assert not live.targets(ROWS, inputs).requires_grad


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), float("nan")])
def test_a_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match="temperature must be positive and finite, got"):
        TeacherLabels(SCORES, LABELS, temperature=temperature)
