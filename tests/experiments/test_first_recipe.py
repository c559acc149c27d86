"""What a first recipe chooses, and how it is written."""

import json

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from evendistill.experiments.beginning import choices
from evendistill.experiments.beginning.commented import value
from evendistill.experiments.beginning.first import begin
from evendistill.experiments.beginning.found import Inputs
from evendistill.experiments.beginning.looking import look
from evendistill.experiments.recipe import read_recipe
from evendistill.experiments.yamlfile import read_yaml


def test_pictures_are_moved_and_mirrored_only_if_they_have_colours_and_are_not_tiny(tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 1), dtype=np.uint8)
    tiny = np.random.default_rng(0).integers(0, 256, (40, 31, 31, 3), dtype=np.uint8)
    for name, images in (("grey", grey.repeat(3, axis=3)), ("tiny", tiny)):
        np.savez(tmp_path / f"{name}.npz", x=images, y=np.arange(40) % 2)
        assert set(choices.view(look(str(tmp_path / f"{name}.npz")).inputs) or ()) == {"mean", "std"}


@pytest.mark.parametrize(
    ("shape", "has_colours", "teacher"),
    [
        ((20,), False, {"kind": "mlp", "hidden": [128, 128]}),
        ((1, 8, 8), False, {"kind": "mlp", "hidden": [128, 128]}),
        ((1, 28, 28), False, {"kind": "convnet", "width": 32}),
        ((3, 32, 32), True, {"kind": "resnet", "depth": 20}),
        ((3, 64, 64), True, {"kind": "resnet", "depth": 18, "stem": "small"}),
        ((3, 224, 300), True, {"kind": "resnet", "depth": 18, "stem": "imagenet"}),
    ],
)
def test_networks_fit_the_inputs(shape, has_colours, teacher):
    assert choices.networks(Inputs("images", shape, has_colours=has_colours), 10).teacher == teacher


@pytest.mark.parametrize("examples", [20, 299, 12_406, 60_000, 1_281_167])
def test_training_is_long_enough_or_as_long_as_is_usual(examples):
    length = choices.length(examples, 10_000)
    assert length.steps == length.epochs * max(1, examples // length.batch_size)
    assert length.steps >= 10_000 or length.epochs == 150
    assert length.steps // length.update_every >= 100 or length.update_every == 8


def test_more_than_a_hundred_classes_are_judged_by_the_ten_worst(tmp_path):
    for classes, count in ((100, 1), (101, 10)):
        path = tmp_path / f"{classes}.yaml"
        np.savez(tmp_path / "a.npz", x=np.zeros((5 * classes, 4)), y=np.arange(5 * classes) % classes)
        begin(str(tmp_path / "a.npz"), path, force=False, told={})
        assert read_recipe(path).robust_k == count


def test_hostile_names_stay_within_their_comment(tmp_path):
    names = ("a\nname: evil", "b # [", "\x1b[31mred\u202e", "c\u2028seeds: 9", "d\ufffe'\"", "日本" * 40)
    for name in names:
        (tmp_path / "o'd: #x\n" / name).mkdir(parents=True)
        for number in range(6):
            Image.new("RGB", (8, 8)).save(tmp_path / "o'd: #x\n" / name / f"{number}.png")
    path = tmp_path / "first\u2028#.yaml"
    first = begin(str(tmp_path / "o'd: #x\n"), path, force=False, told={})
    text = path.read_text(encoding="utf-8")
    assert all(line.isprintable() for line in text.split("\n"))
    assert read_yaml(path)["name"] == "o-d-x"
    assert first.grid.data.source == str(tmp_path / "o'd: #x\n")
    assert first.grid.seeds == (0, 1, 2)
    assert all(line.isprintable() for line in first.warnings)


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_read_back_from_one_line(text, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "value.yaml"
    path.write_text(f"a: {value([{'b': text}])}  # why\n", encoding="utf-8", newline="")
    assert "\n" not in value(text)
    assert read_yaml(path) == {"a": [{"b": text}]}


def test_a_recipe_is_yaml_that_says_nothing_of_the_machine(tmp_path):
    first = begin("digits", tmp_path / "r.yaml", force=False, told={})
    told = yaml.safe_load((tmp_path / "r.yaml").read_text())
    assert json.loads(json.dumps(told)) == told
    assert str(tmp_path) not in (tmp_path / "r.yaml").read_text()
    assert first.runs == 3 * (3 + 3 + 3 * 3)  # teachers, students alone, and students
    assert first.examples == 45 * 150 * 898
