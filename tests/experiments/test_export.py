"""Exported runs: the scores of the run on every road, the shift in its last layer, and nothing half written."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from evendistill.data.datasets import load_data
from evendistill.data.view import View
from evendistill.experiments.networks import finished_network
from evendistill.experiments.run import train_run
from evendistill.experiments.spec import RunSpec
from evendistill.storage.tensors import read_tensors
from evendistill.training.evaluation import scores_of
from evendistill.training.turns import drained

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")

from evendistill.experiments.export import export as exporting  # noqa: E402
from evendistill.experiments.export.agreement import DisagreementError, compare  # noqa: E402
from evendistill.experiments.export.export import export_run  # noqa: E402
from evendistill.experiments.export.load import load_exported  # noqa: E402

DIGITS = {"source": "digits", "imbalance": 20}
IMAGES = {"source": "made-up:44x3x9"}
VIEW = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3], "pad": 2, "crop": 10, "resize": 8, "flip": True}
MLP = {
    "data": DIGITS,
    "network": {"kind": "mlp", "hidden": [12]},
    "objective": "standard",
    "training": {"epochs": 4, "batch_size": 32},
}
AVERAGED = MLP | {"training": {"epochs": 1, "batch_size": 48, "iterate": "averaged", "update_every": 2}}
SHIFTED = MLP | {"teacher": MLP, "mend": {"kind": "post-shift"}}
HEADLESS = MLP | {"network": {"kind": "own", "path": "their_heads:Headless"}}
SPECS = {
    "mlp": MLP,
    "bf16": MLP | {"training": MLP["training"] | {"precision": "bf16"}},
    "averaged": AVERAGED,
    "shifted": SHIFTED,
    "scaled": AVERAGED | {"teacher": AVERAGED, "mend": {"kind": "vector-scaling"}},
    "refitted": MLP | {"teacher": MLP, "mend": {"kind": "refitted", "alpha": 1}},
    "mean": MLP | {"teacher": MLP, "others": [AVERAGED], "mend": {"kind": "mean", "others": ["robust"]}},
    "student": MLP | {"objective": "robust", "teacher": SHIFTED, "listening": {"temperature": 3.0}},
    "headless": HEADLESS | {"teacher": HEADLESS, "mend": {"kind": "vector-scaling"}},
    "convnet": MLP | {"data": IMAGES, "view": VIEW, "network": {"kind": "convnet", "width": 4}},
    "resnet20": MLP | {"data": IMAGES, "view": VIEW, "network": {"kind": "resnet", "depth": 20}},
    "resnet18": MLP | {"data": IMAGES, "network": {"kind": "resnet", "depth": 18, "stem": "imagenet"}},
}
for name in ("convnet", "resnet20", "resnet18"):
    SPECS[name] = SPECS[name] | {"training": {"epochs": 1, "batch_size": 128}}
each_kind = pytest.mark.parametrize("name", SPECS)


class Headless(nn.Module):
    """No layer of it gives its scores as they are."""

    def __init__(self, num_classes):
        super().__init__()
        self.linear = nn.Linear(64, num_classes, bias=False)

    def forward(self, inputs):
        return 3 * self.linear(inputs.flatten(1)).tanh()


class Renamed(nn.Module):
    def __init__(self, num_classes):
        nn.Module.__init__(self)
        self.other = nn.Linear(64, num_classes)

    def forward(self, inputs):
        return self.other(inputs.flatten(1))


@pytest.fixture(scope="module", autouse=True)
def theirs():
    module = ModuleType("their_heads")
    module.__dict__["Headless"] = Headless
    sys.modules["their_heads"] = module
    yield
    del sys.modules["their_heads"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Runs and exports by name, each made when it is asked for first."""
    place, done = tmp_path_factory.mktemp("export"), {}

    def make(name):
        if name not in done:
            spec = RunSpec.model_validate(SPECS[name])
            train(spec, place / "runs")
            done[name] = spec, export_run(place / "runs" / spec.folder_name, place / name)
        return (place / "runs", *done[name])

    return make


def train(spec, runs):
    for each in spec.inputs:
        train(each, runs)
    drained(train_run(spec, runs))


