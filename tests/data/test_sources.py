"""What is read when: paths, names on the hub, packages that are missing, and the real sets where they are."""

import sys
from pathlib import Path

import pytest
import torch

from evendistill.data.decoding import decode_all
from evendistill.data.sources import Encoded, Split, read_source
from evendistill.data.splits import class_sizes

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real data sets are not at {SHARED}")


@pytest.mark.parametrize(
    "source",
    [
        "./nothing",
        "../nothing/here",
        "/nothing/here",
        "/nothing",
        "~/nothing/here",
        "nothing/here/there",
        "nothing/data.npz",
        "nothing.parquet",
        "nothing.PQ",
        "with space/name",
        "nothing/",
        "a\0b",
        "",
    ],
)
def test_a_path_that_is_not_there_is_named_and_not_looked_for_on_the_hub(source, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match="there is no such file or folder") as told:
        read_source(source)
    assert str(told.value).startswith(f"{source}: ")


def test_a_home_folder_that_nobody_has_is_one_line():
    with pytest.raises(ValueError, match=r"^~nobody-of-this-name/data: cannot be read: Could not determine home"):
        read_source("~nobody-of-this-name/data")


def test_a_name_that_no_file_system_takes_is_one_line():
    with pytest.raises(ValueError, match=r"cannot be read: .*too long"):
        read_source("n" * 5000)


def test_a_folder_that_may_not_be_read_is_one_line(tmp_path, monkeypatch):
    def scandir(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", scandir)  # the tests may run as root, who may read all
    with pytest.raises(ValueError, match=f"^{tmp_path}: cannot be read: .*Permission denied"):
        read_source(str(tmp_path))


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "data.csv").write_text("a,b")
    with pytest.raises(ValueError, match=r"data.csv: expected a folder, a .parquet file or an .npz file"):
        read_source(str(tmp_path / "data.csv"))


@pytest.mark.parametrize(
    ("module", "source", "message"),
    [
        ("pyarrow", "train.parquet", "reading parquet needs pyarrow: pip install 'evendistill\\[hf\\]'"),
        ("datasets", "owner/name", "reading from the hub needs datasets: pip install 'evendistill\\[hf\\]'"),
        ("datasets", "name", "reading from the hub needs datasets"),
        ("PIL.Image", "folder", "decoding images needs Pillow: pip install 'evendistill\\[hf\\]'"),
    ],
)
def test_a_package_that_is_not_installed_is_named(tmp_path, monkeypatch, module, source, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.parquet").write_bytes(b"")
    (tmp_path / "folder" / "cat").mkdir(parents=True)
    (tmp_path / "folder" / "cat" / "1.png").write_bytes(b"")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=f"^{message}"):
        decode_all(images(read_source(source)["train"]))


def images(split: Split) -> Encoded:
    assert not isinstance(split.inputs, torch.Tensor)
    return split.inputs


@needs_shared
@pytest.mark.parametrize(
    ("name", "classes", "train_sizes", "shape", "first", "last"),
    [
        ("cifar10-lt", 10, class_sizes(5000, 10, imbalance=100), (3, 32, 32), "airplane", "truck"),
        ("cifar100-lt", 100, class_sizes(500, 100, imbalance=100), (3, 32, 32), "apple", "worm"),
        ("fashion-mnist", 10, [6000] * 10, (1, 28, 28), "T-shirt/top", "Ankle boot"),
    ],
)
def test_the_real_sets_are_read(name, classes, train_sizes, shape, first, last):
    splits = read_source(str(SHARED / name))
    assert list(splits) == ["train", "test"]
    assert splits["train"].labels.bincount().tolist() == train_sizes
    assert splits["test"].labels.bincount().tolist() == [10_000 // classes] * classes
    for split in splits.values():
        names = split.class_names
        assert (len(names), names[0], names[-1]) == (classes, first, last)
        rows = torch.arange(0, len(split), 101)
        pixels = decode_all(images(split).subset(rows))
        assert pixels.shape == (len(rows), *shape)
        assert pixels.float().std() > 30


@needs_shared
def test_another_column_of_labels_of_a_real_set_can_be_asked_for():
    splits = read_source(str(SHARED / "cifar100-lt"), label_column="coarse_label")
    assert splits["test"].labels.bincount().tolist() == [500] * 20
    assert splits["train"].class_names[0] == "aquatic_mammals"
