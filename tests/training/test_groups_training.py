"""Training with groups: where the groups are the classes nothing changes, to the last bit."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

from evendistill.data.examples import ArrayDataset
from evendistill.distillation.problem import Distillation, Problem, Task, student_problem, true_problem
from evendistill.distillation.teacher import TeacherScores
from evendistill.models.mlp import mlp
from evendistill.models.ranks import Ranks
from evendistill.objectives.groupdro import GroupDRO
from evendistill.objectives.tradeoff import TradeOff
from evendistill.training.evaluation import group_metrics
from evendistill.training.evidence import findings
from evendistill.training.heldout import HeldOut
from evendistill.training.loop import fit
from evendistill.training.recipe import Recipe
from evendistill.training.step import make_step
from evendistill.training.turns import drained

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
LABELS, HELD_LABELS = torch.from_numpy(RNG.permutation(np.repeat([0, 1, 2], [60, 25, 11]))), torch.arange(45) % 3
INPUTS = torch.from_numpy(RNG.normal(size=(96, 5))).float() + LABELS.unsqueeze(1)
HELD = torch.from_numpy(RNG.normal(size=(45, 5))).float() + HELD_LABELS.unsqueeze(1)
TEACHER = TeacherScores(*(torch.from_numpy(RNG.normal(size=(count, 3))).float() for count in (96, 45)))
MARGIN, WEIGHTED = TradeOff(0.5), TradeOff(0.5, form="weighted")
KINDS = pytest.mark.parametrize("are_soft", [False, True])


def task(grouping, attribute) -> Task:
    """Groups by one attribute that all share, or by one that is the label."""
    train, held = [torch.zeros_like(values) if attribute == "one" else values for values in (LABELS, HELD_LABELS)]
    sets = ArrayDataset(INPUTS, LABELS, train), ArrayDataset(HELD, HELD_LABELS, held)
    return Task(*sets, ("a", "b", "c"), CPU, grouping=grouping)


def problem(objective, grouping="class", attribute="one", *, are_soft=False) -> Problem:
    data = task(grouping, attribute)
    if not are_soft:
        return true_problem(data, objective, step_size=0.7)
    return student_problem(data, TEACHER, objective, Distillation(temperature=2.0, onehot_weight=0.2), step_size=0.7)


def held_out(told: Problem, gain="zero_one", most=5000) -> HeldOut:
    validation, targets = told.task.validation, told.validation_targets
    assert validation is not None
    assert targets is not None
    attributes, shape = told.task.attributes(validation), told.objective.shape
    return HeldOut(validation, targets, attributes=attributes, shape=shape, most=most, gain=gain, device=CPU)


def trace(told: Problem, gain="zero_one", most=5000):
    """Losses, gradients, gains, multipliers and their costs of five steps of plain descent."""
    torch.manual_seed(5)
    network, seen = mlp(5, 3, [8]), []
    generator = torch.Generator().manual_seed(3)
    for step in range(5):
        if told.objective.is_adversarial:
            gains = held_out(told, gain, most).gains(network, generator)
            told.objective.ascend(gains)
            seen.append(gains)
        rows = torch.arange(16) + 16 * step
        loss = told.loss(network(INPUTS[rows]), rows, INPUTS[rows])
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                parameter -= 0.2 * gradient
        buffers = [value.flatten().clone() for value in told.objective.state_dict().values()]
        seen += [loss.detach(), *gradients, told.objective.weights, *buffers]
    return seen


def assert_same_bits(first, second):
    assert len(first) == len(second) > 20
    for one, other in zip(first, second, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


@KINDS
@pytest.mark.parametrize("gain", ["zero_one", "cross_entropy"])
@pytest.mark.parametrize("most", [5000, 20])
@pytest.mark.parametrize("objective", [MARGIN, TradeOff(1.0), TradeOff(0.3, base="standard"), WEIGHTED])
def test_cells_of_one_attribute_are_classes_bit_for_bit(objective, gain, most, are_soft):
    plain, grouped = (problem(objective, name, are_soft=are_soft) for name in ("class", "class x attribute"))
    assert (plain.objective.shape, grouped.objective.shape) == ((3,), (1, 3))
    seen = trace(plain, gain, most)
    assert_same_bits(seen, trace(grouped, gain, most))
    assert not torch.equal(seen[-3], torch.full((3,), 1 / 3))  # the multipliers have moved


@KINDS
@pytest.mark.parametrize("gain", ["zero_one", "cross_entropy"])
@pytest.mark.parametrize("objective", [GroupDRO(step_size=0.5, adjustment=1.0), GroupDRO("validation")])
def test_group_dro_over_an_attribute_that_is_the_label_is_that_over_classes_bit_for_bit(objective, gain, are_soft):
    """Labels judge, as a soft target does not say which attribute an example has."""
    listening = Distillation(temperature=2.0, validation_labels="true")
    pair = [task(name, "label") for name in ("class", "attribute")]
    told = [
        student_problem(data, TEACHER, objective, listening, step_size=0.7)
        if are_soft
        else true_problem(data, objective, step_size=0.7)
        for data in pair
    ]
    assert_same_bits(*(trace(each, gain) for each in told))
    assert not torch.equal(told[0].objective.weights, torch.full((3,), 1 / 3))


@pytest.mark.parametrize("gain", ["zero_one", "cross_entropy"])
@pytest.mark.parametrize("objective", [WEIGHTED, TradeOff(1.0, form="weighted"), TradeOff(0.0, form="weighted")])
def test_weighted_attributes_that_are_the_label_are_weighted_classes_bit_for_bit(objective, gain):
    plain, grouped = (problem(objective, name, "label") for name in ("class", "attribute"))
    assert (plain.objective.shape, grouped.objective.shape) == ((3,), (3, 1))
    assert_same_bits(trace(plain, gain), trace(grouped, gain))


@pytest.mark.parametrize(
    ("objective", "grouping", "attribute", "are_soft"),
    [
        (MARGIN, "class x attribute", "one", False),
        (MARGIN, "class x attribute", "one", True),
        (GroupDRO(step_size=0.5), "class x attribute", "one", True),
        (GroupDRO(step_size=0.5), "attribute", "label", False),
        (WEIGHTED, "attribute", "label", False),
    ],
)
def test_a_whole_training_is_the_same_to_the_last_bit(objective, grouping, attribute, are_soft):
    recipe = Recipe(epochs=3, batch_size=16, update_every=2, update_examples=30, iterate="best", learning_rate=0.05)
    results = []
    for name in ("class", grouping):
        torch.manual_seed(7)
        told = problem(objective, name, attribute, are_soft=are_soft)
        results.append(drained(fit(mlp(5, 3, [8]), told, recipe, seed=1, device=CPU)))
    first, second = results
    weights = [result.model.state_dict() for result in results]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert torch.equal(first.multipliers, second.multipliers)
    assert not torch.equal(first.multipliers, torch.full((3,), 1 / 3))
    assert first.history == second.history


@pytest.mark.parametrize("most", [5000, 20])
@pytest.mark.parametrize("shape", [(2, 1), (2, 3)])
def test_gains_are_the_error_rates_of_the_groups_of_what_is_looked_at(most, shape):
    attributes = (torch.arange(45) >= 30).long()
    examples = ArrayDataset(HELD, HELD_LABELS, attributes)
    told = {"attributes": attributes, "shape": shape, "most": most, "gain": "zero_one", "device": CPU}
    network = nn.Linear(5, 3)
    gains = HeldOut(examples, HELD_LABELS, **told).gains(network, torch.Generator().manual_seed(3))
    rows = torch.randperm(45, generator=torch.Generator().manual_seed(3))[:most].sort().values
    rows = rows if most < 45 else torch.arange(45)
    missed = network(HELD).argmax(dim=1) != HELD_LABELS
    groups: list[list[bool]] = [[] for _ in range(shape[0] * shape[1])]
    for row in rows.tolist():
        groups[int(attributes[row]) * shape[1] + int(HELD_LABELS[row]) % shape[1]].append(bool(missed[row]))
    expected = [sum(group) / len(group) if group else np.nan for group in groups]
    np.testing.assert_allclose(gains.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("objective", [WEIGHTED, GroupDRO("validation")])
def test_a_teacher_in_float64_may_judge_attributes(objective):
    scores = TeacherScores(TEACHER.train.double(), cast(torch.Tensor, TEACHER.validation).double())
    told = student_problem(task("attribute", "label"), scores, objective, Distillation(), step_size=0.7)
    recipe = Recipe(epochs=1, batch_size=16, update_every=2)
    result = drained(fit(mlp(5, 3, [8]), told, recipe, seed=1, device=CPU))
    assert result.multipliers.isfinite().all()


def test_metrics_and_findings_are_of_groups_where_those_are_asked_for():
    data = Task(
        ArrayDataset(HELD, HELD_LABELS, torch.arange(45) // 30), None, ("a", "b", "c"), CPU, grouping="attribute"
    )
    scores = torch.eye(3)[torch.where(torch.arange(45) < 40, HELD_LABELS, 0)]
    metrics = group_metrics(scores, data.train, data)
    assert (metrics.correct.tolist(), metrics.total.tolist()) == ([30, 11], [30, 15])
    found = findings(scores, data.train, data)
    assert (found["correct"], found["total"]) == ([15, 13, 13], [15, 15, 15])
    assert (found["groups"]["correct"], found["groups"]["names"]) == ([30, 11], ["0", "1"])
    assert found["groups"]["worst_class"] == 1
    assert "groups" not in findings(scores, data.train, task("class", "one"))


@pytest.mark.parametrize("objective", [GroupDRO(), GroupDRO("validation")])
def test_group_dro_is_for_one_process(objective):
    told, recipe = problem(objective), Recipe(epochs=1)
    alone, many = (cast(Any, SimpleNamespace(ranks=Ranks(0, size), recipe=recipe, device=CPU)) for size in (1, 2))
    with pytest.raises(ValueError, match=r"^this objective weighs whole batches; train it in one process, got 2$"):
        make_step(many, told)
    assert make_step(alone, told) is not None
    assert make_step(many, problem(MARGIN)) is not None
