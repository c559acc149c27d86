"""Resuming from any checkpoint gives the run that was never cut off, bit for bit."""

import os
import random
import shutil
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

import evendistill as ed
from evendistill.training.checkpoint import Checkpoint

INPUTS, LABELS = torch.randn(50, 6, generator=torch.Generator().manual_seed(1)), torch.arange(50) % 3
VALIDATION = (torch.randn(40, 6, generator=torch.Generator().manual_seed(2)), torch.arange(40) % 3)


class Augmented(Dataset):
    """A user's data set that draws from every global generator each time it is read."""

    def __len__(self):
        return len(LABELS)

    def __getitem__(self, row):
        noise = torch.randn(6) + random.random() + float(np.random.rand())  # noqa: NPY002
        return INPUTS[row] + 0.1 * noise, int(LABELS[row])


def network() -> nn.Module:
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))


def recipe(**told) -> ed.Recipe:
    settings: dict[str, Any] = {
        "epochs": 3,
        "batch_size": 16,
        "update_every": 2,
        "update_examples": 25,
        "warmup_epochs": 1,
    }
    return ed.Recipe(**{**settings, "checkpoint_every": 0.0} | told)


def same(a: ed.Result, b: ed.Result) -> None:
    assert torch.equal(a.multipliers, b.multipliers)
    assert a.history == b.history
    for one, other in zip(a.model.state_dict().values(), b.model.state_dict().values(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("iterate", ["last", "averaged", "best"])
@pytest.mark.parametrize("train", [(INPUTS, LABELS), Augmented()], ids=["array", "random data set"])
def test_resuming_from_every_checkpoint_equals_straight_through(tmp_path, monkeypatch, iterate, train):
    teacher = network()
    saved = []
    save = Checkpoint.save

    def keep_each(self, state):
        save(self, state)
        copy = tmp_path / "kept" / str(len(saved))
        shutil.copytree(self.path.parent, copy)
        saved.append(copy)

    def run(out, **told):
        return ed.distill(
            teacher,
            network(),
            train,
            VALIDATION,
            validation_labels="true",
            recipe=recipe(iterate=iterate, **told),
            seed=4,
            out=out,
            progress=False,
        )

    monkeypatch.setattr(Checkpoint, "save", keep_each)
    straight = run(tmp_path / "straight")
    monkeypatch.setattr(Checkpoint, "save", save)
    assert len(saved) == 9  # three epochs of three steps
    for folder in saved:
        assert (folder / "checkpoint.pt").is_file()
        same(run(folder, checkpoint_every=1e9), straight)


def test_the_augmented_data_set_of_that_test_is_random():
    assert not torch.equal(Augmented()[0][0], Augmented()[0][0])


def test_a_damaged_checkpoint_is_named_and_the_run_starts_anew(tmp_path):
    data = (INPUTS, LABELS)
    straight = ed.train(network(), data, VALIDATION, objective=ed.Robust(), recipe=recipe(), progress=False)
    for damage in (lambda content: content[:-10], lambda content: content[:200] + b"x" + content[201:], lambda _: b""):
        out = tmp_path / "run"
        shutil.rmtree(out, ignore_errors=True)
        interrupted(out)
        path = out / "checkpoint.pt"
        path.write_bytes(damage(path.read_bytes()))
        with pytest.warns(UserWarning, match=r"checkpoint.pt is damaged"):
            again = ed.train(
                network(), data, VALIDATION, objective=ed.Robust(), recipe=recipe(), out=out, progress=False
            )
        same(again, straight)


def interrupted(out) -> None:
    """Cut a run off after its fourth step."""
    from evendistill.training import state

    def stop(self):
        if self.step == 4:
            raise KeyboardInterrupt
        return original(self)

    original = state.State.set_learning_rate
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state.State, "set_learning_rate", stop)
        data = (INPUTS, LABELS)
        with pytest.raises(KeyboardInterrupt):
            ed.train(network(), data, VALIDATION, objective=ed.Robust(), recipe=recipe(), out=out, progress=False)


def test_an_interrupted_run_is_not_marked_as_failed_and_goes_on(tmp_path):
    interrupted(tmp_path)
    assert not (tmp_path / "FAILED").exists()
    assert (tmp_path / "checkpoint.pt").is_file()
    data = (INPUTS, LABELS)
    again = ed.train(network(), data, VALIDATION, objective=ed.Robust(), recipe=recipe(), out=tmp_path, progress=False)
    straight = ed.train(network(), data, VALIDATION, objective=ed.Robust(), recipe=recipe(), progress=False)
    same(again, straight)
    assert not (tmp_path / "checkpoint.pt").exists()
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 3


def test_a_finished_folder_trains_nothing_and_gives_the_same_result(tmp_path, monkeypatch):
    data = (INPUTS, LABELS)
    for iterate in ("last", "averaged", "best"):
        out = tmp_path / iterate

        def run(network=network, iterate=iterate, out=out):
            told = recipe(iterate=iterate)
            return ed.train(network(), data, VALIDATION, objective=ed.Robust(), recipe=told, out=out, progress=False)

        first = run()
        before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.iterdir()}
        with monkeypatch.context() as patch:
            patch.setattr("evendistill.training.complete.fit", None)
            second = run()
        same(first, second)
        assert before == {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.iterdir()}


def test_a_folder_of_another_run_is_refused_by_its_first_difference(tmp_path):
    data = (INPUTS, LABELS)
    ed.train(network(), data, VALIDATION, recipe=recipe(epochs=2), out=tmp_path, progress=False)
    with pytest.raises(ValueError, match=r"holds another run: its recipe.epochs is 2, asked for is 3;"):
        ed.train(network(), data, VALIDATION, recipe=recipe(), out=tmp_path, progress=False)
    with pytest.raises(ValueError, match=r"its seed is 0, asked for is 1"):
        ed.train(network(), data, VALIDATION, recipe=recipe(epochs=2), seed=1, out=tmp_path, progress=False)


def test_a_changed_model_file_is_refused(tmp_path):
    data = (INPUTS, LABELS)
    ed.train(network(), data, VALIDATION, recipe=recipe(), out=tmp_path, progress=False)
    path = tmp_path / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"model.safetensors is not what the run wrote"):
        ed.train(network(), data, VALIDATION, recipe=recipe(), out=tmp_path, progress=False)


def test_two_processes_cannot_train_one_run(tmp_path):
    from evendistill.training.folder import RunFolder

    with (
        RunFolder(tmp_path).locked(),
        pytest.raises(BlockingIOError, match=f"being trained by process {os.getpid()} on "),
    ):
        ed.train(network(), (INPUTS, LABELS), VALIDATION, recipe=recipe(), out=tmp_path, progress=False)


def test_checkpoints_are_spaced_by_the_clock(tmp_path):
    now = [0.0]
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt", every=30, clock=lambda: now[0])
    for moment, saves in ((29, False), (30, True), (59, False), (61, True)):
        now[0] = moment
        checkpoint.path.unlink(missing_ok=True)
        checkpoint.save_if_due(lambda: {"step": 1})
        assert checkpoint.path.is_file() is saves
