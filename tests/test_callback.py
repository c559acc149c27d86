"""``on_record``: each new record once, in order, without a trace in the run."""

import json
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

import evendistill as ed
from evendistill.models.ranks import Ranks

INPUTS, LABELS = torch.randn(48, 5, generator=torch.Generator().manual_seed(1)), torch.arange(48) % 4
DATA = (INPUTS, LABELS)
pytestmark = pytest.mark.filterwarnings("ignore:the validation examples are the training examples")


def network() -> nn.Module:
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 4))


def recipe(**told) -> ed.Recipe:
    return ed.Recipe(**{"epochs": 4, "batch_size": 12, "update_every": 3, "checkpoint_every": 3600.0} | told)


def distill(data=DATA, **told) -> ed.Result:
    settings = {"recipe": recipe(), "validation_labels": "true", "progress": False}
    return ed.distill(network(), network(), data, DATA, **settings | told)


def same(one: ed.Result, other: ed.Result) -> None:
    assert one.history == other.history
    assert torch.equal(one.multipliers, other.multipliers)
    for mine, yours in zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True):
        assert torch.equal(mine, yours)


@pytest.mark.parametrize("side", ["train", "distill"])
@pytest.mark.parametrize("with_folder", [True, False], ids=["folder", "no folder"])
def test_it_is_told_each_record_once_and_in_order(tmp_path, side, with_folder):
    told, logged = [], []

    def hear(record):
        told.append(record)
        if with_folder:
            logged.append((tmp_path / "out" / "metrics.jsonl").read_text().splitlines())

    settings = {"recipe": recipe(iterate="best"), "objective": ed.Robust(), "progress": False, "on_record": hear}
    settings |= {"out": tmp_path / "out"} if with_folder else {}
    if side == "train":
        result = ed.train(network(), DATA, DATA, **settings)
    else:
        result = ed.distill(network(), network(), DATA, DATA, **settings)
    assert told == result.history
    assert [record["epoch"] for record in told] == [1, 2, 3, 4]
    keys = {"epoch", "step", "loss", "learning_rate", "multipliers", "class_errors", "gap"}
    assert set(told[0]) == keys | {"validation_average_accuracy", "validation_worst_class_accuracy"}
    assert [len(lines) for lines in logged] == ([1, 2, 3, 4] if with_folder else [])
    for lines in logged:  # what is told is in the file already
        last = json.loads(lines[-1])
        assert isinstance(last.pop("time"), float)
        assert last == told[len(lines) - 1]


class Down(Exception):
    """What a tracker raises."""


@pytest.mark.parametrize("error", [Down("no server"), ValueError("a bad name")], ids=["own", "ValueError"])
@pytest.mark.parametrize("epoch", [2, 4])
def test_what_it_raises_ends_the_call_and_the_same_call_goes_on(tmp_path, error, epoch):
    told = []

    def hear(record):
        told.append(record["epoch"])
        if record["epoch"] == epoch and len(told) == epoch:
            raise error

    with pytest.raises(type(error)) as caught:
        distill(out=tmp_path, on_record=hear)
    assert caught.value is error
    assert told == list(range(1, epoch + 1))
    assert not (tmp_path / "FAILED").exists()  # a tracker that is down says nothing of the run
    assert not (tmp_path / "DONE").exists()
    result = distill(out=tmp_path, on_record=hear)
    assert told == [1, 2, 3, 4]
    same(result, distill())


def test_it_is_not_called_for_a_run_that_is_done(tmp_path):
    expected = distill(out=tmp_path)
    told = []
    result = distill(out=tmp_path, on_record=told.append)
    assert told == []
    assert result.history == expected.history


class Interrupted(Dataset):
    """A data set at which somebody presses Ctrl-C."""

    def __init__(self, reads):
        self.reads = reads

    def __len__(self):
        return len(LABELS)

    def __getitem__(self, row):
        self.reads -= 1
        if self.reads == 0:
            raise KeyboardInterrupt
        return INPUTS[row], int(LABELS[row])


def test_epochs_that_were_lost_are_trained_and_told_again_with_the_same_numbers(tmp_path):
    """Nothing was saved yet: whoever looks at steps sees the same value twice, never a hole."""
    told = []
    once = 48 + 2 + 48  # the fingerprint, the width of the scores, the teacher's scores
    with pytest.raises(KeyboardInterrupt):
        distill(Interrupted(once + 48 + 48 + 20), out=tmp_path, on_record=told.append)
    assert [record["epoch"] for record in told] == [1, 2]
    result = distill(Interrupted(0), out=tmp_path, on_record=told.append)
    assert told == result.history[:2] + result.history
    same(result, distill())


def test_what_it_does_leaves_no_trace_in_the_run():
    def meddle(record):
        torch.randn(3)
        random.random()
        np.random.rand()  # noqa: NPY002
        record["multipliers"].clear()
        record.clear()

    same(distill(on_record=meddle), distill())


def test_processes_after_the_first_tell_nobody(monkeypatch):
    monkeypatch.setattr(Ranks, "is_first", False)
    told = []
    assert len(distill(on_record=told.append).history) == 4
    assert told == []


def test_what_cannot_be_called_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"^on_record must be a function of a record, got list$"):
        distill(on_record=[])
    with pytest.raises(ValueError, match="on_record must be a function"):
        ed.train(network(), DATA, None, on_record="wandb")  # pyright: ignore[reportArgumentType]
