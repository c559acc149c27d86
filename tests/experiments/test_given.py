"""ed.export: a network in Python becomes files that give its scores, and what cannot become them is one line."""

import json
import re
from typing import Any, cast

import numpy as np
import pytest
import torch
import yaml
from torch import nn

import evendistill as ed
from evendistill.experiments.arrays import read_scores
from evendistill.experiments.export.finished import read_spec
from evendistill.experiments.sources import read_source

for package in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(package, reason="the extra onnx is not installed")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402

from evendistill.experiments.export import writing  # noqa: E402
from evendistill.experiments.export.agreement import DisagreementError  # noqa: E402
from evendistill.experiments.export.load import load_exported  # noqa: E402

INPUTS = torch.randn(60, 5, generator=torch.Generator().manual_seed(1))
DATA, HELD_OUT = (INPUTS[:30], torch.arange(30) % 3), (INPUTS[30:], torch.arange(30) % 3)
NAMES = ["<b>cat", "dög", "a|b"]


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(5, 3)

    def forward(self, inputs):
        return self.linear(inputs)


def trained(**told: Any) -> ed.Result:
    torch.manual_seed(0)
    told = {"recipe": ed.Recipe(epochs=1, batch_size=10), "progress": False} | told
    return ed.train(Small(), DATA, HELD_OUT, **told)


@pytest.mark.parametrize("iterate", ["last", "averaged"])
def test_a_result_becomes_files_that_give_its_scores(tmp_path, iterate):
    recipe = ed.Recipe(epochs=1, batch_size=10, iterate=iterate, update_every=1)
    result = trained(objective=ed.Robust(), recipe=recipe)
    done = ed.export(result, HELD_OUT, to=tmp_path / "shipped", class_names=tuple(NAMES))
    assert sorted(done.files) == ["README.md", "config.json", "model.onnx", "model.safetensors"]
    expected = result.scores(HELD_OUT)
    session = onnxruntime.InferenceSession(done.folder / "model.onnx")
    (found,) = session.run(None, {"inputs": HELD_OUT[0].numpy()})
    np.testing.assert_allclose(np.asarray(found), expected.numpy(), atol=1e-5)
    again = load_exported(done.folder, network=Small())
    with torch.no_grad():
        torch.testing.assert_close(again(HELD_OUT[0]), expected)
    (entry,) = onnx.load(done.folder / "model.onnx").metadata_props
    assert (entry.key, json.loads(entry.value)) == ("class_names", NAMES)


def test_the_card_has_recalls_how_to_feed_it_and_no_licence(tmp_path):
    result = trained()
    text = (ed.export(result, HELD_OUT, to=tmp_path / "a", class_names=NAMES).folder / "README.md").read_text()
    correct = (result.scores(HELD_OUT).argmax(dim=1) == HELD_OUT[1])[HELD_OUT[1] == 1].sum()
    assert f"| dög | {10 * int(correct)}.0 ({correct} of 10; " in text
    assert "(B, 5) float32, as the network saw them in training: nothing in the file scales or normalises" in text
    assert "Not said yet: whoever publishes" in text
    assert "<b>cat" not in text
    assert yaml.safe_load(text.split("---\n")[1])["license"] == "other"
    licensed = ed.export(result, HELD_OUT, to=tmp_path / "b", license_name="mit").folder / "README.md"
    assert "Not said yet" not in licensed.read_text()


def test_the_network_of_the_caller_is_not_touched_and_the_code_on_the_card_runs(tmp_path, monkeypatch, capsys):
    network = Small().train()
    folder = ed.export(network, HELD_OUT, to=tmp_path / "shipped").folder
    assert network.training
    first, second = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(folder)
    exec(first, {})
    assert "# network_of_the_same_kind is yours to make, as before training" in second
    exec(second, {"network_of_the_same_kind": Small()})
    label = network(torch.zeros(1, 5)).argmax().item()
    assert capsys.readouterr().out == f"['{label}']\ntensor([{label}])\n"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda to: ed.export(cast(Any, Small), HELD_OUT, to=to), "what train and distill give, got the class Small"),
        (lambda to: ed.export(cast(Any, "runs"), HELD_OUT, to=to), "what train and distill give, got str"),
        (lambda to: ed.export(Small(), HELD_OUT, to=to, class_names=["a"]), "the network's 3 scores, got 1"),
        (lambda to: ed.export(Small(), HELD_OUT, to=to, class_names="abc"), "the network's 3 scores, got one text"),
        (lambda to: ed.export(Small(), (INPUTS[:, :4], HELD_OUT[1]), to=to), "must have one length"),
        (lambda to: ed.export(Small(), (HELD_OUT[0][:, :4], HELD_OUT[1]), to=to), "cannot take inputs of float32"),
        (lambda to: ed.export(Small(), (HELD_OUT[0], HELD_OUT[1] + 1), to=to), "label 3"),
        (lambda to: ed.export(trained(objective=ed.FrontierObjective((0, 1))), HELD_OUT, to=to), "result.at(alpha)"),
    ],
)
def test_what_cannot_be_exported_is_one_line(tmp_path, call, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        call(tmp_path / "shipped")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_one_network_of_a_frontier_can_be_exported(tmp_path):
    result = trained(objective=ed.FrontierObjective((0, 1)))
    ed.export(result.at(0.5), HELD_OUT, to=tmp_path / "shipped")


def test_a_frontier_member_with_biases_that_its_network_was_made_without_is_read_back(tmp_path):
    def made():
        before = nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 4, 2, bias=False), nn.ReLU(), nn.Flatten()
        return nn.Sequential(*before, nn.Linear(16, 3, bias=False))

    objective = ed.FrontierObjective((0, 1), by="film")
    recipe = ed.Recipe(epochs=2, batch_size=10, update_every=1, learning_rate=0.1)
    member = ed.train(made(), DATA, HELD_OUT, objective=objective, recipe=recipe, progress=False).at(0.5)
    assert [member.get_parameter(name).any() for name in ("1.bias", "4.bias")] == [True, True]
    done = ed.export(member, HELD_OUT, to=tmp_path / "shipped")
    with torch.no_grad():
        torch.testing.assert_close(load_exported(done.folder, network=made())(HELD_OUT[0]), member(HELD_OUT[0]))


def test_files_that_disagree_are_not_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "onnx_scores", lambda path, inputs: torch.cat([each[:, :3] for each in inputs]))
    with pytest.raises(DisagreementError):
        ed.export(Small(), HELD_OUT, to=tmp_path / "shipped")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("verb", "instead"),
    [
        (read_spec, "ed.export(result, held_out, to=...)"),
        (lambda folder: read_source(folder, None), "ed.diagnose(result.scores(held_out), labels)"),
        (read_scores, "result.evaluate(held_out)"),
    ],
)
def test_a_verb_that_is_given_a_folder_of_python_says_what_to_call(tmp_path, verb, instead):
    trained(out=tmp_path / "run")
    with pytest.raises(ValueError, match=re.escape(instead)) as caught:
        verb(tmp_path / "run")
    assert "ed.train(..., out=...) made this folder" in str(caught.value)
