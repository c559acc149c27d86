"""Parquet files in the layouts and columns of the hub."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from evendistill.data.sources import Encoded, Split, read_source
from evendistill.data.split_names import normalised

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def struct(payloads):
    return pa.array([None if p is None else {"bytes": p, "path": None} for p in payloads], IMAGE)


def write(path, *, names=None, **columns):
    """A parquet file at ``path``; ``names`` are those of the classes in the column "label"."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns or {"img": struct([b"a", b"b"]), "label": [0, 1]})
    if names is not None:
        features = {"img": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path)


def images(split: Split) -> Encoded:
    assert not isinstance(split.inputs, torch.Tensor)
    return split.inputs


def payloads(split):
    return [images(split).payload(row) for row in range(len(split))]


ROWS = struct([b"a", b"b", b"c"])


@pytest.mark.parametrize(
    "files",
    [
        {"train.parquet": "train", "test.parquet": "test"},
        {"data/train-00000-of-00001.parquet": "train", "data/test-00000-of-00001-0a1b2c.parquet": "test"},
        {"plain_text/train.pq": "train", "plain_text/val.PARQUET": "validation"},
        {"Training_set.parquet": "train", "dev.parquet": "validation", "testing.parquet": "test"},
        {"train/0000.parquet": "train", "extra/part-0.parquet": "extra"},
        {"0000.parquet": "train"},
        {"train.parquet": "train", ".cache/test.parquet": None, "._test.parquet": None},
    ],
)
def test_splits_are_told_by_the_names_of_files_or_of_their_folders(tmp_path, files):
    for file in files:
        write(tmp_path / file)
    assert set(read_source(str(tmp_path))) == {split for split in files.values() if split}


def test_splits_come_in_the_order_train_validation_test_others():
    order = list(normalised({"test": 0, "extra": 0, "val": 0, "train": 0}, origin="here"))
    assert order == ["train", "validation", "test", "extra"]


def test_one_file_is_the_split_train_whatever_it_is_called(tmp_path):
    write(tmp_path / "test.parquet")
    assert list(read_source(str(tmp_path / "test.parquet"))) == ["train"]


def test_files_of_a_split_are_joined_in_order_and_rows_are_counted_in_each(tmp_path):
    for shard in (1, 0):
        column = struct([b"%d" % shard, b"x%d" % shard])
        write(tmp_path / f"train-0000{shard}-of-00002.parquet", img=column, label=[shard, 5])
    split = read_source(str(tmp_path))["train"]
    assert payloads(split) == [b"0", b"x0", b"1", b"x1"]
    assert split.labels.tolist() == [0, 5, 1, 5]
    assert [images(split).place(row) for row in (1, 2)] == [
        f"{tmp_path}/train-00000-of-00002.parquet, row 1",
        f"{tmp_path}/train-00001-of-00002.parquet, row 0",
    ]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["a/train.parquet", "b/train.parquet"], r"split 'train' is both in .*/a and in .*/b; give one folder"),
        (["train-00000-of-00003.parquet"], "split 'train' is in 1 files, but their names say of 3"),
        (["val.parquet", "dev.parquet"], "'dev' and 'val' are both the split 'validation'; keep one"),
    ],
)
def test_files_that_are_not_one_data_set_or_not_all_of_it_are_refused(tmp_path, files, message):
    for file in files:
        write(tmp_path / file)
    with pytest.raises(ValueError, match=message):
        read_source(str(tmp_path))


@pytest.mark.parametrize("kind", [IMAGE, pa.binary(), pa.large_binary(), pa.binary_view()])
def test_images_are_structs_or_plain_bytes(tmp_path, kind):
    column = ROWS if kind is IMAGE else pa.array([b"a", b"b", b"c"], kind)
    write(tmp_path / "train.parquet", image=column, label=[0, 1, 0])
    assert payloads(read_source(str(tmp_path))["train"]) == [b"a", b"b", b"c"]


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"image": [1, 2, 3], "thumbnail": ROWS, "label": [0, 1, 0]}, b"a"),
        ({"other": struct([b"x"] * 3), "image": ROWS, "y": [0, 1, 0], "id": [7, 8, 9]}, b"a"),
        ({"image": struct([b"x"] * 3), "img": ROWS, "Label": [0, 1, 0]}, b"a"),
        ({"img": ROWS, "coarse_label": [5, 5, 5], "fine_label": [0, 1, 0]}, b"a"),
        ({"img": ROWS, "target": [5, 5, 5], "label": [0, 1, 0]}, b"a"),
    ],
)
def test_columns_are_found_by_name_and_images_by_type_too(tmp_path, columns, found):
    write(tmp_path / "train.parquet", **columns)
    split = read_source(str(tmp_path))["train"]
    assert payloads(split)[0] == found
    assert split.labels.tolist() == [0, 1, 0]


