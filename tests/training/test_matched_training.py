"""Training a student that matches features: the loop written out, resuming, and a result that remembers nothing."""

import pickle
import shutil
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import evendistill as ed
from evendistill.data.examples import ArrayDataset
from evendistill.distillation.asking import asked
from evendistill.distillation.features import standardised
from evendistill.distillation.problem import Distillation, Task, student_problem
from evendistill.models.average import AverageOfScores
from evendistill.models.head import Body
from evendistill.storage.files import read_json
from evendistill.storage.tensors import read_tensors
from evendistill.training.checkpoint import Checkpoint
from evendistill.training.loop import fit
from evendistill.training.turns import drained_until

INPUTS, LABELS = torch.randn(50, 6, generator=torch.Generator().manual_seed(1)), torch.arange(50) % 3
VALIDATION = (torch.randn(40, 6, generator=torch.Generator().manual_seed(2)), torch.arange(40) % 3)


def network(width: int = 8, seed: int = 7) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = (nn.Linear(6, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, 3))
    return nn.Sequential(*layers)


def recipe(**told) -> ed.Recipe:
    settings: dict[str, Any] = {"epochs": 3, "batch_size": 16, "update_every": 2, "checkpoint_every": 0.0}
    return ed.Recipe(**settings | told)


def distill(teacher=None, student=None, **told) -> ed.Result:
    settings = {"feature_weight": 0.5, "recipe": recipe(), "progress": False, "seed": 4}
    return ed.distill(teacher or network(9, 3), student or network(), (INPUTS, LABELS), VALIDATION, **settings | told)


def same(a: ed.Result, b: ed.Result) -> bool:
    pairs = zip(a.model.state_dict().values(), b.model.state_dict().values(), strict=True)
    return a.history == b.history and all(torch.equal(one, other) for one, other in pairs)


def hooks(network):
    return [hook for module in network.modules() for hook in (*module._forward_hooks, *module._forward_pre_hooks)]