def expected(runs, spec):
    """Test inputs as they are stored, and the scores of the run's own network."""
    stored = load_data(**spec.data.model_dump())
    seen = stored if spec.view is None else stored.viewed(View(**spec.view.model_dump()))
    inputs = next(stored.test.batches([torch.arange(len(stored.test))]))
    return inputs, scores_of(finished_network(spec, seen, runs), seen.test)


def asked(folder, inputs):
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    return torch.from_numpy(session.run(["scores"], {"inputs": inputs.contiguous().numpy()})[0])


def graph(folder):
    return onnx.load(folder / "model.onnx").graph


def last_node(folder):
    (last,) = (node for node in graph(folder).node if "scores" in node.output)
    return last.op_type


@each_kind
def test_onnx_and_weights_give_the_scores_of_the_run_whatever_the_batch(made, name):
    runs, spec, done = made(name)
    inputs, scores = expected(runs, spec)
    scale = (scores - scores.mean(dim=1, keepdim=True)).square().mean().sqrt()
    assert len(inputs) >= 256
    for rows in (slice(0, 1), slice(0, 7), slice(None)):
        found = asked(done.folder, inputs[rows])
        assert (found - scores[rows]).abs().max() <= 1e-5 * scale
    assert torch.equal(found.argmax(dim=1), scores.argmax(dim=1))
    again = load_exported(done.folder, network=Headless(10) if name == "headless" else None)
    with torch.no_grad():
        assert (again(inputs) - scores).abs().max() <= 1e-5 * scale
    assert done.onnx.relative < 1e-5
    assert done.onnx.examples >= 256


@pytest.mark.parametrize("name", ["mlp", "shifted", "refitted", "student", "scaled"])
def test_the_shift_is_in_the_last_linear_layer(made, name):
    runs, spec, done = made(name)
    kinds = {node.op_type for node in graph(done.folder).node}
    assert not kinds & {"Add", "Mul"} if name != "scaled" else "Mul" not in kinds
    assert name == "scaled" or last_node(done.folder) == "Gemm"
    tensors = read_tensors(done.folder / "model.safetensors")
    assert not tensors.keys() & {"scale", "shift"}
    if name == "shifted":
        whole = read_tensors(runs / spec.folder_name / "model.safetensors")
        assert whole["shift"].abs().max() > 0.01
        torch.testing.assert_close(tensors["3.bias"], whole["network.3.bias"] + whole["shift"])


def test_where_no_layer_can_take_them_factor_and_shift_stand_in_the_graph(made):
    _, _, done = made("headless")
    assert last_node(done.folder) == "Add"
    assert json.loads((done.folder / "config.json").read_text())["network"]["kind"] == "rescaled"


def test_the_mean_of_probabilities_ends_in_its_own_operation(made):
    assert last_node(made("mean")[2].folder) in ("Sub", "Add")


def test_the_graph_says_what_it_takes_and_nothing_of_this_machine(made):
    runs, spec, done = made("convnet")
    (inputs,), (scores,) = graph(done.folder).input, graph(done.folder).output
    assert [inputs.name, scores.name] == ["inputs", "scores"]
    dims = [dim.dim_param or dim.dim_value for dim in inputs.type.tensor_type.shape.dim]
    assert dims == ["batch", 3, 9, 9]
    payload = (done.folder / "model.onnx").read_bytes()
    for word in (b"evendistill", b".py", b"site-packages", b"File"):
        assert word not in payload
    again = export_run(runs / spec.folder_name, done.folder)
    assert (again.folder / "model.onnx").read_bytes() == payload


def test_the_configuration_says_what_a_user_needs(made):
    runs, spec, done = made("student")
    config = json.loads((done.folder / "config.json").read_text())
    assert (config["run"], config["temperature"], config["view"]) == (spec.hash, 3.0, None)
    assert config["inputs"]["shape"] == [1, 8, 8]
    assert config["class_names"] == [str(digit) for digit in range(10)]
    assert config["network"] == {"kind": "mlp", "hidden": [12]}
    for name, checksum in config["files"].items():
        assert hashlib.sha256((done.folder / name).read_bytes()).hexdigest() == checksum
    told = json.loads((runs / spec.folder_name / "data.json").read_text())
    assert config["fingerprint"] == told["fingerprint"]


