"""The view of a spec reaches every network of its run, and where images wait does not change what is learnt."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from evendistill.data.datasets import load_data
from evendistill.data.view import View
from evendistill.experiments.run import train_run
from evendistill.experiments.spec import RunSpec
from evendistill.training.turns import drained

VIEW = {"mean": [0.5], "std": [0.25], "pad": 1, "flip": True, "resize": 6}
TEACHER = {
    "data": {"source": "made-up:3x1x8", "imbalance": 4},
    "view": VIEW,
    "network": {"kind": "convnet", "width": 2},
    "objective": "balanced",
    "training": {"epochs": 1, "batch_size": 16},
}


def student_of(teacher):
    listening = {"temperature": 2.0, "validation_labels": "true"}
    return {**teacher, "objective": "robust", "teacher": teacher, "listening": listening}


def trained(plain, runs):
    return drained(train_run(RunSpec.model_validate(plain), runs)).path


def test_teacher_and_student_see_the_view_of_their_spec(tmp_path):
    teacher, student = trained(TEACHER, tmp_path), trained(student_of(TEACHER), tmp_path)
    seen = load_data("made-up:3x1x8", imbalance=4).viewed(View(mean=(0.5,), std=(0.25,), pad=1, flip=True, resize=6))
    for folder in (teacher, student):
        assert json.loads((folder / "data.json").read_text())["fingerprint"] == seen.fingerprint
        assert (folder / "DONE").is_file()
    (path,) = teacher.glob("scores-train-*")  # of images that are not augmented, so the student finds them
    assert load_file(path)["scores"].shape == (len(seen.train), 3)
    assert trained({**TEACHER, "view": {**VIEW, "flip": False}}, tmp_path) != teacher


def test_memory_and_stream_are_one_run_with_one_result(tmp_path):
    generator = np.random.default_rng(0)
    for split, count in (("train", 10), ("test", 6)):
        for label in "abc":
            (tmp_path / "data" / split / label).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(256, size=(8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "data" / split / label / f"{number}.png")
    found = []
    for told in ({"hold": "memory"}, {"hold": "stream", "workers": 1}):
        teacher = {**TEACHER, "data": {"source": str(tmp_path / "data"), **told}}
        runs = tmp_path / told["hold"]
        trained(teacher, runs)
        found.append(trained(student_of(teacher), runs))
    assert found[0].name == found[1].name
    for name in ("model.safetensors", "validation.json", "test.json"):
        assert (found[0] / name).read_bytes() == (found[1] / name).read_bytes()


def test_a_view_of_what_is_no_image_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a view is for images stored as bytes; these examples are arrays of numbers"):
        trained({**TEACHER, "data": {"source": "digits"}}, tmp_path)


@pytest.mark.parametrize("name", ["mean", "std"])
def test_two_numbers_for_three_channels_are_refused_when_the_spec_is_read(name):
    with pytest.raises(ValueError, match="must be one number or one for each of three channels, got two"):
        RunSpec.model_validate({**TEACHER, "view": {name: [0.5, 0.5]}})


def test_convolutions_of_a_run_are_in_channels_last_memory():
    from evendistill.experiments.networks import fresh_network

    network = fresh_network(RunSpec.model_validate(TEACHER), load_data("made-up:3x1x8"))
    weights = [parameter for parameter in network.parameters() if parameter.ndim == 4]
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)
