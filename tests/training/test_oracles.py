"""The whole loop against what theory says it must find."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import minimize
from torch import Tensor, nn

import evendistill as ed

pytestmark = pytest.mark.filterwarnings("ignore:the validation examples are the training examples")

# Four points with known conditional probabilities over three classes; the classes are far from equally frequent.
ETA = torch.tensor([[0.9, 0.05, 0.05], [0.85, 0.1, 0.05], [0.15, 0.75, 0.1], [0.5, 0.2, 0.3]], dtype=torch.float64)
PRIORS = ETA.mean(dim=0)
POINTS = torch.eye(4, dtype=torch.float64)


def table_model() -> nn.Module:
    """One free score for each point and class: a linear layer on one-hot inputs."""
    model = nn.Linear(4, 3, bias=False).double()
    nn.init.zeros_(model.weight)
    return model


def as_counts() -> tuple[Tensor, Tensor]:
    """The finite distribution as a data set with true labels: each point 20 times, labels in their exact shares."""
    counts = (20 * ETA).round().long().tolist()
    rows = [(point, label) for point in range(4) for label in range(3) for _ in range(counts[point][label])]
    points, labels = zip(*rows, strict=True)
    assert len(rows) == 80
    return POINTS[list(points)], torch.tensor(labels)


def full_batch(**told) -> ed.Recipe:
    return ed.Recipe(
        **{
            "epochs": 1500,
            "batch_size": 1000,
            "learning_rate": 2.0,
            "momentum": 0.9,
            "weight_decay": 0.0,
            "schedule": "constant",
            "update_every": 1,
        }
        | told
    )


def learned(result: ed.Result) -> Tensor:
    return result.scores((POINTS, torch.arange(4) % 3)).softmax(dim=1)


def proportional(values: Tensor) -> Tensor:
    return values / values.sum(dim=1, keepdim=True)


def dual(log_multipliers: np.ndarray) -> float:
    """The concave dual of the robust objective: the least weighted risk that any scorer reaches, by Theorem 1."""
    multipliers = torch.tensor(log_multipliers).softmax(dim=0)
    best = proportional(ETA * multipliers / PRIORS)
    return (multipliers / PRIORS * (ETA * -best.log()).mean(dim=0)).sum().item()


def dual_maximiser() -> Tensor:
    found = minimize(lambda x: -dual(x), np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14})
    return torch.tensor(found.x).softmax(dim=0)


def test_standard_learns_the_conditional_probabilities():
    """Theorem 1 (i), from true labels."""
    data = as_counts()
    result = ed.train(table_model(), data, data, objective=ed.Standard(), recipe=full_batch(), progress=False)
    torch.testing.assert_close(learned(result), ETA, rtol=0, atol=1e-6)


def test_balanced_learns_the_conditional_over_the_prior():
    """Theorem 1 (ii), from true labels."""
    data = as_counts()
    result = ed.train(table_model(), data, data, objective=ed.Balanced(), recipe=full_batch(), progress=False)
    torch.testing.assert_close(learned(result), proportional(ETA / PRIORS), rtol=0, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_robust_and_trade_off_learn_their_tilted_conditional(alpha):
    """Theorem 1 (iii) and (iv): whatever multipliers the game ends with, the scorer is the one they ask for."""
    data = as_counts()
    recipe = full_batch(epochs=800, gain="cross_entropy", multiplier_step=0.2)
    result = ed.train(table_model(), data, data, objective=ed.TradeOff(alpha), recipe=recipe, progress=False)
    costs = (1 - alpha) / 3 + alpha * result.multipliers.double()
    torch.testing.assert_close(learned(result), proportional(ETA * costs / PRIORS), rtol=0, atol=1e-3)


def test_the_game_ends_at_the_saddle_point_of_the_dual():
    """Robust with the cross-entropy gain: multipliers and worst risk against the maximiser of the concave dual."""
    data = as_counts()
    recipe = full_batch(epochs=800, gain="cross_entropy", multiplier_step=0.2)
    result = ed.train(table_model(), data, data, objective=ed.Robust(), recipe=recipe, progress=False)
    best = dual_maximiser()
    torch.testing.assert_close(result.multipliers.double(), best, rtol=0, atol=2e-3)
    risks = (ETA * -learned(result).log()).mean(dim=0) / PRIORS
    assert risks.max().item() == pytest.approx(dual(best.log().numpy()), abs=1e-3)
    assert (best - 1 / 3).abs().max() > 0.02  # ten times the tolerance above


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_a_balanced_student_learns_the_softened_teacher_over_its_own_mean(temperature):
    """So the priors are the teacher's at the training temperature, and no T^2 moves the optimum."""
    torch.manual_seed(1)
    teacher = ed.TeacherScores(train=3 * torch.randn(4, 3, dtype=torch.float64))
    soft = (teacher.train / temperature).softmax(dim=1)
    result = ed.distill(
        teacher,
        table_model(),
        (POINTS, torch.tensor([0, 1, 2, 0])),
        None,
        objective=ed.Balanced(),
        temperature=temperature,
        recipe=full_batch(epochs=3000),
        progress=False,
    )
    torch.testing.assert_close(learned(result), proportional(soft / soft.mean(dim=0)), rtol=0, atol=1e-4)


