"""Arrays in .npz files, in the usual spellings."""

import io
import zipfile

import numpy as np
import pytest
import torch
from torch import Tensor

from evendistill.data.sources import read_source

LABELS = np.array([0, 2, 1, 0])
GREY = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
COLOUR = np.arange(4 * 5 * 6 * 3, dtype=np.uint16).astype(np.uint8).reshape(4, 5, 6, 3)


def saved(folder, **arrays):
    np.savez(folder / "data.npz", **arrays)
    return str(folder / "data.npz")


def read(folder, images, labels=LABELS):
    split = read_source(saved(folder, x_train=images, y_train=labels))["train"]
    assert isinstance(split.inputs, Tensor)
    return split.inputs


@pytest.mark.parametrize(
    ("keys", "splits"),
    [
        (["x_train", "y_train", "x_test", "y_test"], ["train", "test"]),
        (["X_train", "Y_train", "X_val", "Y_val", "x_TEST", "y_test"], ["train", "validation", "test"]),
        (
            ["test_images", "test_labels", "train_images", "train_labels", "val_images", "val_labels"],
            ["train", "validation", "test"],
        ),
        (["X", "y", "classes", "label_names", "image_ids"], ["train"]),
        (["images", "labels"], ["train"]),
        (["x_dev", "y_dev", "x_extra", "y_extra"], ["validation", "extra"]),
    ],
)
def test_the_usual_keys_are_understood(tmp_path, keys, splits):
    images, labels = iter(range(1, 9)), iter(range(1, 9))
    arrays = {
        key: np.array([next(labels), 0])
        if key.lower().startswith("y") or key.endswith("labels")
        else np.full((2, 3), next(images))
        for key in keys
    }
    found = read_source(saved(tmp_path, **arrays))
    assert list(found) == splits
    for split in found.values():  # the images of a split are those that were saved with its labels
        assert isinstance(split.inputs, Tensor)
        assert split.inputs[0, 0] == split.labels[0]


def test_labels_in_a_column_are_flattened(tmp_path):
    split = read_source(saved(tmp_path, x=GREY, y=LABELS[:, None].astype(np.uint8)))["train"]
    assert split.labels.tolist() == LABELS.tolist()
    assert split.class_names == ("0", "1", "2")


def test_labels_may_be_words(tmp_path):
    with pytest.warns(UserWarning, match="0 ant, 1 bee$"):
        split = read_source(saved(tmp_path, x=GREY[:3], y=np.array(["bee", "ant", "bee"])))["train"]
    assert split.labels.tolist() == [1, 0, 1]


def test_grey_images_get_one_channel(tmp_path):
    images = read(tmp_path, GREY)
    assert images.dtype == torch.uint8
    assert images.shape == (4, 1, 5, 6)
    assert torch.equal(images[:, 0], torch.from_numpy(GREY))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_channels_come_first_without_a_copy(tmp_path, channels):
    stored = np.ascontiguousarray(COLOUR[..., :channels])
    images = read(tmp_path, stored)
    assert images.shape == (4, channels, 5, 6)
    assert torch.equal(images, torch.from_numpy(stored).permute(0, 3, 1, 2))
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_channels_that_come_first_already_stay(tmp_path):
    stored = np.ascontiguousarray(COLOUR.transpose(0, 3, 1, 2))
    assert torch.equal(read(tmp_path, stored), torch.from_numpy(stored))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, ">f4", ">i2", bool])
def test_other_arrays_stay_as_they_are(tmp_path, dtype):
    stored = COLOUR.astype(dtype)
    images = read(tmp_path, stored)
    assert images.shape == (4, 5, 6, 3)
    assert images.numpy().dtype == np.dtype(dtype).newbyteorder("=")
    assert np.array_equal(images.numpy(), stored)


