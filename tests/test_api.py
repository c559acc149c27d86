"""The Python face: what a user gets, and the one line they get when something does not fit."""

import math
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

import evendistill as ed
from evendistill.data.examples import as_examples

INPUTS, LABELS = torch.randn(40, 5, generator=torch.Generator().manual_seed(1)), torch.arange(40) % 10
DATA = (INPUTS, LABELS)
RECIPE = ed.Recipe(epochs=1, batch_size=20)
SPOILT = INPUTS.clone()
SPOILT[5, 2], SPOILT[7, 0] = math.nan, math.inf
pytestmark = pytest.mark.filterwarnings("ignore:the validation examples are the training examples")


def net(width: int = 10) -> nn.Module:
    return nn.Linear(5, width)


def train(model=None, train=DATA, validation=DATA, **told) -> ed.Result:
    return ed.train(model or net(), train, validation, **{"recipe": RECIPE, "progress": False} | told)


def distill(teacher=None, student=None, train=DATA, validation=DATA, **told) -> ed.Result:
    told = {"recipe": RECIPE, "progress": False} | told
    return ed.distill(teacher or net(), student or net(), train, validation, **told)


def test_every_public_name_is_there_and_nothing_else_pretends_to_be():
    for name in ed.__all__:
        assert getattr(ed, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'distil'"):
        _ = ed.distil


def test_the_objectives_are_corners_of_one():
    assert ed.Balanced() == ed.TradeOff(0)
    assert ed.Robust() == ed.TradeOff(1) == ed.TradeOff(1, base="standard")
    assert ed.Standard() == ed.TradeOff(0, base="standard")


class Items(Dataset):
    """A data set that is read item by item."""

    def __init__(self, inputs):
        self.inputs = inputs

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, row):
        return self.inputs[row], int(LABELS[row])


class Grouped(Dataset):
    def __len__(self):
        return 40

    def __getitem__(self, row):
        return INPUTS[row].numpy(), int(LABELS[row]), row % 2


@pytest.mark.parametrize(
    "data",
    [
        (INPUTS.numpy(), LABELS.numpy()),
        (INPUTS.double().numpy(), LABELS.numpy().astype(np.uint8)),
        torch.utils.data.TensorDataset(INPUTS, LABELS),
        Grouped(),
    ],
    ids=["numpy", "float64 and uint8", "TensorDataset", "Dataset with groups"],
)
def test_data_in_any_form_gives_the_same_model(data):
    torch.manual_seed(0)
    model = net()
    expected = train(model).scores(DATA)
    assert torch.equal(train(model, data, data).scores(DATA), expected)


def test_a_student_may_be_its_own_teacher():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 10), nn.BatchNorm1d(10), nn.Dropout(0.5))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    result = distill(model, model, objective=ed.Robust())
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not torch.equal(result.model.state_dict()["0.weight"], before["0.weight"])


def test_objectives_without_multipliers_need_no_validation():
    assert train(validation=None).history
    assert distill(validation=None, objective=ed.Balanced()).history


def test_results_carry_metrics_and_history():
    result = distill(objective=ed.TradeOff(0.5))
    metrics = result.evaluate(DATA)
    assert 0 <= metrics.worst_class_accuracy <= metrics.average_accuracy <= 1
    assert metrics.worst_k(10) == pytest.approx(metrics.average_accuracy)
    assert metrics.recalls.shape == result.multipliers.shape == (10,)
    assert result.scores(DATA).shape == (40, 10)
    assert {"epoch", "step", "loss", "learning_rate", "multipliers", "class_errors", "gap"} <= set(result.history[0])


def test_the_augmented_view_asks_the_teacher_about_what_the_student_sees():
    class Shifted(Dataset):
        def __len__(self):
            return 40

        def __getitem__(self, row):
            return INPUTS[row] + torch.rand(1), int(LABELS[row])

    asked = []
    teacher = net()
    teacher.register_forward_hook(lambda module, inputs, output: asked.append(len(inputs[0])))
    distill(teacher, train=Shifted(), objective=ed.Standard())
    clean = sum(asked)
    asked.clear()
    distill(teacher, train=Shifted(), objective=ed.Standard(), teacher_view="augmented")
    assert sum(asked) == clean + 40


