"""Data sets of the hub through its own library, on what lies here; and what is said where it cannot be reached."""

import io
import logging
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from evendistill.data.decoding import decode_all
from evendistill.data.sources import Encoded, Split, read_source

datasets = pytest.importorskip("datasets")
real_load = datasets.load_dataset


def png(value):
    file = io.BytesIO()
    Image.fromarray(np.full((4, 5, 3), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def images(split: Split) -> Encoded:
    assert not isinstance(split.inputs, torch.Tensor)
    return split.inputs


@pytest.fixture
def on_the_hub(tmp_path, monkeypatch):
    """Makes the hub's library find ``owner/name`` in a local folder, with a cache that goes with the test."""
    monkeypatch.chdir(tmp_path)

    def put(folder):
        def load(name):
            assert name == "owner/name"
            return real_load(str(folder), cache_dir=str(tmp_path / "cache"))

        monkeypatch.setattr(datasets, "load_dataset", load)

    return put


def test_tables_of_the_hub_are_read_without_decoding(tmp_path, on_the_hub):
    folder = tmp_path / "parquet"
    folder.mkdir()
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["ant", "bee"])})
    for split, values in (("train", [10, 20, 30]), ("validation", [40])):
        rows = {"image": [{"bytes": png(value), "path": None} for value in values], "label": [1, 0, 1][: len(values)]}
        datasets.Dataset.from_dict(rows, features=features).to_parquet(str(folder / f"{split}-00000-of-00001.parquet"))
    on_the_hub(folder)
    splits = read_source("owner/name")
    assert list(splits) == ["train", "validation"]
    assert splits["train"].labels.tolist() == [1, 0, 1]
    assert splits["train"].class_names == splits["validation"].class_names == ("ant", "bee")
    assert [images(splits["train"]).payload(row) for row in range(3)] == [png(10), png(20), png(30)]
    assert images(splits["validation"]).place(0) == "owner/name (validation), row 0"
    locally = read_source(str(folder))
    assert images(locally["train"]).fingerprint() == images(splits["train"]).fingerprint()


@pytest.fixture
def image_folder(tmp_path):
    folder = tmp_path / "folder"
    for number, name in enumerate(["train/ant/1", "train/bee/1", "train/bee/2", "test/ant/1"]):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number))
    return folder


def test_images_that_the_hub_keeps_as_files_are_read_from_them(image_folder, on_the_hub):
    on_the_hub(image_folder)
    splits = read_source("owner/name")
    pixels = decode_all(images(splits["train"]))
    assert dict(zip(pixels[:, 0, 0, 0].tolist(), splits["train"].labels.tolist(), strict=True)) == {0: 0, 1: 1, 2: 1}
    assert splits["test"].class_names == ("ant", "bee")


def test_the_fingerprint_of_images_kept_as_files_is_that_of_names_and_sizes(image_folder, on_the_hub):
    on_the_hub(image_folder)
    encoded = images(read_source("owner/name")["train"])
    for name in ("1", "2"):
        (image_folder / "train" / "bee" / f"{name}.png").write_bytes(b"as long")
    assert encoded.subset(torch.tensor([1])).fingerprint() != encoded.subset(torch.tensor([2])).fingerprint()
    before = encoded.fingerprint()
    (image_folder / "train" / "bee" / "2.png").write_bytes(b"short")
    assert encoded.fingerprint() != before


def test_a_file_of_the_hub_that_is_gone_is_named(image_folder, on_the_hub):
    on_the_hub(image_folder)
    encoded = images(read_source("owner/name")["test"])
    (image_folder / "test" / "ant" / "1.png").unlink()
    with pytest.raises(ValueError, match=r"^owner/name \(test\), row 0: its file .*/ant/1.png cannot be read: No such"):
        encoded.payload(0)


def test_columns_of_the_hub_are_named_where_they_are_not_found(image_folder, on_the_hub):
    on_the_hub(image_folder)
    with pytest.raises(ValueError, match=r"no column 'kind' in owner/name \(train\); its columns are image, label"):
        read_source("owner/name", label_column="kind")


def test_whatever_the_library_raises_is_one_line(tmp_path, monkeypatch):
    class Strange(Exception):
        pass

    def load(name):
        raise Strange("config\nis missing")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(ValueError, match=r"^the data set 'name' is neither a path nor .* hub: config is missing$"):
        read_source("name")


def test_the_library_is_quiet_and_afterwards_as_it_was(tmp_path, monkeypatch, capfd, caplog):
    for name in ("datasets", "huggingface_hub"):
        caplog.set_level(logging.INFO, logger=name)

    def load(name):
        logging.getLogger("datasets.builder").error("noise")
        logging.getLogger("huggingface_hub.utils").error("noise")
        assert not datasets.is_progress_bar_enabled()
        raise ConnectionError("no network")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(ValueError, match="no network"):
        read_source("owner/name")
    assert "noise" not in "".join(capfd.readouterr())
    assert datasets.is_progress_bar_enabled()
    assert {logging.getLogger(name).level for name in ("datasets", "huggingface_hub")} == {logging.INFO}


def test_without_a_network_it_says_so(tmp_path):
    code = "from evendistill.data.sources import read_source; read_source('owner/name')"
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    told = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 120}
    done = subprocess.run([sys.executable, "-c", code], **told)
    *_, last = done.stderr.strip().splitlines()
    assert last.startswith("ValueError: the data set 'owner/name' is neither a path nor reachable on the hub: Couldn't")