def test_a_column_of_classes_is_found_by_the_metadata_of_the_hub(tmp_path):
    path = tmp_path / "train.parquet"
    write(path, names=["ant", "bee"], img=ROWS, label=[0, 1, 0], id=[7, 8, 9])
    table = pq.read_table(path)
    renamed = {"huggingface": table.schema.metadata[b"huggingface"].replace(b'"label"', b'"species"')}
    pq.write_table(table.rename_columns(["img", "species", "id"]).replace_schema_metadata(renamed), path)
    split = read_source(str(path))["train"]
    assert split.labels.tolist() == [0, 1, 0]
    assert split.class_names == ("ant", "bee")


def test_columns_can_be_given(tmp_path):
    other = struct([b"x", b"y", b"z"])
    write(tmp_path / "train.parquet", img=ROWS, thumbnail=other, label=[0, 0, 0], colour=[2, 1, 0])
    split = read_source(str(tmp_path), image_column="thumbnail", label_column="colour")["train"]
    assert payloads(split) == [b"x", b"y", b"z"]
    assert split.labels.tolist() == [2, 1, 0]


RIGHT = {"img": ROWS, "label": [0, 1, 0]}


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (RIGHT, {"label_column": "kind"}, "no column 'kind' in FILE; its columns are img, label$"),
        (RIGHT, {"image_column": "pic"}, "no column 'pic' in FILE; its columns are img, label$"),
        (RIGHT, {"image_column": "label"}, "column 'label' of FILE must hold encoded images .* got int64"),
        (RIGHT, {"label_column": "img"}, "column 'img' of FILE must hold labels .* got struct"),
        (
            RIGHT | {"img": [1, 2, 3]},
            {},
            "no column of images in FILE; its columns are img, label; name one with image_",
        ),
        ({"left": ROWS, "right": ROWS, "label": [0] * 3}, {}, "no column of images in FILE; .* name one"),
        ({"img": ROWS, "id": [1, 2, 3]}, {}, "no column of labels in FILE; .* img, id; name one with label_column"),
        (RIGHT | {"label": ROWS}, {}, "no column of labels in FILE"),
        (RIGHT | {"img": struct([b"a", None, b"c"])}, {}, "FILE, row 1: column 'img' holds no image but null"),
        (
            RIGHT | {"img": pa.array([{"path": "a"}] * 3, IMAGE)},
            {},
            "FILE, row 0: column 'img' holds no image but null",
        ),
        (RIGHT | {"label": [0, None, 1]}, {}, "FILE, row 1: column 'label' holds no label but null"),
        (RIGHT | {"label": ["a", "b", None]}, {}, "FILE, row 2: column 'label' holds no label but null"),
        (RIGHT | {"label": [0, 1, -1]}, {}, "FILE, row 2: labels must be whole .*, got -1"),
        (RIGHT | {"label": [0, 0.5, 1]}, {}, "FILE, row 1: labels must be whole .*, got 0.5"),
        ({"img": struct([]), "label": pa.array([], pa.int64())}, {}, "split 'train' has no rows"),
    ],
)
def test_tables_that_are_no_images_with_labels_are_refused(tmp_path, columns, options, message):
    write(tmp_path / "train.parquet", **columns)
    with pytest.raises(ValueError, match=message.replace("FILE", str(tmp_path / "train.parquet"))) as told:
        read_source(str(tmp_path), **options)
    assert "\n" not in str(told.value)


