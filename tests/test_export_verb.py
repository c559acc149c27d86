"""export, as a person meets it."""

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml

from evendistill.experiments.engines.choice import How
from evendistill.experiments.sweep import Sweep

for package in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(package, reason="the extra onnx is not installed")

from evendistill.experiments.export import agreement, place, writing  # noqa: E402

RECIPE = {
    "name": "small",
    "data": {"source": "digits", "imbalance": 20},
    "training": {"epochs": 1, "batch_size": 64},
    "teachers": {
        "network": {"kind": "mlp", "hidden": [8]},
        "objectives": ["standard"],
        "mended": ["post-shift"],
    },
    "seeds": [5],
}
FILES = ["README.md", "config.json", "model.onnx", "model.safetensors", "recipe.yaml"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ship")
    (folder / "small.yaml").write_text(yaml.safe_dump(RECIPE))
    outcomes = Sweep.read(folder / "small.yaml", folder / "runs").train(How(jobs=1, pack=2))
    assert [outcome.error for outcome in outcomes] == [None, None]
    return folder


@pytest.fixture
def here(swept, tmp_path) -> Path:
    """A copy of the finished runs to break things in."""
    shutil.copytree(swept / "runs", tmp_path / "runs")
    return tmp_path


@pytest.fixture
def evendistill(command_line, here):
    """The command line beside the runs."""
    return partial(command_line, here)


def run_of(here, words):
    (folder,) = here.glob(f"runs/*-{words}-s5")
    return folder


def refused(done, *words, code=2):
    assert (done[0], done[1], done[2].count("\n")) == (code, "", 1), done
    for word in words:
        assert word in done[2]


def left(here):
    return sorted(path.name for path in here.iterdir())


@pytest.fixture
def shipped(evendistill, here):
    code, out, err = evendistill("export", run_of(here, "post-shift-of-standard"), "--to", "shipped")
    assert (code, err) == (0, "warning: the card names no licence; --license mit, apache-2.0 or another does\n")
    return here / "shipped", out


def test_export_says_where_and_how_well_the_files_agree(shipped):
    folder, out = shipped
    first, second, fed, last = out.splitlines()
    assert first.startswith("model.onnx: largest difference ")
    assert "on 449 examples" in first
    assert "(at most 0.0001)" in first
    assert second.startswith("model.safetensors: ")
    assert fed == (
        "feed 'inputs' with (B, 1, 8, 8) float32, pixels in [0, 1], channels first; nothing is to be normalised; "
        "'scores' are (B, 10) raw scores, in this order: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    )
    assert last == f"exported: {folder}"
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert yaml.safe_load((folder / "recipe.yaml").read_text()) == RECIPE


def test_json_alone_on_standard_output_and_an_export_again_is_the_same(evendistill, shipped):
    folder, _ = shipped
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    run = run_of(folder.parent, "post-shift-of-standard")
    code, out, err = evendistill("export", run, "--to", "shipped", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["folder"] == str(folder)
    assert found["files"] == {name: len(payload) for name, payload in before.items()}
    assert (found["inputs"]["shape"], found["class_names"]) == ([1, 8, 8], [str(digit) for digit in range(10)])
    assert 0 <= found["agreement"]["model.onnx"]["relative"] < found["tolerance"] == 1e-4
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert left(folder.parent) == ["runs", "shipped"]


def test_a_run_that_cannot_be_exported_is_one_line(evendistill, here):
    run, teacher = run_of(here, "post-shift-of-standard"), run_of(here, "digits-standard")

    def say(*words, folder=run):
        refused(evendistill("export", folder, "--to", "shipped"), *words)
        assert not (here / "shipped").exists()

    say("nowhere: not the folder of a run", folder="nowhere")
    for name in ("data.json", "test.json", "model.safetensors"):
        whole = (run / name).read_bytes()
        (run / name).write_bytes(whole[:-1] + b" ")
        say(f"{name} is not what the run wrote; run the recipe again, which makes it anew")
        (run / name).write_bytes(whole)
    (teacher / "DONE").rename(teacher / "GONE")
    say("is not trained yet; run the recipe first")
    say("the run is not finished; run its recipe first", folder=teacher)
    (teacher / "GONE").rename(teacher / "DONE")
    say("its spec.json tells of another run", folder=run.rename(run.with_name("renamed")))
    told = json.loads((teacher / "spec.json").read_text())
    (teacher / "spec.json").write_text(json.dumps(told | {"order_seed": 6}))
    say("its spec.json tells of another run", folder=teacher)
    (teacher / "spec.json").write_text(json.dumps(told | {"nonsense": 1}))
    say("spec.json does not tell a run", folder=teacher)


def test_other_data_than_the_run_s_are_refused(evendistill, here):
    run = run_of(here, "digits-standard")
    refused(evendistill("export", run, "--to", "shipped", "--data", "made-up:10x1x8"), "not the data of the run")
    assert left(here) == ["runs"]


@pytest.mark.parametrize("broken", ["README.md", "model.safetensors"])
def test_an_export_cut_off_midway_leaves_what_was_there(evendistill, here, monkeypatch, broken):
    real = writing.write_bytes

    def full(path, payload):
        if path.name == broken:
            raise OSError(28, "No space left on device")
        real(path, payload)

    monkeypatch.setattr(writing, "write_bytes", full)
    run = run_of(here, "digits-standard")
    refused(evendistill("export", run, "--to", "shipped"), "No space left", code=1)
    assert left(here) == ["runs"]
    monkeypatch.setattr(writing, "write_bytes", real)
    assert evendistill("export", run, "--to", "shipped")[0] == 0
    before = {path.name: path.read_bytes() for path in (here / "shipped").iterdir()}
    monkeypatch.setattr(writing, "write_bytes", full)
    assert evendistill("export", run_of(here, "post-shift-of-standard"), "--to", "shipped")[0] == 1
    assert before == {path.name: path.read_bytes() for path in (here / "shipped").iterdir()}
    assert left(here) == ["runs", "shipped"]


def test_an_export_that_cannot_take_its_place_puts_the_old_one_back(shipped, monkeypatch):
    folder, real = shipped[0], place.os.rename

    def stubborn(old, new):
        if new == folder and old.name.count("tmp") and (old / "new").exists():
            raise OSError(5, "Input/output error")
        real(old, new)

    monkeypatch.setattr(place.os, "rename", stubborn)
    with pytest.raises(OSError, match="Input/output"), place.written_whole(folder) as temporary:
        (temporary / "new").touch()
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert left(folder.parent) == ["runs", "shipped"]


def test_an_error_names_the_folder_that_was_asked_for(tmp_path):
    shipped = tmp_path / "shipped"
    with pytest.raises(FileNotFoundError) as caught, place.written_whole(shipped) as temporary:
        (temporary / "nowhere" / "file").write_bytes(b"")
    assert caught.value.filename == str(shipped)
    (tmp_path / "file").touch()
    told = f"{tmp_path / 'file' / 'shipped'} cannot be written: {tmp_path / 'file'} is a file; --to writes elsewhere"
    with pytest.raises(ValueError, match=told), place.written_whole(tmp_path / "file" / "shipped"):
        pass


def test_a_folder_that_holds_anything_else_is_left_alone(evendistill, shipped):
    folder, here = shipped[0], shipped[0].parent
    run = run_of(here, "digits-standard")
    (folder / "notes.txt").write_text("mine")
    refused(evendistill("export", run, "--to", folder), "also holds notes.txt, which evendistill export did not write")
    assert (folder / "notes.txt").read_text() == "mine"
    refused(evendistill("export", run, "--to", "runs"), "runs: not a folder that evendistill export made")
    refused(evendistill("export", run, "--to", run), "not a folder that evendistill export made")
    (here / "file").touch()
    refused(evendistill("export", run, "--to", "file"), "file is a file; an export needs a folder")
    (here / "config").mkdir()
    (here / "config" / "config.json").write_text('{"model_type": "bert"}')
    refused(evendistill("export", run, "--to", "config"), "its config.json is another's")
    (here / "empty").mkdir()
    assert evendistill("export", run, "--to", "empty/new")[0] == 0


def test_files_that_disagree_end_with_code_1(evendistill, here, monkeypatch):
    monkeypatch.setattr(agreement, "TOLERANCE", 0)
    run = run_of(here, "post-shift-of-standard")
    refused(evendistill("export", run, "--to", "shipped"), "gives other scores than the run", code=1)
    assert left(here) == ["runs"]


def test_what_is_not_installed_is_named_before_anything_is_read(evendistill, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    refused(evendistill("export", "nowhere", "--to", "x"), "needs onnxscript: pip install 'evendistill[onnx]'")


@pytest.mark.parametrize("verb", ["export", "push"])
def test_help_has_an_example_and_comes_without_torch(verb):
    code = "import sys, evendistill.cli as c\ntry:\n    c.main()\nfinally:\n    assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code, verb, "--help"], capture_output=True, text=True, check=True)
    shown = done.stdout
    assert f"Example: evendistill {verb}" in shown
    assert verb == "push" or "its code is imported and run" in " ".join(shown.split())