def scores(rows: int = 40, width: int = 10, **told) -> ed.TeacherScores:
    return ed.TeacherScores(train=torch.zeros(rows, width), **told)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ed.TradeOff(1.2), "alpha must lie in [0, 1], got 1.2"),
        (lambda: ed.TradeOff(math.nan), "alpha must lie in [0, 1], got nan"),
        (lambda: distill(temperature=0), "temperature must be positive and finite, got 0"),
        (lambda: distill(validation_temperature=-1.0), "validation_temperature must be positive and finite, got -1.0"),
        (lambda: distill(validation_labels="both"), "validation_labels must be 'teacher' or 'true', got 'both'"),
        (lambda: distill(teacher_view="live"), "teacher_view must be 'clean' or 'augmented', got 'live'"),
        (lambda: distill(onehot_weight=2), "onehot_weight must lie in [0, 1], got 2"),
        (
            lambda: train(train=(INPUTS, LABELS + 1)),
            "train: label 10 in row 9 is out of range: the network gives 10 scores",
        ),
        (lambda: train(validation=(INPUTS, LABELS - 1)), "validation: label -1 in row 0 is out of range"),
        (lambda: train(train=(INPUTS, LABELS.clamp_max(8))), "class 9 has no training example"),
        (lambda: train(train=(INPUTS[:5], LABELS)), "train: inputs and labels must have one length, got 5 and 40"),
        (
            lambda: train(validation=(SPOILT, LABELS)),
            "validation: inputs must be finite; example 5 has NaN or infinity",
        ),
        (lambda: train(train=(-SPOILT, LABELS)), "train: inputs must be finite; example 5 has NaN or infinity"),
        (lambda: train(validation=Items(SPOILT)), "validation: inputs must be finite; example 5 has NaN or infinity"),
        (lambda: train(train=Items(SPOILT)), "train: inputs must be finite; example 5 has NaN or infinity"),
        (lambda: train().evaluate((SPOILT.numpy(), LABELS)), "inputs must be finite; example 5 has NaN or infinity"),
        (lambda: train(train=(INPUTS, LABELS.float())), "train: labels must be integers"),
        (lambda: train(train=7), "train: expected a map-style Dataset of (x, y) or a pair of arrays, got int"),
        (lambda: train(num_classes=9), "the network gives 10 scores, num_classes is 9"),
        (lambda: train(nn.Identity(), train=(INPUTS[:, 0], LABELS)), "the network must give scores of shape (2, C)"),
        (lambda: train(validation=None, objective=ed.Robust()), "needs a validation set to move them, got None"),
        (lambda: distill(net(9)), "the teacher has 9 classes, the student 10"),
        (lambda: distill(scores(39)), "teacher scores on train have 39 rows, the data set has 40"),
        (lambda: distill(scores()), "teacher-labelled validation needs the teacher's scores there"),
        (lambda: distill(scores(), teacher_view="augmented", validation_labels="true"), "needs the teacher itself"),
        (
            lambda: distill(scores(validation=torch.zeros(3, 10))),
            "teacher scores on validation have 3 rows, the data set has 40",
        ),
        (lambda: ed.evaluate(torch.tensor([[0.0, math.nan]]), torch.tensor([0])), "scores contain NaN, first in row 0"),
        (lambda: ed.load_data("./mnist"), "./mnist: there is no such file or folder"),
        (lambda: ed.load_data("digits", imbalance=0.5), "imbalance must be at least 1 and finite, got 0.5"),
        (
            lambda: train(validation=None, recipe=ed.Recipe(epochs=1, iterate="best")),
            "iterate 'best' needs a validation",
        ),
    ],
)
def test_what_does_not_fit_is_one_clear_line(call, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_what_is_shown_of_data_and_results_is_one_short_line():
    data = ed.load_data("digits", imbalance=30)
    parts = [
        f"{name}=ArrayDataset({n} x (1, 8, 8))" for name, n in (("train", 279), ("validation", 449), ("test", 450))
    ]
    assert repr(data) == f"Data({', '.join(parts)}, classes=10, groups=0)"
    images = ed.load_data("made-up:3x1x16")
    assert repr(images.train) == "ImageDataset(72 x (1, 16, 16))"
    assert repr(as_examples(Items(INPUTS))) == "StreamedExamples(40 x (5,))"
    result = train(objective=ed.FrontierObjective((0, 0.5, 1)))
    loss = result.history[-1]["loss"]
    assert repr(result) == f"Result(model=Conditioned, epochs=1, loss={loss:.4g}, multipliers=(3, 10))"


def test_nan_in_a_teachers_scores_is_found_before_training():
    teacher = net()
    with torch.no_grad():
        next(teacher.parameters()).fill_(math.nan)
    with pytest.raises(ValueError, match="teacher scores on train are not finite, first in row 0"):
        distill(teacher)
