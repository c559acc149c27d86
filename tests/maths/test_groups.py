"""Groups of attributes and classes against plain loops, and classes as their one-row case."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evendistill.maths.groups import group_mass, group_numbers, group_risks, table_shape
from evendistill.maths.metrics import group_counts
from evendistill.maths.risks import class_mass, class_risks


@st.composite
def problems(draw):
    """Float64 losses and soft targets (B, C), labels and attributes (B,) that may miss some, and A."""
    examples, classes, kinds = draw(st.integers(1, 8)), draw(st.integers(2, 4)), draw(st.integers(2, 3))
    losses = draw(arrays(np.float64, (examples, classes), elements=st.floats(0, 10)))
    masses = draw(arrays(np.float64, (examples, classes), elements=st.floats(0.01, 1)))
    labels = draw(arrays(np.int64, examples, elements=st.integers(0, classes - 1)))
    attributes = draw(arrays(np.int64, examples, elements=st.integers(0, kinds - 1)))
    return losses, masses / masses.sum(1, keepdims=True), labels, attributes, kinds


def looped(losses, targets, attributes, shape):
    """Mass and risk of each group, an example after the other; NaN where nobody belongs to the group."""
    mass, lost = np.zeros(shape), np.zeros(shape)
    for b, attribute in enumerate(attributes):
        for j, share in enumerate(targets[b]):
            mass[attribute, j % shape[1]] += share
            lost[attribute, j % shape[1]] += share * losses[b, j]
    return mass, np.array([[lost[g] / mass[g] if mass[g] > 0 else math.nan for g in row] for row in indices(shape)])


def indices(shape):
    return [[(a, j) for j in range(shape[1])] for a in range(shape[0])]


@pytest.mark.parametrize("grouping", ["attribute", "class x attribute"])
@given(problem=problems(), are_soft=st.booleans())
def test_masses_and_risks_are_those_of_the_loop(grouping, problem, are_soft):
    losses, soft, labels, attributes, kinds = problem
    rows = soft if are_soft else np.eye(losses.shape[1])[labels]
    shape = table_shape(grouping, losses.shape[1], kinds)
    mass, risks = looped(losses, rows, attributes, shape)
    there = torch.from_numpy(attributes)
    targets = torch.from_numpy(soft if are_soft else labels)
    ours = group_risks(torch.from_numpy(losses), targets, there, shape)
    np.testing.assert_allclose(ours.numpy(), risks, rtol=1e-12, atol=1e-12)
    ours = group_mass(torch.from_numpy(rows), there, shape)
    np.testing.assert_allclose(ours.numpy(), mass, rtol=1e-12, atol=1e-12)


def test_a_group_without_examples_has_no_mass_and_no_risk():
    losses, attributes = torch.rand(4, 2), torch.tensor([0, 0, 2, 2])
    soft = torch.rand(4, 2).softmax(dim=1)
    for columns in (1, 2):
        shape = (3, columns)
        risks, mass = group_risks(losses, soft, attributes, shape), group_mass(soft, attributes, shape)
        assert risks.isnan().tolist() == [[row == 1] * columns for row in range(3)]
        assert (mass == 0).tolist() == [[row == 1] * columns for row in range(3)]
    hard = group_risks(losses, torch.tensor([0, 0, 1, 0]), attributes, (3, 2))
    assert hard.isnan().tolist() == [[False, True], [True, True], [False, False]]


def test_a_soft_crumb_of_mass_counts_as_none():
    """Below a millionth of all examples, as for classes; the attribute itself is there."""
    soft = torch.tensor([[1 - 1e-7, 1e-7], [0.5, 0.5]])
    losses, attributes = torch.ones(2, 2), torch.tensor([0, 1])
    assert group_mass(soft, attributes, (2, 2)).tolist() == [[pytest.approx(1), 0.0], [0.5, 0.5]]
    assert group_risks(losses, soft, attributes, (2, 2)).isnan().tolist() == [[False, True], [False, False]]
    assert group_mass(soft, attributes, (2, 1)).tolist() == [[1.0], [1.0]]


@given(problems())
def test_with_one_attribute_groups_are_classes_bit_for_bit(problem):
    losses, soft, labels = (torch.from_numpy(values) for values in problem[:3])
    alone, shape = torch.zeros(len(labels), dtype=torch.long), (1, losses.shape[1])
    for values in (losses, losses.float()):
        for targets in (soft, soft.float(), labels):
            told = group_risks(values, targets, alone, shape)
            torch.testing.assert_close(told[0], class_risks(values, targets), rtol=0, atol=0, equal_nan=True)
    assert torch.equal(group_mass(soft, alone, shape)[0], class_mass(soft))


def test_without_attributes_groups_are_classes():
    losses, soft, labels = torch.rand(6, 3), torch.rand(6, 3).softmax(dim=1), torch.tensor([0, 1, 2, 0, 1, 2])
    assert torch.equal(group_risks(losses, soft, None, (3,)), class_risks(losses, soft))
    assert torch.equal(group_risks(losses, labels, labels, (3,)), class_risks(losses, labels))
    assert torch.equal(group_mass(soft, labels, (3,)), class_mass(soft))


@pytest.mark.parametrize("shape", [(2, 1), (2, 3)])
@pytest.mark.parametrize("of_losses", [torch.float32, torch.float64])
@pytest.mark.parametrize("of_targets", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_losses_and_targets_of_any_two_widths_go_together(shape, of_losses, of_targets):
    losses, attributes = torch.rand(6, 3, dtype=of_losses), torch.arange(6) % 2
    soft = torch.rand(6, 3).softmax(dim=1).to(of_targets)
    expected = looped(losses.numpy(), soft.double().numpy(), attributes.tolist(), shape)[1]
    risks = group_risks(losses, soft, attributes, shape)
    assert risks.dtype in (torch.float32, torch.float64)
    np.testing.assert_allclose(risks.numpy(), expected, rtol=1e-2 if of_targets.itemsize == 2 else 1e-5)


def test_masses_above_what_half_precision_can_count_are_exact():
    soft = torch.full((6000, 2), 0.5, dtype=torch.bfloat16)
    attributes = torch.arange(6000) // 5000
    assert group_mass(soft, attributes, (2, 1)).tolist() == [[5000.0], [1000.0]]
    assert group_mass(soft, attributes, (2, 2)).tolist() == [[2500.0] * 2, [500.0] * 2]


def test_the_shape_of_the_table():
    assert table_shape("class", 5, 3) == (5,)
    assert table_shape("attribute", 5, 3) == (3, 1)
    assert table_shape("class x attribute", 5, 3) == (3, 5)


def test_group_numbers_are_places_in_the_flattened_table():
    labels, attributes = torch.tensor([0, 2, 1]), torch.tensor([1, 0, 1])
    assert group_numbers(labels, attributes, (3,)).tolist() == [0, 2, 1]
    assert group_numbers(labels, None, (2, 3)).tolist() == [0, 2, 1]
    assert group_numbers(labels, attributes, (2, 1)).tolist() == [1, 0, 1]
    numbers = group_numbers(labels, attributes, (2, 3))
    table = torch.arange(6).view(2, 3)
    assert numbers.tolist() == [table[1, 0], table[0, 2], table[1, 1]]


def test_hits_are_counted_where_the_example_belongs():
    scores = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    labels, groups = torch.tensor([0, 1, 1, 0, 0]), torch.tensor([2, 2, 0, 0, 0])
    correct, total = group_counts(scores, labels, groups, 4)
    assert correct.tolist() == [2, 0, 1, 0]
    assert total.tolist() == [3, 0, 2, 0]


def test_shapes_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match=r"^targets must be floating of shape \(4, 2\)"):
        group_risks(torch.rand(4, 2), torch.rand(4, 3), torch.zeros(4, dtype=torch.long), (1, 2))
