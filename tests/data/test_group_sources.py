"""Groups of sources that are no parquet files in memory: arrays, the hub, and those that have no columns."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from evendistill.data import sources
from evendistill.data.datasets import load_data
from evendistill.data.sources import read_source

IMAGES = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
LABELS = np.array([0, 2, 1, 0])
GROUPS = np.array([1, 0, 2, 1])
PLAIN = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS}


def saved(folder, **arrays):
    np.savez(folder / "data.npz", **arrays)
    return str(folder / "data.npz")


@pytest.mark.parametrize(
    ("column", "keys", "others"),
    [
        ("sex", ["sex_train", "sex_test"], {}),
        ("sex", ["train_sex", "TEST_SEX"], {}),
        ("Sex", ["SEX_train", "test_sex"], {}),
        ("Sex", ["sEX", "test_sex"], {}),
        ("eye_colour", ["eye_colour_train", "test_eye_colour"], {}),
        ("target", ["target_train", "target_test"], {}),
        ("x_of", ["x_of_train", "x_of_test"], {}),
        ("sex", ["sex", "sex_test"], {"sex_names": np.array(["f", "m"]), "sex_2_train": LABELS}),
    ],
)
def test_the_keys_of_groups_are_spelt_as_those_of_inputs_are(tmp_path, column, keys, others):
    grouped = {keys[0]: GROUPS, keys[1]: GROUPS[::-1, None].astype(np.uint8)}
    splits = read_source(saved(tmp_path, **grouped, **PLAIN, **others), group_column=column)
    found = {name: split.groups.tolist() for name, split in splits.items() if split.groups is not None}
    assert found == {"train": GROUPS.tolist(), "test": GROUPS[::-1].tolist()}
    assert all(split.labels.tolist() == LABELS.tolist() for split in splits.values())
    assert all(split.group_names == ("0", "1", "2") for split in splits.values())


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {},
            "FILE: 'x_train' has no groups of split 'train' beside it, as 'sex_train'; keys are x_train, y_train, x_t",
        ),
        ({"sex_train": GROUPS}, "FILE: 'x_test' has no groups of split 'test' beside it, as 'sex_test'; keys are"),
        ({"sex_train": GROUPS, "sex_val": GROUPS}, "FILE: 'sex_val' has no inputs of split 'val' beside it; keys are"),
        ({"sex": GROUPS, "sex_train": GROUPS}, "FILE: 'sex' and 'sex_train' are both the groups of 'train'; keep one"),
        ({"sex_train": GROUPS[:3]}, "FILE: 'sex_train' must have the N = 4 rows of 'y_train', got 3$"),
        ({"sex_train": np.eye(4)}, r"FILE: 'sex_train' must have shape \(N,\) or \(N, 1\), got \(4, 4\)$"),
        (
            {"sex_train": GROUPS / 2},
            "FILE, 'sex_train', row 0: groups must be words, whole numbers or .*, got float64$",
        ),
        ({"sex_train": np.array([0, None, 1, 0])}, "FILE: 'sex_train' is damaged or not saved as numbers: Object arr"),
    ],
)
def test_arrays_without_such_groups_are_refused(tmp_path, arrays, message):
    with_test = {"sex_test": GROUPS} if arrays and "test" not in message else {}
    source = saved(tmp_path, **PLAIN, **arrays, **with_test)
    with pytest.raises(ValueError, match="^" + message.replace("FILE", source)) as told:
        read_source(source, group_column="sex")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("source", ["digits", "made-up:2x1x8"])
def test_images_that_are_embedded_or_made_up_have_no_columns(source):
    with pytest.raises(ValueError, match=f"^{source}: these images have no columns, got group_column 'sex'$"):
        load_data(source, group_column="sex")


def test_a_folder_of_images_has_no_groups(tmp_path):
    for name in ("ant", "bee"):
        (tmp_path / name).mkdir()
        Image.fromarray(IMAGES[0]).save(tmp_path / name / "1.png")
    with pytest.raises(ValueError, match=f"^{tmp_path}: folders of images have no columns, got group_column 'sex'$"):
        load_data(str(tmp_path), group_column="sex")


def test_another_source_validates_if_it_has_the_same_groups(tmp_path):
    for name in ("own", "same", "other"):
        (tmp_path / name).mkdir()
    source = saved(tmp_path / "own", sex_train=GROUPS, sex_test=GROUPS, **PLAIN)
    same = saved(tmp_path / "same", sex=GROUPS[::-1], x=IMAGES, y=LABELS)
    data = load_data(source, validation=same, group_column="sex")
    assert data.validation.groups is not None
    assert data.validation.groups.tolist() == GROUPS[::-1].tolist()
    other = saved(tmp_path / "other", sex=GROUPS // 2, x=IMAGES, y=LABELS)
    with pytest.raises(ValueError, match=f"^{other}: its groups are 0, 1, not those of {source}, 0, 1, 2$"):
        load_data(source, validation=other, group_column="sex")


def test_a_split_whose_labels_are_secret_names_no_groups(tmp_path):
    extra = {"x_extra": IMAGES, "y_extra": np.full(4, -1), "sex_extra": GROUPS + 5}
    source = saved(tmp_path, sex_train=GROUPS, sex_test=GROUPS, **PLAIN, **extra)
    assert read_source(source, group_column="sex")["train"].group_names == ("0", "1", "2")


def png(value):
    file = io.BytesIO()
    Image.fromarray(np.full((4, 5), value, np.uint8)).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


@pytest.mark.parametrize("route", ["mapped", "hub"])
def test_groups_come_through_the_library_of_the_hub(tmp_path, monkeypatch, route):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "kept"
    folder.mkdir()
    named = datasets.ClassLabel(names=["sea", "lake", "air"])
    features = datasets.Features({"place": named, "image": datasets.Image(), "label": datasets.Value("int64")})
    for split, rows in (("train", [0, 1, 2, 3]), ("test", [2, 1])):
        columns = {"place": GROUPS[rows].tolist(), "image": [png(row) for row in rows], "label": LABELS[rows].tolist()}
        datasets.Dataset.from_dict(columns, features=features).to_parquet(str(folder / f"{split}.parquet"))
    source = str(folder)
    if route == "mapped":
        monkeypatch.setattr(sources, "MOST_PARQUET_BYTES", 10)
    else:
        load, source = datasets.load_dataset, "owner/name"
        monkeypatch.setattr(datasets, "load_dataset", lambda name: load(str(folder), cache_dir=str(tmp_path / "cache")))
        monkeypatch.chdir(tmp_path)
    splits = read_source(source, group_column="place")
    assert {name: split.group_names for name, split in splits.items()} == dict.fromkeys(
        ("train", "test"), ("sea", "lake", "air")
    )
    assert splits["train"].groups is not None
    assert splits["train"].groups.tolist() == GROUPS.tolist()
    assert torch.equal(splits["train"].labels, torch.from_numpy(LABELS))
    with pytest.raises(ValueError, match=r"^no column 'sex' in .* \(train\); its columns are place, image, label$"):
        read_source(source, group_column="sex")
