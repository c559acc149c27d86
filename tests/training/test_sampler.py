"""The sampler changes which examples come, not what an objective means: priors are those of what is drawn."""

import pytest
import torch
from torch import Tensor, nn

import evendistill as ed
from evendistill.data.examples import ArrayDataset
from evendistill.distillation.problem import Distillation, Task, student_problem, true_problem
from evendistill.distillation.teacher import TeacherScores
from evendistill.objectives.tradeoff import CostObjective

CPU = torch.device("cpu")
SIZES = torch.tensor([420, 140, 40])
LABELS = torch.arange(3).repeat_interleave(SIZES)
BLIND = (torch.zeros(600, 2), LABELS)
FREQUENCIES = SIZES / 600
UNIFORM = torch.full((3,), 1 / 3)
VALIDATION = (torch.zeros(30, 2), torch.arange(30) % 3)


def recipe(**told) -> ed.Recipe:
    """Whole batches, and a learning rate that falls to zero so that what is drawn averages out."""
    settings = {"epochs": 150, "batch_size": 600, "learning_rate": 0.5, "weight_decay": 0.0}
    return ed.Recipe(**settings | told)


def learned(result: ed.Result) -> Tensor:
    return result.scores((torch.zeros(1, 2), torch.tensor([0]))).softmax(dim=1)[0]


@pytest.mark.parametrize(
    ("sampler", "objective", "expected"),
    [
        ("uniform", ed.Balanced(), UNIFORM),
        ("balanced", ed.Balanced(), UNIFORM),
        ("uniform", ed.Standard(), FREQUENCIES),
        ("balanced", ed.Standard(), UNIFORM),
    ],
)
def test_a_scorer_blind_to_its_input_learns_the_priors_in_force_or_nothing(sampler, objective, expected):
    """One vector of scores for all: under standard it learns the priors of what is drawn, under balanced no class."""
    torch.manual_seed(0)
    told = {"objective": objective, "recipe": recipe(sampler=sampler), "seed": 1}
    result = ed.train(nn.Linear(2, 3), BLIND, None, progress=False, **told)
    torch.testing.assert_close(learned(result), expected, rtol=0, atol=1e-2)


@pytest.mark.parametrize("sampler", ["uniform", "balanced"])
def test_a_blind_student_learns_its_teacher_over_the_mean_of_what_is_drawn(sampler):
    """One vector of scores can only learn the mean of its targets, and balanced divides by this very mean."""
    teacher = TeacherScores(train=3 * nn.functional.one_hot(LABELS, 3).double() + torch.tensor([1.0, 0.0, -1.0]))
    told = {"objective": ed.Balanced(), "temperature": 2.0, "onehot_weight": 0.2, "recipe": recipe(sampler=sampler)}
    torch.manual_seed(0)
    result = ed.distill(teacher, nn.Linear(2, 3), BLIND, None, progress=False, **told)
    torch.testing.assert_close(learned(result), UNIFORM, rtol=0, atol=1e-2)


def task(sampler) -> Task:
    return Task(ArrayDataset(*BLIND), ArrayDataset(*VALIDATION), ("a", "b", "c"), CPU, sampler)


def test_robust_starts_without_favourites_where_classes_come_alike():
    """Its costs are multipliers over priors, both uniform: the first step is the one of the standard objective."""
    problem = true_problem(task("balanced"), ed.Robust(), step_size=0.1)
    torch.testing.assert_close(problem.labeller.log_priors.exp().float(), UNIFORM)
    torch.testing.assert_close(problem.objective.weights, UNIFORM)
    scores = torch.randn(5, 3)
    loss = problem.objective(scores, LABELS[:5])
    torch.testing.assert_close(loss, nn.functional.cross_entropy(scores, LABELS[:5]))
    tilted = true_problem(task("uniform"), ed.Robust(), step_size=0.1).objective(scores, LABELS[:5])
    assert not torch.allclose(tilted, loss, atol=0.1)


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_the_priors_of_a_student_are_the_mean_of_its_targets_over_what_is_drawn(weight):
    scores = torch.randn(600, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    listening = Distillation(temperature=2.0, onehot_weight=weight)
    given = TeacherScores(scores, torch.zeros(30, 3))
    problem = student_problem(task("balanced"), given, ed.Robust(), listening, step_size=0.1)
    targets = problem.labeller.targets(torch.arange(600), BLIND[0])
    by_hand = torch.stack([targets[label == LABELS].mean(dim=0) for label in range(3)]).mean(dim=0)
    torch.testing.assert_close(problem.labeller.log_priors.exp(), by_hand)
    assert isinstance(problem.objective, CostObjective)
    torch.testing.assert_close(problem.objective.log_priors.exp(), by_hand.float())


def test_training_draws_every_class_alike(monkeypatch):
    """Counted where the targets are asked for."""
    from evendistill.distillation.labels import TrueLabels

    drawn = []
    targets = TrueLabels.targets

    def keep(self, rows, inputs):
        drawn.append(targets(self, rows, inputs))
        return drawn[-1]

    monkeypatch.setattr(TrueLabels, "targets", keep)
    told = recipe(epochs=10, batch_size=50, sampler="balanced")
    ed.train(nn.Linear(2, 3), BLIND, None, recipe=told, progress=False)
    assert {len(labels) for labels in drawn} == {50}
    shares = torch.cat(drawn).bincount() / 6000
    torch.testing.assert_close(shares, UNIFORM, rtol=0, atol=0.03)
    assert len({tuple(labels.tolist()) for labels in drawn}) == 120


def test_an_unknown_sampler_is_refused():
    with pytest.raises(ValueError, match="sampler must be one of uniform, balanced, got 'even'"):
        recipe(sampler="even")