def test_a_scorer_blind_to_its_input_learns_the_priors_or_nothing():
    """The priors under standard, the uniform distribution under balanced."""
    _, labels = as_counts()
    data = (torch.ones(80, 1, dtype=torch.float64), labels)
    for objective, expected in ((ed.Standard(), PRIORS), (ed.Balanced(), torch.full((3,), 1 / 3).double())):
        model = nn.Linear(1, 3).double()
        result = ed.train(model, data, data, objective=objective, recipe=full_batch(learning_rate=0.2), progress=False)
        found = result.scores(data).softmax(dim=1)[0]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_the_gradient_of_the_student_has_no_square_of_the_temperature():
    """At temperature T the gradient on the scores is softmax(f) - p^T: nothing shrinks, so nothing needs T^2."""
    from evendistill.distillation.labels import TeacherLabels

    teacher = torch.randn(6, 3, dtype=torch.float64)
    labels = TeacherLabels(teacher, torch.arange(6) % 3, temperature=5.0)
    objective = ed.Standard().bind(labels.log_priors, step_size=0.1)
    scores = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    rows = torch.arange(6)
    objective(scores, labels.targets(rows, rows)).backward()
    assert scores.grad is not None
    expected = (scores.detach().softmax(dim=1) - (teacher / 5.0).softmax(dim=1)) / 6
    torch.testing.assert_close(scores.grad, expected)


def hand_errors(scores: Tensor, targets: Tensor) -> Tensor:
    """Algorithm 1's class errors, written as the sums that they are."""
    errors = []
    for label in range(targets.shape[1]):
        mass = sum(targets[b, label].item() for b in range(len(targets)))
        missed = sum(targets[b, label].item() for b in range(len(targets)) if int(scores[b].argmax()) != label)
        errors.append(missed / mass)
    return torch.tensor(errors, dtype=torch.float64)


