"""Group DRO by hand: whose losses move the multipliers, when, and what the loss is after that."""

import math

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from evendistill.objectives.groupdro import GroupDRO, GroupDROObjective
from evendistill.objectives.objective import BoundObjective, Description, Facts

LOG_PRIORS = torch.tensor([0.5, 0.3, 0.2]).log()
COUNTS = torch.tensor([100, 25, 4])
SCORES = np.random.default_rng(0).normal(size=(2, 4, 3))
TARGETS = np.random.default_rng(1).dirichlet(np.ones(3), size=(2, 4))
LABELS = np.array([[0, 1, 1, 0], [2, 0, 2, 2]])  # class 2 is absent from the first batch, class 1 from the second
TRAIN, HELD_OUT = GroupDRO(step_size=0.7), GroupDRO("validation")


def in_float64(description, shape=(3,)) -> GroupDROObjective:
    """Bound, with all that moves in float64, so that numpy is an oracle to the last places."""
    objective = description.bind(torch.zeros(shape), step_size=0.5, facts=Facts(counts=COUNTS)).double()
    size = math.prod(shape)
    objective.multipliers.log_weights.fill_(-math.log(size))
    if description.adjustment:
        objective.boost.copy_(description.adjustment / COUNTS.double().sqrt())
    return objective


def batch(step):
    return tuple(torch.from_numpy(values[step]) for values in (SCORES, TARGETS, LABELS))


def means_by_hand(losses, groups, count):
    """The mean loss of each group, 0 for the absent."""
    told = [[loss for loss, group in zip(losses, groups, strict=True) if group == g] for g in range(count)]
    return np.array([sum(part) / len(part) if part else 0.0 for part in told])


def losses_by_hand(step):
    return -(TARGETS[step] * log_softmax(SCORES[step], axis=1)).sum(1)


@pytest.mark.parametrize("adjustment", [0.0, 3.0])
def test_two_steps_by_hand_with_absent_groups(adjustment):
    """q moves before the loss is weighed; the adjustment is in the exponent and not in the loss."""
    objective = in_float64(GroupDRO(step_size=0.7, adjustment=adjustment))
    weights = np.full(3, 1 / 3)
    for step, absent in ((0, 2), (1, 1)):
        means = means_by_hand(losses_by_hand(step), LABELS[step], 3)
        assert means[absent] == 0
        before = weights
        weights = weights * np.exp(0.7 * (means + adjustment / np.sqrt(COUNTS.numpy())))
        weights = weights / weights.sum()
        loss = objective(*batch(step))
        assert loss.item() == pytest.approx(weights @ means, rel=1e-12)
        assert loss.item() != pytest.approx(before @ means, rel=1e-3)
        np.testing.assert_allclose(objective.weights.numpy(), weights, rtol=1e-12)
        assert adjustment or weights[absent] < before[absent]


def test_the_gradient_is_that_of_the_means_under_weights_that_stand_still():
    scores, targets, labels = batch(1)
    objective = in_float64(TRAIN)
    scores.requires_grad_()
    (gradient,) = torch.autograd.grad(objective(scores, targets, labels), scores)
    sizes = np.bincount(LABELS[1], minlength=3)
    shares = objective.weights.numpy()[LABELS[1]] / sizes[LABELS[1]]
    expected = shares[:, None] * (np.exp(log_softmax(SCORES[1], axis=1)) - TARGETS[1])
    np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-12, atol=1e-15)
    assert not objective.multipliers.log_weights.requires_grad


def test_labels_as_targets_are_one_hot_rows():
    scores, _, labels = batch(0)
    hard, soft = in_float64(TRAIN), in_float64(TRAIN)
    one_hot = torch.eye(3, dtype=torch.float64)[labels]
    torch.testing.assert_close(hard(scores, labels, labels), soft(scores, one_hot, labels), rtol=1e-14, atol=0)


@pytest.mark.parametrize(("shape", "groups"), [((2, 1), [0, 1, 1, 1]), ((2, 3), [0, 4, 4, 3])])
def test_groups_are_attributes_or_cells_of_the_table(shape, groups):
    scores, targets, labels = batch(0)
    objective = in_float64(TRAIN, shape)
    means = means_by_hand(losses_by_hand(0), groups, math.prod(shape))
    weights = np.exp(0.7 * means) / np.exp(0.7 * means).sum()
    loss = objective(scores, targets, labels, torch.tensor([0, 1, 1, 1]))
    assert loss.item() == pytest.approx(weights @ means, rel=1e-12)
    np.testing.assert_allclose(objective.weights.numpy(), weights, rtol=1e-12)
    assert objective.shape == shape