def test_a_column_found_in_one_file_must_be_in_all(tmp_path):
    write(tmp_path / "train.parquet", img=ROWS, fine_label=[0, 1, 0])
    write(tmp_path / "test.parquet", img=ROWS, label=[0, 1, 0])
    with pytest.raises(ValueError, match=r"no column 'fine_label' in .*/test.parquet; its columns are img, label"):
        read_source(str(tmp_path))


def test_words_in_one_file_and_numbers_in_another_are_refused(tmp_path):
    write(tmp_path / "train-00000-of-00002.parquet", img=ROWS, label=[0, 1, 0])
    write(tmp_path / "train-00001-of-00002.parquet", img=ROWS, label=["a", "b", "c"])
    with pytest.raises(ValueError, match=r"train-00001-of-00002.parquet: column 'label' holds large_string"):
        read_source(str(tmp_path))


@pytest.mark.parametrize(
    "words",
    [pa.array(["b", "a", "b"], kind) for kind in (pa.string(), pa.large_string(), pa.string_view())]
    + [pa.array(["b", "a", "b"]).dictionary_encode()],
)
def test_words_are_numbered_however_they_are_stored(tmp_path, words):
    write(tmp_path / "train.parquet", img=ROWS, label=words)
    with pytest.warns(UserWarning, match="0 a, 1 b"):
        split = read_source(str(tmp_path))["train"]
    assert split.labels.tolist() == [1, 0, 1]


def test_names_of_classes_are_in_the_metadata_of_the_hub(tmp_path):
    write(tmp_path / "train.parquet", names=["ant", "bee", "cat"])
    write(tmp_path / "test.parquet")
    splits = read_source(str(tmp_path))
    assert splits["train"].class_names == splits["test"].class_names == ("ant", "bee", "cat")


@pytest.mark.parametrize("metadata", [b"{", b"[]", b'{"info": null}', b'{"info": {"features": {"label": {}}}}'])
def test_metadata_of_another_form_is_left_aside(tmp_path, metadata):
    table = pa.table({"img": ROWS, "label": [0, 1, 0]}).replace_schema_metadata({"huggingface": metadata})
    pq.write_table(table, tmp_path / "train.parquet")
    assert read_source(str(tmp_path))["train"].class_names == ("0", "1")


def test_damage_anywhere_is_one_line_that_names_the_file(tmp_path):
    path = tmp_path / "train.parquet"
    write(path, img=struct([b"%d" % row * 40 for row in range(50)]), label=list(range(50)))
    whole = path.read_bytes()
    spoilt = bytearray(whole)
    spoilt[40:80] = bytes(40)
    for damaged in (b"", b"no parquet", whole[:-9], whole[100:], bytes(spoilt)):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"^{path}: (not a parquet file, or a damaged one|a damaged)") as told:
            read_source(str(tmp_path))
        assert "\n" not in str(told.value)


def test_a_subset_knows_where_its_rows_come_from(tmp_path):
    write(tmp_path / "train.parquet", img=ROWS, label=[0, 1, 2])
    split = read_source(str(tmp_path))["train"].subset(torch.tensor([2, 0])).subset(torch.tensor([1, 0]))
    assert payloads(split) == [b"a", b"c"]
    assert split.labels.tolist() == [0, 2]
    assert images(split).place(1) == f"{tmp_path}/train.parquet, row 2"


def test_the_fingerprint_is_that_of_the_bytes_of_the_rows_in_order(tmp_path):
    write(tmp_path / "a.parquet", img=ROWS, label=[0, 1, 2])
    write(tmp_path / "b.parquet", img=struct([b"ab", b"", b"c"]), label=[0, 1, 2])
    first, second = (images(read_source(str(tmp_path / name))["train"]) for name in ("a.parquet", "b.parquet"))
    different = [first, second, *(first.subset(torch.tensor(rows)) for rows in ([0, 1], [1, 0], [2, 1, 0]))]
    assert len({encoded.fingerprint() for encoded in different}) == len(different)
    pq.write_table(pa.table({"img": ROWS, "label": [2, 0, 1]}), tmp_path / "moved.parquet", row_group_size=1)
    assert images(read_source(str(tmp_path / "moved.parquet"))["train"]).fingerprint() == first.fingerprint()
