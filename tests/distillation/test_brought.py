"""What a user brings: slips are said in one line, and what would go wrong in silence is a warning."""

import re
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

import evendistill as ed

INPUTS, LABELS = torch.randn(40, 5, generator=torch.Generator().manual_seed(1)), torch.arange(40) % 4
DATA, HELD_OUT = (INPUTS[:20], LABELS[:20]), (INPUTS[20:], LABELS[20:])


class Tiny(nn.Module):
    def __init__(self, width: int = 4):
        super().__init__()
        self.linear = nn.Linear(5, width)

    def forward(self, inputs):
        return self.linear(inputs)


def soft():
    return nn.Sequential(Tiny(), nn.Softmax(dim=1))


def train(model: Any = None, train: Any = DATA, validation: Any = HELD_OUT, **told: Any) -> ed.Result:
    told = {"recipe": ed.Recipe(epochs=1, batch_size=10), "progress": False} | told
    return ed.train(Tiny() if model is None else model, train, validation, **told)


def distill(teacher: Any, student: Any = None, validation: Any = HELD_OUT, **told: Any) -> ed.Result:
    told = {"recipe": ed.Recipe(epochs=1, batch_size=10), "progress": False} | told
    return ed.distill(teacher, Tiny() if student is None else student, DATA, validation, **told)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: train(Tiny), "the network to train must be a network, got the class Tiny; make one: Tiny(...)"),
        (lambda: train(len), "the network to train must be a torch.nn.Module, got builtin_function_or_method"),
        (lambda: distill(Tiny(), Tiny), "got the class Tiny; make one: Tiny(...)"),
        (lambda: distill(Tiny), "teacher must be a network, got the class Tiny; make one: Tiny(...)"),
        (lambda: distill([1.0]), "teacher must be a torch.nn.Module or ed.TeacherScores, got list"),
        (
            lambda: train(train=((INPUTS * 100).to(torch.uint8), LABELS)),
            "pixels from 0 to 255 want x.float() / 255 (a numpy array: x.astype('float32') / 255)",
        ),
        (lambda: train(train=(INPUTS.double(), LABELS)), "the network's weights want x.float()"),
        (
            lambda: train(train=(INPUTS, LABELS * 4)),
            "train: label 4 in row 1 is out of range: the network gives 4 scores, for labels 0 to 3; either the labels "
            "or the network's number of outputs is wrong",
        ),
        (lambda: train(validation=(INPUTS, LABELS - 1)), "validation: label -1 in row 0 is out of range: the network"),
    ],
)
def test_a_slip_is_one_line_without_a_second_traceback(call, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_network_that_ends_in_a_softmax_is_warned_of():
    with pytest.warns(UserWarning, match="drop the softmax"):
        train(soft())
    with pytest.warns(UserWarning, match="drop the softmax"):
        distill(Tiny(), soft())


def test_a_teacher_of_probabilities_is_warned_of_once():
    with pytest.warns(UserWarning, match="drop the teacher's softmax") as caught:
        distill(soft())
    assert len(caught) == 1
    with pytest.warns(UserWarning, match=re.escape("np.log(probabilities.clip(1e-6))")):
        ed.TeacherScores(train=torch.as_tensor(np.eye(3)))


def test_validation_on_the_training_examples_is_warned_of():
    class Copied(Dataset):
        def __len__(self):
            return 20

        def __getitem__(self, row):
            return INPUTS[row], int(LABELS[row])

    for same in (DATA, (INPUTS[:20].clone(), LABELS[:20].numpy()), Copied()):
        with pytest.warns(UserWarning, match="the validation examples are the training examples"):
            train(validation=same)
    with pytest.warns(UserWarning, match="the validation examples are the training examples"):
        distill(Tiny(), validation=DATA)


def test_nothing_is_warned_of_where_all_is_well():
    with warnings.catch_warnings(action="error"):
        train()
        distill(Tiny())
        train(validation=None)