def test_held_out_errors_alone_move_the_validation_variant():
    """By the step of the recipe, and its adjustment and own step have no say."""
    scores, targets, labels = batch(1)
    objective = in_float64(GroupDRO("validation", step_size=9.0))
    means = means_by_hand(losses_by_hand(1), LABELS[1], 3)
    for _ in range(2):
        assert objective(scores, targets, labels).item() == pytest.approx(means.sum() / 3, rel=1e-12)
    errors = np.array([0.1, 0.8, 0.3])
    objective.ascend(torch.from_numpy(errors))
    weights = np.exp(0.5 * errors) / np.exp(0.5 * errors).sum()
    np.testing.assert_allclose(objective.weights.numpy(), weights, rtol=1e-12)
    assert objective(scores, targets, labels).item() == pytest.approx(weights @ means, rel=1e-12)


def test_held_out_errors_do_not_move_the_training_variant():
    objective = in_float64(TRAIN)
    objective.ascend(torch.tensor([0.1, 0.8, 0.3]))
    np.testing.assert_allclose(objective.weights.numpy(), 1 / 3, rtol=1e-12)
    assert (TRAIN.is_adversarial, objective.is_adversarial) == (False, False)
    assert (HELD_OUT.is_adversarial, HELD_OUT.bind(LOG_PRIORS, step_size=0.5).is_adversarial) == (True, True)


def test_a_group_absent_from_validation_keeps_its_weight():
    objective = HELD_OUT.bind(LOG_PRIORS, step_size=0.5)
    objective.ascend(torch.tensor([0.1, math.nan, 0.3]))
    assert objective.weights[1].item() == pytest.approx(1 / 3)


def test_the_steps_are_the_authors_in_training_and_the_recipes_on_validation():
    assert GroupDRO() == GroupDRO("train", step_size=0.01, adjustment=0.0)
    assert GroupDRO().bind(LOG_PRIORS, step_size=0.5).multipliers.step_size == 0.01
    assert HELD_OUT.bind(LOG_PRIORS, step_size=0.5).multipliers.step_size == 0.5


def test_priors_have_no_say():
    scores, targets, labels = (torch.from_numpy(values[0]) for values in (SCORES, TARGETS, LABELS))
    one, other = (TRAIN.bind(priors, step_size=0.5) for priors in (LOG_PRIORS, torch.zeros(3)))
    assert torch.equal(one(scores, targets, labels), other(scores, targets, labels))


def test_a_checkpoint_restores_multipliers_and_boost_exactly():
    description: Description = GroupDRO(step_size=0.7, adjustment=2.0)
    straight: BoundObjective = description.bind(LOG_PRIORS, step_size=0.5, facts=Facts(counts=COUNTS))
    straight(*batch(0))
    saved = {name: value.clone() for name, value in straight.state_dict().items()}
    assert set(saved) == {"boost", "multipliers.log_weights"}
    resumed = description.bind(LOG_PRIORS, step_size=0.5, facts=Facts(counts=torch.ones(3)))
    resumed.load_state_dict(saved)
    assert torch.equal(resumed(*batch(1)), straight(*batch(1)))
    assert torch.equal(resumed.weights, straight.weights)
    assert not torch.equal(resumed.weights, saved["multipliers.log_weights"].exp())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_scores_are_weighed_in_float32(dtype):
    _, targets, labels = batch(0)
    scores = torch.from_numpy(SCORES[0]).to(dtype)
    half, whole = TRAIN.bind(LOG_PRIORS, step_size=0.5), TRAIN.bind(LOG_PRIORS, step_size=0.5)
    loss = half(scores, targets.float(), labels)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, whole(scores.float(), targets.float(), labels))


def test_it_reads_labels_and_whole_batches():
    objective = TRAIN.bind(LOG_PRIORS, step_size=0.5)
    assert (objective.reads_labels, objective.needs_whole_batch) == (True, True)
    with pytest.raises(ValueError, match=r"^this objective needs the true labels of the batch, got None$"):
        objective(torch.zeros(2, 3), torch.zeros(2, 3))


def test_an_adjustment_without_counts_is_refused():
    with pytest.raises(ValueError, match=r"^the adjustment of group DRO needs the number of training examples"):
        GroupDRO(adjustment=1.0).bind(LOG_PRIORS, step_size=0.5)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"multipliers": "test"}, r"^multipliers must be moved by 'train' or 'validation', got 'test'$"),
        ({"step_size": 0.0}, r"^step_size must be positive and finite, got 0.0$"),
        ({"step_size": math.inf}, r"^step_size must be positive and finite, got inf$"),
        ({"step_size": math.nan}, r"^step_size must be positive and finite, got nan$"),
        ({"adjustment": -1.0}, r"^adjustment must be non-negative and finite, got -1.0$"),
        ({"adjustment": math.inf}, r"^adjustment must be non-negative and finite, got inf$"),
    ],
)
def test_arguments_out_of_range_are_refused_with_their_value(told, message):
    with pytest.raises(ValueError, match=message):
        GroupDRO(**told)


def test_the_adjustment_is_what_it_says_over_the_root_of_the_counts():
    found = GroupDRO(adjustment=3.0).bind(LOG_PRIORS, step_size=0.5, facts=Facts(counts=COUNTS)).boost
    torch.testing.assert_close(found, torch.tensor([0.3, 0.6, 1.5]))