def test_training_is_gradient_descent_on_the_sum_written_out():
    """Whole batches, in float64: student and projection after 30 steps, and the losses on the way."""
    teacher, student = (nn.Sequential(nn.Linear(6, width), nn.Tanh(), nn.Linear(width, 3)).double() for width in (5, 4))
    data, weight, rate = ArrayDataset(INPUTS.double(), LABELS), 2.0, 0.2
    how = recipe(epochs=30, batch_size=50, learning_rate=rate, momentum=0.0, nesterov=False, schedule="constant")
    how = replace(how, weight_decay=0.0)
    told: dict[str, Any] = {"objective": ed.Standard(), "temperature": 2.0, "recipe": how, "progress": False}
    result = ed.distill(teacher, student, data, None, feature_weight=weight, **told)
    soft = F.softmax(teacher(data.inputs) / 2, dim=1).detach()
    goal = standardised(teacher[:2](data.inputs).detach())
    projection, bias = (torch.zeros(shape, dtype=torch.float64, requires_grad=True) for shape in ((5, 4), (5,)))
    moving, losses = [*student.parameters(), projection, bias], []
    for _ in range(30):
        features = student[:2](data.inputs)
        loss = F.cross_entropy(student[2](features), soft)
        loss = loss + weight * (features @ projection.T + bias - goal).square().mean()
        losses.append(loss.item())
        gradients = torch.autograd.grad(loss, moving)
        with torch.no_grad():
            for parameter, gradient in zip(moving, gradients, strict=True):
                parameter -= rate * gradient
    for found, expected in zip(result.model.parameters(), student.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert [record["loss"] for record in result.history] == pytest.approx(losses, abs=1e-12)


def test_matching_brings_the_features_nearer():
    def unexplained(result: ed.Result) -> float:
        """Share of the teacher's features that no linear map of the student's gives."""
        features = torch.cat([Body(result.model, "4")(INPUTS), torch.ones(50, 1)], dim=1).detach()
        goal = standardised(teacher[:3](INPUTS).detach())
        return (goal - features @ torch.linalg.lstsq(features, goal).solution).square().mean().item()

    teacher = network(9, 3).eval()
    how = recipe(epochs=40)
    with_it, without = (distill(teacher, feature_weight=weight, recipe=how) for weight in (5.0, 0.0))
    assert unexplained(with_it) < 0.8 * unexplained(without)


def test_at_weight_zero_there_is_no_trace_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr("evendistill.distillation.problem.matching", None)
    monkeypatch.setattr("evendistill.distillation.asking.teacher_features", None)
    saved = []
    monkeypatch.setattr(Checkpoint, "save", lambda self, state: saved.append(state))
    distill(feature_weight=0.0, out=tmp_path)
    assert list(saved[-1]["network"]) == list(network().state_dict())
    assert len(saved[-1]["optimiser"]["param_groups"][0]["params"]) == len(list(network().parameters()))
    assert "feature_weight" not in read_json(tmp_path / "spec.json")
    assert not list(tmp_path.glob("features-*"))


@pytest.mark.parametrize("iterate", ["last", "averaged", "best"])
def test_resuming_from_every_checkpoint_equals_straight_through(tmp_path, monkeypatch, iterate):
    saved = []
    save = Checkpoint.save

    def keep_each(self, state):
        save(self, state)
        saved.append(tmp_path / "kept" / str(len(saved)))
        shutil.copytree(self.path.parent, saved[-1])

    monkeypatch.setattr(Checkpoint, "save", keep_each)
    straight = distill(recipe=recipe(iterate=iterate), out=tmp_path / "straight")
    monkeypatch.setattr(Checkpoint, "save", save)
    assert len(saved) == 9  # three epochs of three steps
    for folder in saved:
        assert (folder / "checkpoint.pt").is_file()
        resumed = distill(recipe=recipe(iterate=iterate, checkpoint_every=1e9), out=folder)
        assert same(resumed, straight)
        assert read_tensors(folder / "model.safetensors").keys() == resumed.model.state_dict().keys()


@pytest.mark.parametrize("iterate", ["last", "averaged", "best"])
def test_the_result_is_the_plain_student(tmp_path, iterate):
    result = distill(recipe=recipe(iterate=iterate), out=tmp_path)
    plain = network()
    if iterate == "averaged":
        plain = AverageOfScores(network(), [network().state_dict()] * 5)  # nine steps, two a period
    names = list(plain.state_dict())
    assert type(result.model) is type(plain)
    assert list(result.model.state_dict()) == names
    assert sorted(read_tensors(tmp_path / "model.safetensors")) == sorted(names)
    assert hooks(result.model) == []
    assert pickle.dumps(result.model)
    assert result.scores(VALIDATION).shape == (40, 3)
    assert same(distill(recipe=recipe(iterate=iterate), out=tmp_path), result)  # read from its folder
    assert len(list(tmp_path.glob("features-train-*.safetensors"))) == 1


def test_the_best_iterate_is_judged_by_the_students_own_scores():
    result = distill(recipe=recipe(iterate="best", epochs=6), feature_weight=10.0)  # mapped features exceed scores
    names = ("validation_worst_class_accuracy", "validation_average_accuracy")
    found = result.evaluate(VALIDATION)
    best = max(tuple(record[name] for name in names) for record in result.history)
    assert (found.worst_class_accuracy, found.average_accuracy) == best
    assert found.average_accuracy > 0.2


def test_a_run_that_is_closed_on_its_way_leaves_the_network_bare(tmp_path):
    data = ArrayDataset(INPUTS, LABELS)
    task = Task(data, None, ("a", "b", "c"), torch.device("cpu"))
    listening = Distillation(feature_weight=1.0)
    said = asked(network(9, 3), task, listening, None)
    problem = student_problem(task, said.scores, ed.Standard(), listening, step_size=0.1, features=said.features)
    student, checkpoint = network(), Checkpoint(tmp_path / "checkpoint.pt", every=1e9)
    work = fit(student, problem, recipe(), seed=0, device=torch.device("cpu"), checkpoint=checkpoint)
    assert drained_until(work, lambda: True) is None
    saved = checkpoint.load()
    assert saved is not None
    assert saved["network"]["projection"].shape == (9, 8)
    assert saved["network"]["projection"].any()
    assert hooks(student) == []


def test_a_folder_of_another_weight_is_refused(tmp_path):
    distill(out=tmp_path)
    with pytest.raises(ValueError, match=r"holds another run: its feature_weight is 0.5, asked for is 1.0;"):
        distill(feature_weight=1.0, out=tmp_path)
    with pytest.raises(ValueError, match=r"holds another run: its feature_weight is 0.5, asked for is None;"):
        distill(feature_weight=0.0, out=tmp_path)


@pytest.mark.parametrize("told", [{"precision": "bf16"}, {"optimizer": "adamw", "decayed": "matrices"}])
def test_it_goes_with_other_ways_to_train(told):
    result = distill(recipe=recipe(**told))
    assert all(parameter.isfinite().all() for parameter in result.model.parameters())
    assert not same(result, distill(recipe=recipe(**told), feature_weight=0.0))


class Halved(nn.Module):
    """No linear layer gives its scores."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, inputs):
        return self.layer(inputs) / 2


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (
            {"teacher": Halved()},
            "no linear layer of the teacher, Halved, gives its scores as they are, so it has no head",
        ),
        (
            {"student": Halved()},
            "no linear layer of the student, Halved, gives its scores as they are, so it has no head",
        ),
        (
            {"teacher": ed.TeacherScores(torch.zeros(50, 3), torch.zeros(40, 3))},
            "feature_weight needs the teacher itself, got its scores alone",
        ),
        ({"feature_weight": -1.0}, "feature_weight must be at least 0 and finite, got -1.0"),
        ({"teacher_view": "augmented"}, "feature_weight needs teacher_view 'clean', got 'augmented'"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(told, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        distill(**told)
