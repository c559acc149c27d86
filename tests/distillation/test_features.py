"""The teacher's features are asked once, kept beside its scores, and brought to one scale."""

import numpy as np
import pytest
import torch
from torch import nn

from evendistill.data.examples import ArrayDataset
from evendistill.distillation.features import standardised, teacher_features
from evendistill.distillation.teacher import teacher_scores
from evendistill.models.average import MeanOfProbabilities
from evendistill.storage.tensors import read_tensors

CPU = torch.device("cpu")
TRAIN = ArrayDataset(torch.randn(12, 4, generator=torch.Generator().manual_seed(1)), torch.arange(12) % 3)


class Counting(nn.Module):
    """A network with six features that counts how many inputs it has been asked about."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(4, 6), nn.Tanh())
        self.head = nn.Linear(6, 3)
        self.asked = 0

    def forward(self, inputs):
        self.asked += len(inputs)
        return self.head(self.body(inputs))


def features_of(teacher, folder, train=TRAIN):
    return teacher_features(teacher, train, device=CPU, folder=folder)


def by_hand(values):
    values = np.asarray(values, dtype=np.float64)
    return (values - values.mean(axis=0)) / values.std(axis=0)


@pytest.mark.parametrize("width", [1, 64, 65, 200])
def test_features_have_mean_zero_and_deviation_one(width):
    features = torch.randn(50, width) * torch.logspace(-3, 3, width) + torch.linspace(-100, 100, width)
    found = standardised(features)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), by_hand(features.numpy()), rtol=1e-5, atol=1e-6)


def test_a_feature_that_says_nothing_is_zero():
    features = torch.randn(50, 4, dtype=torch.float64)
    features[:, 0] = 0
    features[:, 1] = 0.1
    features[:, 2] = 1e6 + 1e-2 * torch.randn(50, dtype=torch.float64)  # as much as rounding would do
    found = standardised(features)
    assert not found[:, :3].any()
    np.testing.assert_allclose(found[:, 3].numpy(), by_hand(features[:, 3].numpy()))


def test_a_small_feature_counts_as_much_as_a_large_one():
    features = torch.randn(50, 2, dtype=torch.float64) * torch.tensor([1e-9, 1e9])
    np.testing.assert_allclose(standardised(features).square().mean(dim=0).numpy(), [1, 1])


def test_they_are_computed_once_and_read_from_disk_afterwards(tmp_path):
    teacher = Counting()
    first = features_of(teacher, tmp_path)
    assert teacher.asked == 12 + 2  # two to find its head
    second = features_of(teacher, tmp_path)
    assert teacher.asked == 14
    assert torch.equal(first, second)
    np.testing.assert_allclose(first.numpy(), by_hand(teacher.body(TRAIN.inputs).detach()), rtol=1e-4, atol=1e-5)


def test_what_is_kept_is_raw_and_named_as_the_scores_are(tmp_path):
    teacher = Counting()
    features_of(teacher, tmp_path)
    teacher_scores(teacher, TRAIN, None, device=CPU, folder=tmp_path)
    kept, scores = sorted(path.name for path in tmp_path.iterdir())
    assert kept == scores.replace("scores-train-", "features-train-")
    torch.testing.assert_close(read_tensors(tmp_path / kept)["features"], teacher.body(TRAIN.inputs).detach())


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert features_of(Counting(), None).shape == (12, 6)
    assert not list(tmp_path.iterdir())


def test_other_weights_or_other_data_are_asked_anew(tmp_path):
    teacher = Counting()
    features_of(teacher, tmp_path)
    with torch.no_grad():
        next(teacher.body.parameters()).neg_()
    changed = features_of(teacher, tmp_path)
    np.testing.assert_allclose(changed.numpy(), by_hand(teacher.body(TRAIN.inputs).detach()), rtol=1e-4, atol=1e-5)
    features_of(teacher, tmp_path, ArrayDataset(TRAIN.inputs + 1, TRAIN.labels))
    assert teacher.asked == 3 * 14
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("damage", [lambda _: b"", lambda _: b"garbage" * 100, lambda content: content[:-4]])
def test_a_damaged_cache_is_replaced(tmp_path, damage):
    teacher = Counting()
    first = features_of(teacher, tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    with pytest.warns(UserWarning, match=f"{path.name} .*computed anew"):
        assert torch.equal(features_of(teacher, tmp_path), first)
    assert path.read_bytes() == whole
    assert teacher.asked == 28


def test_scores_in_the_place_of_features_are_not_taken_for_them(tmp_path):
    teacher = Counting()
    first = features_of(teacher, tmp_path)
    (path,) = tmp_path.iterdir()
    teacher_scores(teacher, TRAIN, None, device=CPU, folder=tmp_path)
    (scores,) = tmp_path.glob("scores-*")
    scores.rename(path)
    with pytest.warns(UserWarning, match="holds no features"):
        assert torch.equal(features_of(teacher, tmp_path), first)


def test_a_teacher_without_a_head_is_named():
    teacher = MeanOfProbabilities([Counting(), Counting()])
    message = r"^no linear layer of the teacher, MeanOfProbabilities, gives its scores as they are, so it has no head$"
    with pytest.raises(ValueError, match=message):
        features_of(teacher, None)