def test_the_card_s_code_runs_with_onnxruntime_and_numpy_alone(made):
    runs, spec, done = made("shifted")
    first, second = re.findall(r"```python\n(.*?)```", (done.folder / "README.md").read_text(), flags=re.DOTALL)
    inputs, scores = expected(runs, spec)
    np.save(done.folder.parent / "inputs.npy", inputs[:5].numpy())
    blocked = "import sys\nfor name in ('torch', 'evendistill', 'onnx'):\n    sys.modules[name] = None\n"
    code = re.sub(r"np\.zeros\(.*", "np.load('../inputs.npy')", first)
    assert code != first
    told = {"capture_output": True, "text": True, "cwd": done.folder, "check": True}
    shown = subprocess.run([sys.executable, "-c", blocked + code], **told).stdout
    assert shown == f"{[str(label) for label in scores[:5].argmax(dim=1).tolist()]}\n"
    code = re.sub(r"torch\.zeros\([^)]*\)[^)]*\)", "torch.tensor(__import__('numpy').load('../inputs.npy'))", second)
    assert code != second
    assert subprocess.run([sys.executable, "-c", code], **told).stdout == f"{scores[:5].argmax(dim=1)}\n"


def test_an_onnx_without_the_shift_is_found_out_and_nothing_is_left(made, tmp_path, monkeypatch):
    runs, spec, _ = made("shifted")
    real = exporting.onnx_bytes

    def without(network, inputs, **told):
        plain = finished_network(spec.teacher, load_data(**DIGITS), runs)
        network.network.load_state_dict(plain.state_dict())
        return real(network, inputs, **told)

    monkeypatch.setattr(exporting, "onnx_bytes", without)
    with pytest.raises(DisagreementError, match=r"model\.onnx gives other scores than the run, by up to .* scale"):
        export_run(runs / spec.folder_name, tmp_path / "shipped")
    assert list(tmp_path.iterdir()) == []


def test_scores_are_compared_by_their_scale_and_by_their_first():
    expected = torch.tensor([[100.0, -100.0], [0.0, 0.016]])
    assert compare(expected + 0.007, expected, "x").relative == pytest.approx(1e-4, rel=0.01)
    for off in (torch.tensor(0.02), torch.tensor(float("nan"))):
        with pytest.raises(DisagreementError, match="other scores"):
            compare(expected + off, expected, "x")
    swapped = torch.tensor([[100.0, -100.0], [0.0067, 0.0093]])
    assert compare(swapped, expected, "x").difference == pytest.approx(0.0067)
    expected[1, 1] = 0.0078
    with pytest.raises(DisagreementError, match="x puts another class first"):
        compare(torch.tensor([[100.0, -100.0], [0.0069, 0.0065]]), expected, "x")
    with pytest.raises(DisagreementError, match=r"scores \(2, 2\), the run \(1, 2\)"):
        compare(expected, expected[:1], "x")


def test_a_network_whose_code_gives_other_scores_than_it_was_trained_with_is_not_exported(tmp_path, monkeypatch):
    spec = RunSpec.model_validate(HEADLESS)
    train(spec, tmp_path / "runs")
    monkeypatch.setattr(Headless, "forward", lambda self, inputs: self.linear(inputs.flatten(1)).abs())
    with pytest.raises(DisagreementError, match=r"their_heads:Headless puts \d+ of 450 .* code changed since it was"):
        export_run(tmp_path / "runs" / spec.folder_name, tmp_path / "shipped")
    assert not (tmp_path / "shipped").exists()
    monkeypatch.setattr(Headless, "forward", Renamed.forward)
    monkeypatch.setattr(Headless, "__init__", Renamed.__init__)
    with pytest.raises(
        ValueError, match=r"model\.safetensors: the weights do not fit the network: Unexpected key"
    ) as err:
        export_run(tmp_path / "runs" / spec.folder_name, tmp_path / "shipped")
    assert str(err.value).endswith("; was its code changed since it was trained?")


def test_reading_back_runs_no_code_that_the_folder_names(made, tmp_path, monkeypatch):
    _, _, done = made("headless")
    with pytest.raises(ValueError, match="make it, and give it as network="):
        load_exported(done.folder)
    shutil.copytree(done.folder, tmp_path / "copy")
    (tmp_path / "copy" / "model.safetensors").write_bytes(b"other")
    with pytest.raises(ValueError, match=r"model\.safetensors is not what was exported"):
        load_exported(tmp_path / "copy", network=Headless(10))
