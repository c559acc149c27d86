"""Groups in a column of a source: numbered alike in all splits, and never torn from their images."""

import io
import json
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from evendistill.data.datasets import load_data
from evendistill.data.sources import read_source
from evendistill.data.view import View

SPLITS = ("train", "validation", "test")
WORDS = ("forest", "lake", "sea")
LABELS = torch.arange(90) % 2
GROUPS = torch.randint(3, (90,), generator=torch.Generator().manual_seed(0))


def pixels(labels, groups):
    """Images ``(N, 4, 5)`` that show their label and their group."""
    return np.broadcast_to((10 * labels + groups).numpy().astype(np.uint8)[:, None, None], (len(labels), 4, 5))


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def write(path: Path, values, labels=LABELS, groups=GROUPS, *, label="label", group="place", features=None):
    """A table whose column of groups holds ``values[group]``, or ``values`` themselves if they are an array."""
    column = values if isinstance(values, pa.Array) else [values[number] for number in groups.tolist()]
    images = [png(image) for image in pixels(labels, groups)]
    table = pa.table({group: column, "img": images, label: labels.tolist()})
    if features is not None:
        told = {name: {"names": names, "_type": "ClassLabel"} for name, names in features.items()}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": told}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return str(path.parent)


def write_npz(root, values, splits=("train", "test"), name="place_{}"):
    arrays = {}
    for split in splits:
        arrays |= {f"x_{split}": pixels(LABELS, GROUPS), f"y_{split}": LABELS.numpy()}
        arrays[name.format(split)] = np.array(values)[GROUPS.numpy()]
    np.savez(root / "data.npz", **arrays)
    return str(root / "data.npz")


def check_aligned(data):
    for split in SPLITS:
        part = getattr(data, split)
        (shown,) = part.batches([torch.arange(len(part))])
        shown = (shown[:, 0, 0, 0] * 255).round().long()
        assert (shown // 10).tolist() == part.labels.tolist()
        assert (shown % 10).tolist() == part.groups.tolist()
        assert len(part.groups.unique()) == 3


@pytest.mark.filterwarnings("ignore:groups are words")
@pytest.mark.parametrize("splits", [("train",), ("train", "test"), ("train", "dev", "test")])
@pytest.mark.parametrize("imbalance", [None, 4])
@pytest.mark.parametrize("kind", ["memory", "stream", "npz", "floats"])
def test_splitting_and_thinning_keep_groups_at_their_images(tmp_path, splits, imbalance, kind):
    if kind in ("npz", "floats"):
        source = write_npz(tmp_path, WORDS, splits)
        if kind == "floats":
            with np.load(source) as saved:
                changed = {key: saved[key][:, None] / 255 if key[0] == "x" else saved[key] for key in saved.files}
            np.savez(source, **changed)
    else:
        (source,) = {write(tmp_path / f"{split}.parquet", WORDS) for split in splits}
    hold = "stream" if kind == "stream" else "memory"
    data = load_data(source, group_column="place", imbalance=imbalance, hold=hold)
    assert data.group_names == WORDS
    sizes = [27, 27] if splits == ("train",) else [45, 45]
    assert data.train.labels.bincount().tolist() == (sizes if imbalance is None else [sizes[0], sizes[1] // 4])
    check_aligned(data)
    assert data.to(torch.device("meta")).group_names == WORDS
    if kind != "floats":
        viewed = data.viewed(View(pad=1))
        assert viewed.group_names == WORDS
        check_aligned(viewed)


def test_without_a_column_of_groups_there_are_none(tmp_path):
    write(tmp_path / "train.parquet", WORDS)
    write_npz(tmp_path, WORDS)
    for source in (str(tmp_path), f"{tmp_path}/data.npz", "digits", "made-up:2x1x8"):
        data = load_data(source)
        assert data.group_names == ()
        assert [getattr(data, split).groups for split in SPLITS] == [None] * 3


@pytest.mark.parametrize(
    ("values", "names", "warning"),
    [
        (["sea", "lake", "forest"], ("forest", "lake", "sea"), "words; numbered in alphabetical order: 0 forest, 1 la"),
        ([0, 1, 2], ("0", "1", "2"), None),
        ([-1, 10, 9], ("-1", "9", "10"), "numbers; numbered in ascending order: 0 -1, 1 9, 2 10$"),
        ([False, True, True], ("False", "True"), None),
        ([True, True, True], ("True",), "truth values; numbered in ascending order: 0 True$"),
    ],
)
@pytest.mark.parametrize("kind", ["parquet", "npz"])
def test_values_are_numbered_in_order_and_shown_where_their_numbers_are_new(tmp_path, kind, values, names, warning):
    if kind == "parquet":
        source = write(tmp_path / "train.parquet", values)
    else:
        source = write_npz(tmp_path, values, ["train"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        split = read_source(source, group_column="place")["train"]
    shown = [str(told.message) for told in caught]
    assert len(shown) == (warning is not None)
    assert all(text.startswith(f"groups are {warning}".rstrip("$")) for text in shown)
    assert split.group_names == names
    assert split.groups is not None
    assert split.groups.tolist() == [names.index(str(values[number])) for number in GROUPS.tolist()]


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()), pa.int8()]
)
def test_values_are_read_however_they_are_stored(tmp_path, kind):
    values = GROUPS.tolist() if kind == pa.int8() else [WORDS[number] for number in GROUPS.tolist()]
    source = write(tmp_path / "train.parquet", pa.array(values).cast(kind))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        split = read_source(source, group_column="place")["train"]
    assert split.groups is not None
    assert split.groups.tolist() == GROUPS.tolist()


@pytest.mark.filterwarnings("ignore:groups are words")
def test_a_value_has_one_number_in_all_splits_even_if_training_lacks_it(tmp_path):
    for split, words in (("train", ["lake", "sea"]), ("test", ["sea", "forest"]), ("validation", ["sea", "sea"])):
        source = write(tmp_path / f"{split}.parquet", words, LABELS[:2], torch.arange(2))
    data = load_data(source, group_column="place")
    assert data.group_names == WORDS
    found = {split: getattr(data, split).groups.tolist() for split in SPLITS}
    assert found == {"train": [1, 2], "validation": [2, 2], "test": [2, 0]}


def test_names_in_the_metadata_of_the_hub_keep_their_numbers_even_where_a_group_is_empty(tmp_path):
    names = ["sea", "lake", "air", "cave"]
    write(tmp_path / "train.parquet", range(3), features={"place": names, "label": ["ant", "bee"]})
    source = write(tmp_path / "test.parquet", range(3))
    data = load_data(source, group_column="place")
    assert data.group_names == tuple(names)
    assert data.class_names == ("ant", "bee")
    check_aligned(data)


@pytest.mark.parametrize("group", ["label", "target", "class"])
@pytest.mark.parametrize("label", ["labels", "y", "species"])
def test_the_column_of_groups_is_not_taken_for_the_labels(tmp_path, group, label):
    features = {group: ["a", "b", "c"], label: ["ant", "bee"]}
    write(tmp_path / "train.parquet", range(3), label=label, group=group, features=features)
    split = read_source(str(tmp_path), group_column=group)["train"]
    assert split.labels.tolist() == LABELS.tolist()
    assert split.groups is not None
    assert split.groups.tolist() == GROUPS.tolist()
    assert (split.class_names, split.group_names) == (("ant", "bee"), ("a", "b", "c"))


def with_null(row):
    return pa.array([None if number == row else "sea" for number in range(90)])


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (WORDS, {"group_column": "sex"}, "no column 'sex' in FILE; its columns are place, img, label$"),
        (WORDS, {"label_column": "place"}, "label_column and group_column must be two columns of FILE, got 'place' tw"),
        (
            [0.0, 1.0, 2.0],
            {},
            r"column 'place' of FILE must hold groups \(words, whole numbers or truth .* got double$",
        ),
        ([b"a", b"b", b"c"], {"image_column": "img"}, "column 'place' of FILE must hold groups .*, got binary$"),
        (with_null(7), {}, "FILE, row 7: column 'place' holds no group but null; leave the row out or fill it$"),
        (WORDS, {"group_column": "label"}, "no column of labels in FILE; its columns are place, img, label; name one"),
    ],
)
def test_a_table_without_such_groups_is_refused(tmp_path, values, options, message):
    source = write(tmp_path / "train.parquet", values)
    with pytest.raises(ValueError, match="^" + message.replace("FILE", f"{tmp_path}/train.parquet")) as told:
        read_source(source, **{"group_column": "place"} | options)
    assert "\n" not in str(told.value)


