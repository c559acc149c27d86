"""The teacher is asked once, and its scores belong to its weights and its data."""

import numpy as np
import pytest
import torch
from torch import nn

import evendistill as ed
from evendistill.data.examples import ArrayDataset
from evendistill.distillation.teacher import teacher_scores

CPU = torch.device("cpu")
TRAIN = ArrayDataset(torch.randn(12, 4, generator=torch.Generator().manual_seed(1)), torch.arange(12) % 3)
VALIDATION = ArrayDataset(torch.randn(9, 4, generator=torch.Generator().manual_seed(2)), torch.arange(9) % 3)


class Counting(nn.Module):
    """A network that counts how many inputs it has been asked about."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 3)
        self.asked = 0

    def forward(self, inputs):
        self.asked += len(inputs)
        return self.layer(inputs)


def test_scores_are_computed_once_and_read_from_disk_afterwards(tmp_path):
    teacher = Counting()
    first = teacher_scores(teacher, TRAIN, VALIDATION, device=CPU, folder=tmp_path)
    assert teacher.asked == 21
    second = teacher_scores(teacher, TRAIN, VALIDATION, device=CPU, folder=tmp_path)
    assert teacher.asked == 21
    assert torch.equal(first.train, second.train)
    assert first.validation is not None
    assert second.validation is not None
    assert torch.equal(first.validation, second.validation)
    torch.testing.assert_close(first.train, teacher.layer(TRAIN.inputs).detach())


def test_other_weights_or_other_data_are_scored_anew(tmp_path):
    teacher = Counting()
    teacher_scores(teacher, TRAIN, None, device=CPU, folder=tmp_path)
    with torch.no_grad():
        teacher.layer.bias.add_(1)
    changed = teacher_scores(teacher, TRAIN, None, device=CPU, folder=tmp_path)
    assert teacher.asked == 24
    torch.testing.assert_close(changed.train, teacher.layer(TRAIN.inputs).detach())
    teacher_scores(teacher, ArrayDataset(TRAIN.inputs + 1, TRAIN.labels), None, device=CPU, folder=tmp_path)
    assert teacher.asked == 36


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"garbage" * 100,
        lambda content: content[:-4],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),  # one bit of the scores or of their checksum
        lambda content: content[:-40] + bytes([content[-40] ^ 1]) + content[-39:],
    ],
)
def test_a_damaged_cache_is_named_and_replaced(tmp_path, damage):
    teacher = Counting()
    first = teacher_scores(teacher, TRAIN, None, device=CPU, folder=tmp_path)
    (path,) = tmp_path.glob("scores-train-*.safetensors")
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    with pytest.warns(UserWarning, match=f"{path.name} .*computed anew"):
        second = teacher_scores(teacher, TRAIN, None, device=CPU, folder=tmp_path)
    assert torch.equal(first.train, second.train)
    assert path.read_bytes() == whole


def test_ready_scores_stand_in_for_the_teacher():
    teacher = nn.Linear(4, 3)
    recipe = ed.Recipe(epochs=2, batch_size=6, update_every=1)
    student = nn.Linear(4, 3)
    with torch.no_grad():
        scores = ed.TeacherScores(train=teacher(TRAIN.inputs), validation=teacher(VALIDATION.inputs))
    by_module = ed.distill(teacher, student, TRAIN, VALIDATION, recipe=recipe, progress=False)
    by_scores = ed.distill(scores, student, TRAIN, VALIDATION, recipe=recipe, progress=False)
    assert torch.equal(by_module.scores(TRAIN), by_scores.scores(TRAIN))


def test_arrays_will_do_as_scores():
    scores = ed.TeacherScores(train=np.zeros((4, 3)))  # pyright: ignore[reportArgumentType]
    assert scores.num_classes == 3


@pytest.mark.parametrize(
    ("train", "validation", "message"),
    [
        (torch.tensor([[0.0, 1.0], [torch.nan, 0.0]]), None, "on train are not finite, first in row 1"),
        (torch.zeros(2, 3), torch.zeros(2, 2), "3 classes on train, 2 on validation"),
        (torch.zeros(3), None, r"must be floating of shape \(N, C\)"),
        (torch.zeros(3, 1), None, r"must be floating of shape \(N, C\)"),
    ],
)
def test_scores_that_cannot_be_are_refused(train, validation, message):
    with pytest.raises(ValueError, match=message):
        ed.TeacherScores(train=train, validation=validation)
