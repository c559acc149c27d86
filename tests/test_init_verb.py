"""init, as a person meets it: what it prints, what it writes, and what it refuses."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evendistill.data.datasets import load_data
from evendistill.experiments.recipe import read_recipe

FASHION = Path(__file__).parents[2] / "shared/data/fashion-mnist"
LINES = ("10 classes: 0, 1, 2, 3, 4 and 5 more", "8 x 8 pixels", "WARNING: validation is too small", "written: ")


@pytest.fixture
def evendistill(command_line, tmp_path):
    """Any verb in this process, in an empty folder or another: exit code, standard output and error."""
    return lambda *words, cwd=tmp_path: command_line(cwd, *words)


@pytest.fixture
def init(evendistill):
    """The verb init alone."""
    return lambda *words: evendistill("init", *words)


def as_json(done):
    code, out, _ = done
    assert code == 0
    return json.loads(out, parse_constant=lambda token: pytest.fail(f"{token} is no JSON"))


def refused(done, *words):
    """One clear line, exit code 2, nothing on standard output."""
    code, out, err = done
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith("evendistill: ")
    for word in words:
        assert word in err, err


def photos(root):
    """Two splits of colour pictures, three classes with names that YAML would take for something else."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("test", 6)):
        for name in ("no", "- a: [", "null"):
            for number in range(count):
                path = root / split / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    return root


def test_digits_are_told_and_their_recipe_runs_as_it_is(init, evendistill, tmp_path):
    code, out, err = init("digits")
    assert (code, err) == (0, "")
    for line in LINES:
        assert line in out, out
    assert re.search(
        r"\d+ trainings of \d+ epochs, .* million examples, about \d+ [a-z]+ with --jobs \d+ on this machine \(fewer ",
        out,
    )
    assert os.listdir(tmp_path) == ["recipe.yaml"]
    code, out, err = evendistill("run", "recipe.yaml", "--dry-run")
    assert (code, out.count("\n")) == (0, 60), err
    code, out, err = evendistill("run", "recipe.yaml", "--smoke", "--pack", 6)
    assert code == 0, err
    assert "It all fits together: " in " ".join(out.split())
    assert "To ship" not in out
    assert "★ " not in out.replace("★ chosen", "")


def test_a_folder_of_pictures_gives_a_recipe_that_runs_from_anywhere(init, evendistill, tmp_path):
    photos(tmp_path / "my photos")
    assert init("my photos", "--to", "made/first.yaml")[0] == 0
    grid = read_recipe(tmp_path / "made/first.yaml")
    assert grid.data.source == str(tmp_path / "my photos")
    assert grid.view is not None
    assert (grid.view.pad, grid.view.flip) == (4, True)
    assert load_data(**grid.data.model_dump()).class_names == ("- a: [", "no", "null")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for words in (["--dry-run"], ["--smoke", "--pack", 6]):
        code, _, err = evendistill("run", "../made/first.yaml", *words, cwd=elsewhere)
        assert code == 0, err


def test_what_it_chose_for_arrays_can_be_trained_on_them(init, evendistill, tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    np.savez(tmp_path / "a.npz", x=rng.normal(size=(120, 5)) + labels[:, None], y=labels)
    assert init("a.npz")[0] == 0
    text = (tmp_path / "recipe.yaml").read_text()
    for old, new in (("epochs: 150 ", "epochs: 20 "), ("seeds: 3 ", "seeds: 1 ")):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "recipe.yaml").write_text(text)
    code, out, err = evendistill("run", "recipe.yaml", "--pack", 12)
    assert code == 0, err
    assert "To ship" in out


def test_json_holds_all_of_it_and_stands_alone(init, tmp_path):
    found = as_json(init("digits", "--imbalance", "30", "--json"))
    data = load_data("digits", imbalance=30)
    assert Path(found["recipe"]) == tmp_path / "recipe.yaml"
    assert found["data"] == {"source": "digits", "imbalance": 30.0}
    assert (len(found["classes"]), found["groups"]) == (10, [])
    for name, examples in (("train", data.train), ("validation", data.validation), ("test", data.test)):
        told = found["splits"][name]
        assert told["counts"] == np.bincount(examples.labels.numpy()).tolist()
        assert (told["examples"], told["absent"], told["cells"]) == (len(examples), [], {})
        assert told["smallest"]["examples"] == min(told["counts"])
        assert told["largest"]["examples"] == max(told["counts"])
        assert told["imbalance"] == max(told["counts"]) / min(told["counts"])
    assert found["inputs"]["shape"] == [1, 8, 8]
    assert found["held"] == {
        "where": "memory",
        "bytes": 4 * 64 * sum(map(len, (data.train, data.validation, data.test))),
    }
    worst = found["worst"]
    assert (worst["of"], worst["smallest"], worst["validation_examples"]) == ("class", "8", 43)
    assert worst["half_widths"] == pytest.approx({"0.5": 0.1431, "0.7": 0.1322}, abs=1e-4)
    assert worst["needed_for_5_points"] == 381
    assert set(worst["least_recall_if_all_are_0.7"]) == {"lower", "upper", "bias"}
    assert (found["robust_k"], found["runs"], found["epochs"]) == (1, 45, 150)
    assert found["examples_trained"] == 45 * 150 * len(data.train)
    assert len(found["warnings"]) == 1