def test_the_row_of_a_null_is_counted_in_its_own_file(tmp_path):
    write(tmp_path / "train-00000-of-00002.parquet", WORDS)
    source = write(tmp_path / "train-00001-of-00002.parquet", with_null(3))
    with pytest.raises(
        ValueError, match=r"train-00001-of-00002.parquet, row 3: column 'place' holds no group but null"
    ):
        read_source(source, group_column="place")


def test_a_column_that_one_split_lacks_is_refused(tmp_path):
    write(tmp_path / "train.parquet", WORDS)
    source = write(tmp_path / "test.parquet", WORDS, group="sex")
    with pytest.raises(ValueError, match=r"^no column 'place' in .*/test.parquet; its columns are sex, img, label$"):
        load_data(source, group_column="place")


@pytest.mark.parametrize(
    ("test", "features", "message"),
    [
        (WORDS, None, "HERE: groups of split 'train' are numbers, but of 'test' words; use one kind$"),
        ([True, False, True], None, "HERE: groups of split 'train' are numbers, but of 'test' truth values; use one"),
        (range(3), {"place": ["a", "c", "b"]}, "HERE: splits must name the groups alike, but 'train' has a, b, c and"),
        (
            [0, 1, 3],
            None,
            r"HERE/test.parquet, row \d+: groups must be whole numbers from 0 to 2 .* 3 groups\), got 3$",
        ),
        ([0, -1, 2], None, r"HERE/test.parquet, row \d+: groups must be whole numbers from 0 to 2 .*, got -1$"),
    ],
)
def test_splits_whose_groups_do_not_go_together_are_refused(tmp_path, test, features, message):
    write(tmp_path / "train.parquet", range(3), features={"place": ["a", "b", "c"]})
    source = write(tmp_path / "test.parquet", test, features=features)
    with pytest.raises(ValueError, match="^" + message.replace("HERE", str(tmp_path))):
        read_source(source, group_column="place")
