"""Priors of groups against plain loops, and data whose groups cannot be told or trained on."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from evendistill.data.examples import ArrayDataset
from evendistill.data.sampling import sampling_shares
from evendistill.distillation import labels as labelling
from evendistill.distillation.labels import LiveTeacherLabels, TeacherLabels, TrueLabels
from evendistill.distillation.problem import Distillation, Task, student_problem, true_problem
from evendistill.distillation.teacher import TeacherScores
from evendistill.objectives.balancedkd import BalancedKD
from evendistill.objectives.groupdro import GroupDRO
from evendistill.objectives.tradeoff import TradeOff

CPU = torch.device("cpu")
SCORES = 4 * torch.randn(24, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LABELS = torch.arange(24) % 3
ATTRIBUTES = (torch.arange(24) >= 15).long()  # fifteen of the first, nine of the second
RANDOM = torch.rand(24, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
SHARES = pytest.mark.parametrize("shares", [None, RANDOM / RANDOM.sum(), sampling_shares(LABELS, "balanced")])
GROUPINGS = pytest.mark.parametrize("shape", [(2, 1), (2, 3)])
CROSSED, ALONE = "class x attribute", "attribute"


def priors_by_hand(shape, shares, temperature=1.0, weight=1.0):
    """The mean of the targets over what is drawn, an example after the other, each in the row of its attribute."""
    priors = torch.zeros(shape, dtype=torch.float64)
    for row in range(24):
        exponentials = [math.exp(score / temperature) for score in SCORES[row].tolist()]
        for label in range(3):
            soft = exponentials[label] / sum(exponentials)
            target = (1 - weight) * soft + weight * (int(LABELS[row]) == label)
            priors[int(ATTRIBUTES[row]), label % shape[1]] += target * (
                1 / 24 if shares is None else float(shares[row])
            )
    return priors


def task(grouping: Any = CROSSED, attributes: Tensor | None = ATTRIBUTES, validation=None, **told) -> Task:
    train = ArrayDataset(torch.zeros(24, 2), LABELS, attributes)
    return Task(train, validation, ("a", "b", "c"), CPU, grouping=grouping, **told)


@SHARES
@GROUPINGS
def test_true_priors_are_those_of_the_loop(shape, shares):
    priors = TrueLabels(LABELS, 3, shares=shares).log_group_priors(ATTRIBUTES, shape).exp()
    torch.testing.assert_close(priors, priors_by_hand(shape, shares), rtol=1e-12, atol=0)


@SHARES
@GROUPINGS
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("part", [4, 1 << 17])
def test_priors_of_a_teacher_are_those_of_the_loop(shape, shares, weight, part, monkeypatch):
    """However many rows are looked at in one go."""
    monkeypatch.setattr(labelling, "PART", part)
    teacher = TeacherLabels(SCORES, LABELS, temperature=2.0, onehot_weight=weight, shares=shares)
    priors = teacher.log_group_priors(ATTRIBUTES, shape)
    torch.testing.assert_close(priors.exp(), priors_by_hand(shape, shares, 2.0, weight), rtol=1e-10, atol=0)
    live = LiveTeacherLabels(torch.nn.Identity(), teacher)
    assert torch.equal(live.log_group_priors(ATTRIBUTES, shape), priors)


@SHARES
def test_over_attributes_they_sum_to_the_priors_of_classes_and_over_all_to_one(shares):
    teacher = TeacherLabels(SCORES, LABELS, temperature=2.0, onehot_weight=0.3, shares=shares)
    for labeller in (TrueLabels(LABELS, 3, shares=shares), teacher):
        crossed = labeller.log_group_priors(ATTRIBUTES, (2, 3)).exp()
        torch.testing.assert_close(crossed.sum(dim=0), labeller.log_priors.exp(), rtol=1e-12, atol=0)
        alone = labeller.log_group_priors(ATTRIBUTES, (2, 1)).exp()
        torch.testing.assert_close(crossed.sum(dim=1), alone[:, 0], rtol=1e-12, atol=0)
        assert alone.sum().item() == pytest.approx(1, rel=1e-12)


def test_the_mean_of_the_targets_of_a_group_over_its_examples_is_its_prior():
    teacher = TeacherLabels(SCORES, LABELS, temperature=2.0, onehot_weight=0.3)
    targets = teacher.targets(torch.arange(24), torch.zeros(24, 2))
    parts = torch.stack([targets[attribute == ATTRIBUTES].sum(dim=0) / 24 for attribute in range(2)])
    torch.testing.assert_close(teacher.log_group_priors(ATTRIBUTES, (2, 3)).exp(), parts)


def test_a_problem_binds_the_priors_of_its_groups():
    for grouping, shape in ((CROSSED, (2, 3)), (ALONE, (2, 1))):
        objective = TradeOff(0.0, form="weighted")
        true = true_problem(task(grouping), objective, step_size=0.1)
        expected = priors_by_hand(shape, None).float()
        torch.testing.assert_close(true.objective.state_dict()["log_priors"].exp(), expected)
        told = TeacherScores(SCORES), objective, Distillation(temperature=2.0)
        heard = student_problem(task(grouping, sampler="balanced"), *told, step_size=0.1)
        expected = priors_by_hand(shape, sampling_shares(LABELS, "balanced"), 2.0, 0.0).float()
        torch.testing.assert_close(heard.objective.state_dict()["log_priors"].exp(), expected)


def test_a_problem_tells_the_counts_of_its_groups_and_the_temperature():
    boost = true_problem(task(), GroupDRO(adjustment=2.0), step_size=0.1).objective.state_dict()["boost"]
    counts = torch.stack([LABELS[row == ATTRIBUTES].bincount(minlength=3) for row in range(2)]).flatten()
    torch.testing.assert_close(boost, 2 / counts.sqrt())
    listening = Distillation(temperature=2.0)
    heard = student_problem(task("class"), TeacherScores(SCORES), BalancedKD(), listening, step_size=0.1)
    assert heard.objective.__dict__["temperature"] == 2.0


def test_the_names_and_counts_of_groups():
    told = task(attribute_names=("land", "water"))
    assert told.group_names == ("a, land", "b, land", "c, land", "a, water", "b, water", "c, water")
    assert told.group_counts.tolist() == [5, 5, 5, 3, 3, 3]
    assert (told.shape, told.kind) == ((2, 3), "group")
    alone = task(ALONE)
    assert (alone.group_names, alone.shape, alone.kind) == (("0", "1"), (2, 1), "group")
    assert alone.group_counts.tolist() == [15, 9]
    plain = task("class", attributes=None)
    assert (plain.group_names, plain.shape, plain.kind) == (("a", "b", "c"), (3,), "class")
    assert plain.group_counts.tolist() == [8, 8, 8]


def test_a_group_without_a_training_example_is_refused_by_its_name():
    attributes = ATTRIBUTES.clone()
    attributes[LABELS == 1] = 0
    names = ("land", "water")
    with pytest.raises(ValueError, match=r"^group 4 \('b, water'\) has no training example$"):
        task(attributes=attributes, attribute_names=names)
    with pytest.raises(ValueError, match=r"^group 1 \('water'\) has no training example$"):
        task(ALONE, torch.zeros(24, dtype=torch.long), attribute_names=names)
    assert task(ALONE, attributes, attribute_names=names).group_counts.tolist() == [18, 6]


def test_an_attribute_that_validation_alone_knows_is_refused():
    validation = ArrayDataset(torch.zeros(3, 2), torch.arange(3), torch.tensor([0, 1, 2]))
    with pytest.raises(ValueError, match=r"^group 2 has no training example$"):
        task(ALONE, validation=validation)


@pytest.mark.parametrize("grouping", [CROSSED, ALONE])
def test_data_without_a_group_column_are_refused(grouping):
    message = rf"^grouping '{grouping}' needs a group for each example; the data have no group column$"
    with pytest.raises(ValueError, match=message):
        task(grouping, attributes=None)
    with pytest.raises(ValueError, match=message):
        task(grouping, validation=ArrayDataset(torch.zeros(3, 2), torch.arange(3)))


def test_an_unknown_grouping_is_refused():
    with pytest.raises(ValueError, match=r"^grouping must be 'class', 'attribute' or 'class x attribute', got 'all'$"):
        task("all")


def test_a_group_absent_from_validation_is_warned_of_by_its_name():
    validation = ArrayDataset(torch.zeros(5, 2), torch.tensor([0, 1, 2, 0, 1]), torch.tensor([0, 0, 0, 1, 1]))
    told = task(validation=validation, attribute_names=("land", "water"))
    with pytest.warns(UserWarning, match=r"^absent from validation: group 5 \('c, water'\); its multiplier keeps"):
        true_problem(told, TradeOff(0.5), step_size=0.1)
