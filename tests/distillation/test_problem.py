"""What is descended on where a student matches its teacher's features, against the sum written out."""

import math
import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import evendistill as ed
from evendistill.data.examples import ArrayDataset
from evendistill.distillation.asking import asked
from evendistill.distillation.features import standardised
from evendistill.distillation.problem import Distillation, Task, student_problem
from evendistill.models.matching import Matching

CPU = torch.device("cpu")
TRAIN = ArrayDataset(torch.randn(12, 4, generator=torch.Generator().manual_seed(1)).double(), torch.arange(12) % 3)
TASK = Task(TRAIN, TRAIN, ("a", "b", "c"), CPU)
ROWS = torch.tensor([7, 2, 2, 11, 0])


def network(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 3)).double()


def drawn(learner: nn.Module) -> Matching:
    """With a projection that is not zero."""
    assert isinstance(learner, Matching)
    with torch.no_grad():
        learner.projection.normal_()
        learner.bias.normal_()
    return learner


def problem_of(teacher, listening, objective=None):
    said = asked(teacher, TASK, listening, None)
    told = {"step_size": 0.1, "teacher": said.teacher, "features": said.features}
    return student_problem(TASK, said.scores, objective or ed.Standard(), listening, **told)


@pytest.mark.parametrize("objective", [ed.Standard(), ed.Robust()])
def test_the_loss_is_the_objective_and_the_weighted_distance(objective):
    teacher, student, weight = network(6), network(5), 0.7
    problem = problem_of(teacher, Distillation(2.0, feature_weight=weight), objective)
    plain = problem_of(teacher, Distillation(2.0), objective)
    inputs = TRAIN.inputs[ROWS] + 0.1  # as if they were augmented
    with problem.learner(student) as learner:
        matching = drawn(learner)
        found = problem.loss(learner(inputs), ROWS, inputs)
    goal = standardised(teacher[:2](TRAIN.inputs).detach())
    distance = 0.0
    for position, row in enumerate(ROWS.tolist()):
        features = student[:2](inputs[position : position + 1])[0]
        for k in range(6):
            mapped = sum(matching.projection[k, j] * features[j] for j in range(5)) + matching.bias[k]
            distance += ((mapped - goal[row, k]) ** 2).item() / (6 * len(ROWS))
    expected = plain.loss(student(inputs), ROWS, inputs).item() + weight * distance
    assert found.item() == pytest.approx(expected, rel=1e-12)
    if objective == ed.Standard():
        soft = F.softmax(teacher(TRAIN.inputs[ROWS]) / 2, dim=1)
        cross_entropy = F.cross_entropy(student(inputs), soft).item()
        assert found.item() == pytest.approx(cross_entropy + weight * distance, rel=1e-12)


def test_before_the_first_step_the_distance_is_the_share_of_features_that_vary():
    teacher = network(6)
    with torch.no_grad():
        next(teacher.parameters())[:2] = 0
    problem = problem_of(teacher, Distillation(feature_weight=10.0))
    every, student = torch.arange(12), network(5)
    with problem.learner(student) as learner:
        found = problem.loss(learner(TRAIN.inputs), every, TRAIN.inputs)
    scores_alone = problem_of(teacher, Distillation()).loss(student(TRAIN.inputs), every, TRAIN.inputs)
    assert (found - scores_alone).item() == pytest.approx(10 * 4 / 6)


def test_gradients_reach_student_and_projection_and_not_the_teacher():
    teacher, student = network(6), network(5)
    problem = problem_of(teacher, Distillation(feature_weight=1.0))
    with problem.learner(student) as learner:
        problem.loss(drawn(learner)(TRAIN.inputs[ROWS]), ROWS, TRAIN.inputs[ROWS]).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in learner.parameters())
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert problem.features is not None
    assert not problem.features.requires_grad


def test_distances_of_half_precision_are_taken_in_full():
    problem = problem_of(network(6), Distillation(feature_weight=1.0))
    outputs = torch.randn(5, 3 + 6).bfloat16()
    found = problem.loss(outputs, ROWS, TRAIN.inputs[ROWS])
    exact = problem.loss(outputs.float(), ROWS, TRAIN.inputs[ROWS])
    assert found.item() == pytest.approx(exact.item(), rel=1e-6)


def test_at_weight_zero_nothing_is_asked_and_the_network_learns_bare():
    class Uncut(nn.Module):
        """A teacher without a head."""

        def forward(self, inputs):
            return inputs[:, :3]

    problem = problem_of(Uncut(), Distillation(feature_weight=0.0))
    assert (problem.features, problem.feature_weight) == (None, 0.0)
    student = network(5)
    with problem.learner(student) as learner:
        assert learner is student
        assert not student[2]._forward_pre_hooks


def test_scores_alone_have_no_features():
    scores = ed.TeacherScores(train=torch.zeros(12, 3))
    with pytest.raises(ValueError, match=r"^feature_weight needs the teacher itself, got its scores alone$"):
        problem_of(scores, Distillation(feature_weight=0.1))


def test_a_student_without_a_head_is_named():
    class Halved(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3).double()

        def forward(self, inputs):
            return self.layer(inputs) / 2

    problem = problem_of(network(6), Distillation(feature_weight=0.1))
    message = r"^no linear layer of the student, Halved, gives its scores as they are, so it has no head$"
    with pytest.raises(ValueError, match=message), problem.learner(Halved()):
        pass


@pytest.mark.parametrize("weight", [-0.1, math.nan, math.inf])
def test_a_weight_is_at_least_zero_and_finite(weight):
    with pytest.raises(ValueError, match=f"^feature_weight must be at least 0 and finite, got {weight}$"):
        Distillation(feature_weight=weight)


def test_features_are_of_clean_inputs_alone():
    message = re.escape("feature_weight needs teacher_view 'clean', got 'augmented'")
    with pytest.raises(ValueError, match=f"^{message}$"):
        Distillation(feature_weight=0.5, teacher_view="augmented")
    assert Distillation(teacher_view="augmented").feature_weight == 0