@pytest.mark.parametrize("dtype", [np.float64, ">f8"])
def test_float64_becomes_float32(tmp_path, dtype):
    images = read(tmp_path, GREY.astype(dtype))
    assert images.dtype == torch.float32
    assert np.array_equal(images.numpy(), GREY)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": GREY, "b": LABELS}, "its keys are a, b; expected x_train and y_train, or"),
        ({}, "its keys are none; expected"),
        ({"x_train": GREY, "y_test": LABELS}, "'x_train' has no labels of split 'train' beside it; .* x_train, y_test"),
        ({"y": LABELS}, "'y' has no inputs of split 'train' beside it"),
        ({"x": GREY, "x_train": GREY, "y": LABELS}, "'x' and 'x_train' are both the inputs of 'train'; keep one"),
        (
            {"x_val": GREY, "y_val": LABELS, "x_dev": GREY, "y_dev": LABELS},
            "'val' and 'dev' are both the split 'validation'",
        ),
        ({"x": GREY, "y": LABELS[:3]}, r"'x' must have shape \(N, ...\) with the N = 3 of 'y', got \(4, 5, 6\)"),
        ({"x": LABELS, "y": LABELS}, r"'x' must have shape .* got \(4,\)"),
        ({"x": GREY, "y": np.eye(4)}, r"'y' must have shape \(N,\) or \(N, 1\), got \(4, 4\)"),
        ({"x": GREY, "y": np.array(0)}, r"'y' must have shape \(N,\) or \(N, 1\), got \(\)"),
        ({"x": np.array(["a"] * 4), "y": LABELS}, "'x' must have shape"),
        ({"x": np.array([["a"]] * 4), "y": LABELS}, "'x' must hold numbers, got <U1"),
        ({"x": np.array([[None]] * 4), "y": LABELS}, "'x' is damaged or not saved as numbers: Object arrays cannot"),
        ({"x": GREY, "y": np.array([0, 1, None, 2])}, "'y' is damaged or not saved as numbers: Object arrays cannot"),
        ({"x": GREY, "y": np.array([0, 1, 2, -1])}, ", 'y', row 3: labels must be whole numbers .*, got -1"),
        ({"x": np.array([[0.0], [1.0], [np.inf], [np.nan]]), "y": LABELS}, ", 'x', row 2: inputs must be finite"),
        ({"x": GREY, "y": np.array([0, np.nan, 2, 1])}, ", 'y', row 1: labels must be whole numbers .*, got nan"),
        ({"x": GREY[:0], "y": LABELS[:0]}, "split 'train' has no rows"),
    ],
)
def test_arrays_that_are_no_images_with_labels_are_refused(tmp_path, arrays, message):
    source = saved(tmp_path, **arrays)
    with pytest.raises(ValueError, match=f"^{source}(: |(?=,)){message}") as told:
        read_source(source)
    assert "\n" not in str(told.value)


def test_damage_anywhere_is_one_line_that_names_the_file(tmp_path):
    source = saved(tmp_path, x=GREY, y=LABELS)
    with open(source, "rb") as file:
        whole = file.read()
    spoilt = bytearray(whole)
    spoilt[200:220] = bytes(20)
    header = whole.replace(b"NUMPY", b"mumpy")
    plain = io.BytesIO()
    np.save(plain, GREY)
    for damaged in (b"", b"no archive", whole[:-30], whole[40:], bytes(spoilt), header, plain.getvalue()):
        with open(source, "wb") as file:
            file.write(damaged)
        with pytest.raises(ValueError, match=f"^{source}: .*(damaged|not)") as told:
            read_source(source)
        assert "\n" not in str(told.value)


def test_a_member_that_is_no_array_is_refused(tmp_path):
    source = saved(tmp_path, y=LABELS)
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("x.npy", b"no array")
    with pytest.raises(ValueError, match="'x' is"):
        read_source(source)


def test_an_npz_has_no_columns(tmp_path):
    with pytest.raises(ValueError, match=r"label_column names a column of parquet files, but there are none in .*'y'"):
        read_source(saved(tmp_path, x=GREY, y=LABELS), label_column="y")
