"""Folders of images: splits, classes, and what is neither."""

import pytest
import torch

from evendistill.data.sources import Encoded, Split, read_source

NO_IMAGES = "neither parquet files nor folders of images are in it; expected train.parquet, <class>/"


def fill(root, *names):
    """Files that hold their own name."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return str(root)


def images(split: Split) -> Encoded:
    assert not isinstance(split.inputs, torch.Tensor)
    return split.inputs


def contents(splits):
    """Split, class and contents of every image."""
    return {
        name: [
            (split.class_names[label], images(split).payload(row).decode())
            for row, label in enumerate(split.labels.tolist())
        ]
        for name, split in splits.items()
    }


def test_classes_alone_are_the_split_train_in_alphabetical_order(tmp_path):
    names = ["dog/2.jpeg", "cat/deep/er/3.WEBP", "cat/1.png", "Ant/4.tif", "dog/10.bmp"]
    splits = read_source(fill(tmp_path, *names))
    assert contents(splits) == {
        "train": [
            ("Ant", "Ant/4.tif"),
            ("cat", "cat/1.png"),
            ("cat", "cat/deep/er/3.WEBP"),
            ("dog", "dog/10.bmp"),
            ("dog", "dog/2.jpeg"),
        ]
    }
    assert splits["train"].class_names == ("Ant", "cat", "dog")


def test_splits_share_the_classes_of_all(tmp_path):
    names = ["Train/cat/1.png", "Train/dog/1.png", "val/dog/2.png", "extra/bee/3.png", "extra/cat/3.png"]
    splits = read_source(fill(tmp_path, *names))
    assert contents(splits) == {
        "train": [("cat", "Train/cat/1.png"), ("dog", "Train/dog/1.png")],
        "validation": [("dog", "val/dog/2.png")],
        "extra": [("bee", "extra/bee/3.png"), ("cat", "extra/cat/3.png")],
    }
    assert {split.class_names for split in splits.values()} == {("bee", "cat", "dog")}


def test_what_is_hidden_or_no_image_is_left_aside(tmp_path):
    unseen = ["cat/.2.png", ".cache/3.png", "cat/.thumbs/4.png", "__MACOSX/cat/5.png", "cat/notes.txt", "docs/a.md"]
    splits = read_source(fill(tmp_path, "cat/1.png", "dog/1.png", "stray.png", *unseen))
    assert contents(splits) == {"train": [("cat", "cat/1.png"), ("dog", "dog/1.png")]}
    assert splits["train"].class_names == ("cat", "dog")


def test_a_class_may_be_called_like_a_split(tmp_path):
    source = fill(tmp_path, "train/1.png", "bus/1.png", "test/1.png")
    assert contents(read_source(source)) == {
        "train": [("bus", "bus/1.png"), ("test", "test/1.png"), ("train", "train/1.png")]
    }


def test_links_to_folders_of_classes_are_followed(tmp_path):
    fill(tmp_path / "elsewhere", "1.png")
    fill(tmp_path / "data", "dog/1.png")
    (tmp_path / "data" / "cat").symlink_to(tmp_path / "elsewhere")
    splits = read_source(str(tmp_path / "data"))
    assert contents(splits) == {"train": [("cat", "1.png"), ("dog", "dog/1.png")]}
    assert images(splits["train"]).place(0) == f"{tmp_path}/data/cat/1.png"


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path, monkeypatch):
    fill(tmp_path / "data", "cat/1.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert contents(read_source("~/data")) == {"train": [("cat", "cat/1.png")]}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "HERE: the folder is empty"),
        (["readme.txt", "cat/notes.txt"], f"HERE: {NO_IMAGES}"),
        (["1.png", "2.png"], f"HERE: {NO_IMAGES}"),
        (["train/cat/1.png", "test/1.png"], "HERE/test: its images are in no folder of a class, as test/<class>/"),
        (["train/1.png", "test/1.png"], "HERE/test: its images are in no folder of a class"),
        (
            ["train/cat/1.png", "val/images/1.png"],
            "HERE: split 'validation' has the classes images, but 'train' has cat",
        ),
        (
            ["train/cat/1.png", "val/cat/1.png", "dev/cat/1.png"],
            "HERE: 'dev' and 'val' are both the split 'validation'",
        ),
    ],
)
def test_a_folder_that_is_laid_out_otherwise_is_refused(tmp_path, names, message):
    with pytest.raises(ValueError, match="^" + message.replace("HERE", str(tmp_path))) as told:
        read_source(fill(tmp_path, *names))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("option", ["image_column", "label_column"])
def test_a_folder_of_images_has_no_columns(tmp_path, option):
    with pytest.raises(ValueError, match=f"{option} names a column of parquet files, but there are none in .*'x'"):
        read_source(fill(tmp_path, "cat/1.png"), **{option: "x"})


def test_a_file_that_vanished_is_named(tmp_path):
    split = read_source(fill(tmp_path, "cat/1.png", "cat/2.png"))["train"]
    (tmp_path / "cat" / "2.png").unlink()
    with pytest.raises(ValueError, match=f"^{tmp_path}/cat/2.png: cannot be read: No such file"):
        images(split).payload(1)


def test_a_subset_keeps_order_and_places(tmp_path):
    split = read_source(fill(tmp_path, "cat/1.png", "cat/2.png", "dog/1.png"))["train"]
    part = split.subset(torch.tensor([2, 0, 1])).subset(torch.tensor([0, 2]))
    assert contents({"part": part}) == {"part": [("dog", "dog/1.png"), ("cat", "cat/2.png")]}
    assert images(part).place(1) == f"{tmp_path}/cat/2.png"


def test_the_fingerprint_is_that_of_names_and_sizes_and_not_of_where_the_folder_is(tmp_path):
    def fingerprint(name, *names, rows=None):
        encoded = images(read_source(fill(tmp_path / name, *names))["train"])
        return (encoded if rows is None else encoded.subset(torch.tensor(rows))).fingerprint()

    prints = [
        fingerprint("one", "cat/1.png", "dog/1.png"),
        fingerprint("one", rows=[1, 0]),
        fingerprint("one", rows=[1]),
        fingerprint("other", "cat/1.png", "dog/2.png"),
    ]
    assert len(set(prints)) == len(prints)
    assert fingerprint("elsewhere", "cat/1.png", "dog/1.png") == prints[0]
    (tmp_path / "one" / "cat" / "1.png").write_text("longer than before")
    assert fingerprint("one") != prints[0]