@pytest.mark.parametrize("labels", ["teacher", "true"])
@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_multipliers_after_two_moves_equal_the_hand_values(labels, alpha):
    """Two moves and one step of a real distillation, done by hand; validation has other rows and targets than train."""
    torch.manual_seed(3)
    train = (torch.randn(9, 5, dtype=torch.float64), torch.arange(9) % 3)
    validation = (torch.randn(7, 5, dtype=torch.float64), torch.tensor([0, 1, 2, 2, 1, 0, 0]))
    teacher, student = nn.Linear(5, 3).double(), nn.Linear(5, 3).double()
    result = ed.distill(
        teacher,
        student,
        train,
        validation,
        objective=ed.TradeOff(alpha),
        temperature=2.0,
        validation_temperature=0.5,
        validation_labels=labels,
        recipe=full_batch(epochs=2, momentum=0.0, nesterov=False, learning_rate=0.7, multiplier_step=0.3),
        progress=False,
    )
    with torch.no_grad():
        soft_train = (teacher(train[0]) / 2.0).softmax(dim=1)
        soft_validation = (teacher(validation[0]) / 0.5).softmax(dim=1)
    targets = soft_validation if labels == "teacher" else F.one_hot(validation[1], 3).double()
    multipliers = torch.full((3,), 1 / 3, dtype=torch.float64)
    weight = student.weight.detach().clone().requires_grad_()
    bias = student.bias.detach().clone().requires_grad_()
    for step in range(2):
        with torch.no_grad():
            errors = hand_errors(validation[0] @ weight.T + bias, targets)
        multipliers = multipliers * torch.exp(0.3 * alpha * errors)
        multipliers = multipliers / multipliers.sum()
        if step == 0:
            costs = ((1 - alpha) / 3 + alpha * multipliers) / soft_train.mean(dim=0)
            shifted = train[0] @ weight.T + bias - costs.log()
            loss = -(soft_train * F.log_softmax(shifted, dim=1)).sum(dim=1).mean()
            for parameter, gradient in zip((weight, bias), torch.autograd.grad(loss, (weight, bias)), strict=True):
                parameter.data -= 0.7 * gradient
    torch.testing.assert_close(result.multipliers.double(), multipliers, rtol=0, atol=1e-6)


def test_the_two_label_modes_of_that_test_differ():
    """Otherwise the test above would not tell them apart."""
    torch.manual_seed(3)
    train = (torch.randn(9, 5), torch.arange(9) % 3)
    validation = (torch.randn(7, 5), torch.tensor([0, 1, 2, 2, 1, 0, 0]))
    teacher, student = nn.Linear(5, 3), nn.Linear(5, 3)

    def moved(**told) -> Tensor:
        recipe = full_batch(epochs=2)
        return ed.distill(teacher, student, train, validation, recipe=recipe, progress=False, **told).multipliers

    modes = [
        moved(validation_labels="true"),
        moved(validation_temperature=0.5),
        moved(validation_temperature=5.0),
    ]
    assert not torch.allclose(modes[0], modes[1], atol=1e-3)
    assert not torch.allclose(modes[1], modes[2], atol=1e-3)


def test_permuting_the_classes_permutes_the_result():
    """A class has no place of its own: rename them and everything follows, bit for bit up to the order of sums."""
    torch.manual_seed(5)
    inputs, labels = torch.randn(60, 4, dtype=torch.float64), torch.randint(3, (60,)) * torch.randint(2, (60,))
    labels[:3] = torch.arange(3)
    model = nn.Linear(4, 3).double()
    order = torch.tensor([2, 0, 1])
    renamed = nn.Linear(4, 3).double()
    with torch.no_grad():
        renamed.weight[order], renamed.bias[order] = model.weight.clone(), model.bias.clone()
    recipe = full_batch(epochs=200, learning_rate=0.1)
    first = ed.train(model, (inputs, labels), (inputs, labels), objective=ed.Robust(), recipe=recipe, progress=False)
    other = (inputs, order[labels])
    second = ed.train(renamed, other, other, objective=ed.Robust(), recipe=recipe, progress=False)
    torch.testing.assert_close(second.multipliers[order], first.multipliers)
    torch.testing.assert_close(second.scores(other)[:, order], first.scores((inputs, labels)), rtol=0, atol=1e-5)


def test_teacher_and_student_go_one_path():
    """A student of all but certain teacher scores and a teacher of the ground truth are the same run."""
    torch.manual_seed(2)
    data = (torch.randn(30, 4, dtype=torch.float64), torch.arange(30) % 3)
    model = nn.Linear(4, 3).double()
    certain = ed.TeacherScores(train=1e3 * F.one_hot(data[1], 3).double())
    recipe = full_batch(epochs=50, learning_rate=0.1)
    taught = ed.train(model, data, data, objective=ed.Robust(), recipe=recipe, progress=False)
    distilled = ed.distill(
        certain, model, data, data, temperature=1.0, validation_labels="true", recipe=recipe, progress=False
    )
    torch.testing.assert_close(distilled.scores(data), taught.scores(data))
    assert math.isfinite(distilled.history[-1]["loss"])