def test_a_file_that_is_there_is_kept_unless_it_is_forced(init, tmp_path):
    (tmp_path / "recipe.yaml").write_text("mine")
    refused(init("digits"), "recipe.yaml is there already; --force replaces it")
    assert (tmp_path / "recipe.yaml").read_text() == "mine"
    assert init("digits", "--force")[0] == 0
    assert read_recipe(tmp_path / "recipe.yaml").name == "digits"
    (tmp_path / "link.yaml").symlink_to("nowhere")
    refused(init("digits", "--to", "link.yaml"), "is there already")


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("file/first.yaml", ("file is a file",)),
        ("file/deep/first.yaml", ("file is a file",)),
        ("folder.yaml", ("is a folder",)),
        ("recipe.txt", ("ends in .yaml", "recipe.txt")),
    ],
)
def test_a_target_that_cannot_be_written_is_one_line_and_leaves_nothing(init, tmp_path, to, words):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.yaml").mkdir()
    refused(init("digits", "--to", to), *words)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.yaml"]


def test_a_full_disk_leaves_no_part_of_a_recipe(init, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    code, out, err = init("digits")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "No space left" in err
    assert os.listdir(tmp_path) == []


def test_wrong_data_are_named_as_loading_names_them(init, tmp_path):
    (tmp_path / "bad.npz").write_text("no arrays")
    for source in ("./nowhere", "bad.npz"):
        with pytest.raises(ValueError, match=r"no such|not an \.npz") as error:
            load_data(str(tmp_path / source) if source.endswith("npz") else source)
        refused(init(source), str(error.value).removeprefix(f"{tmp_path}/"))
    refused(init("digits", "--imbalance", "0.5"), "imbalance must be at least 1", "0.5")
    refused(init("digits", "--group-column", "sex"), "no columns", "'sex'")
    assert os.listdir(tmp_path) == ["bad.npz"]


def test_columns_of_any_name_reach_the_recipe(init, tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    image, names = (tmp_path / "a.png").read_bytes(), ("1e3", "no: #\n'x", "null")
    columns = ([image] * 60, [number % 3 for number in range(60)], [number // 3 % 2 for number in range(60)])
    parquet.write_table(arrow.table(dict(zip(names, columns, strict=True))), tmp_path / "t.parquet")
    words = zip(("--image-column", "--label-column", "--group-column"), names, strict=True)
    found = as_json(init("t.parquet", *(word for pair in words for word in pair), "--json"))
    data = read_recipe(tmp_path / "recipe.yaml").data
    assert (data.image_column, data.label_column, data.group_column) == names
    assert found["worst"]["of"] == read_recipe(tmp_path / "recipe.yaml").grouping == "class x attribute"
    train = load_data(**data.model_dump()).train
    assert train.groups is not None
    pairs = list(zip(train.labels.tolist(), train.groups.tolist(), strict=True))
    cells = found["splits"]["train"]["cells"]
    assert cells == {f"{label}, {group}": pairs.count((label, group)) for group in (0, 1) for label in (0, 1, 2)}
    assert len(set(cells.values())) > 1


@pytest.mark.skipif(not FASHION.is_dir(), reason=f"needs real images in {FASHION}")
def test_fashion_mnist_is_told_as_it_is_known(init, tmp_path):
    found = as_json(init(FASHION, "--json"))
    assert found["splits"]["train"]["counts"] == [6000] * 10
    assert [found["splits"][name]["examples"] for name in ("validation", "test")] == [5000, 5000]
    assert found["classes"][:2] == ["T-shirt/top", "Trouser"]
    view = read_recipe(tmp_path / "recipe.yaml").view
    assert view is not None
    assert (view.mean, view.std, view.pad, view.flip) == ((0.286,), (0.353,), 0, False)
    assert found["held"] == {"where": "memory", "bytes": 70_000 * 28 * 28}
    assert found["warnings"] == []
