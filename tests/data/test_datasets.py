"""The embedded digits against scikit-learn's, and splits that no long tail can touch."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from evendistill.data.datasets import Data, load_data
from evendistill.data.examples import ArrayDataset
from evendistill.data.images import ImageDataset
from evendistill.data.splits import class_sizes, halves
from evendistill.data.view import View

SPLITS = ("train", "validation", "test")
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real data sets are not at {SHARED}")


def items(examples):
    return [examples[row] for row in range(len(examples))]


def rows_of(examples):
    return {(x.numpy().tobytes(), y) for x, y in items(examples)}


def test_the_embedded_digits_are_those_of_scikit_learn():
    images, labels = load_digits(return_X_y=True)
    data = load_data("digits")
    expected = sorted(zip((images / 16).astype(np.float32).tolist(), labels.tolist(), strict=True))
    parts = [getattr(data, split) for split in SPLITS]
    found = sorted((x.flatten().tolist(), y) for part in parts for x, y in (part[row] for row in range(len(part))))
    assert found == expected


def test_a_digit_is_a_float32_image_between_zero_and_one():
    data = load_data("digits")
    for part in (data.train, data.validation, data.test):
        assert isinstance(part, ArrayDataset)
        assert part.inputs.dtype == torch.float32
        assert part.inputs.shape[1:] == (1, 8, 8)
        assert (part.inputs.min(), part.inputs.max()) == (0, 1)
    assert data.num_classes == 10
    assert data.class_names == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")


def test_half_trains_and_a_quarter_each_validates_and_tests_in_every_class():
    data = load_data("digits")
    counts = torch.stack([getattr(data, split).labels.bincount() for split in SPLITS])
    assert counts.sum() == 1797
    told = torch.tensor([0.5, 0.25, 0.25])[:, None] * counts.sum(0)
    assert (counts - told).abs().max() <= 1
    assert not rows_of(data.validation) & rows_of(data.test)
    assert not rows_of(data.validation) & rows_of(data.train)


@pytest.mark.parametrize("told", [{"imbalance": 20}, {"imbalance": 50, "profile": "step"}, {"subset_seed": 5}])
def test_validation_and_test_are_the_same_for_every_long_tail(told):
    full, thinned = load_data("digits"), load_data("digits", **told)
    assert thinned.validation.fingerprint() == full.validation.fingerprint()
    assert thinned.test.fingerprint() == full.test.fingerprint()


def test_thinning_keeps_rows_of_the_full_training_set_and_nests():
    full, mild, strong = (load_data("digits", imbalance=imbalance) for imbalance in (None, 5, 50))
    assert rows_of(strong.train) < rows_of(mild.train) < rows_of(full.train)
    assert load_data("digits", imbalance=1).train.fingerprint() == full.train.fingerprint()


def test_the_training_set_has_the_sizes_of_its_profile():
    full = load_data("digits").train.labels.bincount()
    thinned = load_data("digits", imbalance=23, profile="step").train.labels.bincount()
    assert thinned.tolist() == [*full[:5].tolist(), 4, 4, 4, 4, 4]
    assert full.max() // 23 == 4


def test_the_subset_seed_draws_other_training_rows_and_nothing_else():
    first, second = (load_data("digits", imbalance=20, subset_seed=seed) for seed in (0, 1))
    assert first.train.fingerprint() != second.train.fingerprint()
    assert torch.equal(first.train.labels.bincount(), second.train.labels.bincount())
    assert first.test.fingerprint() == second.test.fingerprint()
    assert first.validation.fingerprint() == second.validation.fingerprint()


def test_the_split_seed_cuts_anew():
    first, second = load_data("digits"), load_data("digits", split_seed=1)
    assert all(getattr(first, split).fingerprint() != getattr(second, split).fingerprint() for split in SPLITS)


def test_the_same_request_gives_the_same_data():
    first, second = (load_data("digits", imbalance=20, subset_seed=3, split_seed=4) for _ in range(2))
    assert first.fingerprint == second.fingerprint


@pytest.mark.parametrize("split", SPLITS)
def test_the_fingerprint_depends_on_each_split(split):
    def data(**changed):
        zeros: dict[str, Any] = {name: ArrayDataset(torch.zeros(2, 1), torch.tensor([0, 1])) for name in SPLITS}
        return Data(**zeros | changed, class_names=("a", "b"))

    changed = ArrayDataset(torch.ones(2, 1), torch.tensor([0, 1]))
    assert data(**{split: changed}).fingerprint != data().fingerprint
    assert data().fingerprint == data().fingerprint


@pytest.mark.parametrize("imbalance", [0.5, 0, math.nan, math.inf])
def test_an_impossible_imbalance_is_refused(imbalance):
    with pytest.raises(ValueError, match="imbalance must be at least 1"):
        load_data("digits", imbalance=imbalance)


def test_a_source_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"^\./mnist: there is no such file or folder"):
        load_data("./mnist")


def arrays(root, *, sizes=(30, 20, 10), test=15, **others):
    """Images whose pixels hold their number, saved as arrays: training classes of these sizes."""
    splits = {"train": np.repeat(range(len(sizes)), sizes), "test": np.arange(test) % len(sizes)} | others
    saved = {}
    for split, labels in splits.items():
        numbers = np.arange(len(labels), dtype=np.uint32)
        saved[f"x_{split}"] = numbers.view(np.uint8).reshape(-1, 1, 4)
        saved[f"y_{split}"] = np.asarray(labels)
    np.savez(root / "data.npz", **saved)
    return str(root / "data.npz")


def numbers_of(examples):
    return examples.images.flatten(1).contiguous().numpy().view(np.uint32).flatten().tolist()


def test_a_source_is_float32_images_with_the_names_of_its_classes(tmp_path):
    for split in ("train", "test"):
        for label, word in enumerate(("owl", "cat")):
            (tmp_path / split / word).mkdir(parents=True)
            for number in range(3):
                pixels = np.full((4, 5, 3), 255 * label, dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / split / word / f"{number}.png")
    for hold in ("memory", "stream"):
        data = load_data(str(tmp_path), hold=hold)
        assert data.class_names == ("cat", "owl")
        assert data.num_classes == 2
        for part in (data.train, data.validation, data.test):
            for x, y in items(part):
                assert (x.dtype, x.shape) == (torch.float32, (3, 4, 5))
                assert (x.min(), x.max()) == (1 - y, 1 - y)  # cats are white, owls black
                assert type(y) is int


def test_the_test_set_is_cut_into_halves_that_share_nothing_and_leave_nothing_out(tmp_path):
    data = load_data(arrays(tmp_path))
    first, second = numbers_of(data.validation), numbers_of(data.test)
    assert (len(first), len(second)) == (7, 8)
    assert sorted(first + second) == list(range(15))
    assert data.validation.labels.tolist() == [number % 3 for number in first]
    assert numbers_of(data.train) == list(range(60))


def test_the_halves_depend_on_the_number_of_rows_and_the_split_seed_alone(tmp_path):
    def cut(seed=0, **told):
        data = load_data(arrays(tmp_path, **told), split_seed=seed)
        return numbers_of(data.validation), numbers_of(data.test)

    plain = cut()
    assert plain == cut(sizes=(5, 5, 70))
    assert plain == cut(test=15, sizes=(4, 9))  # other labels of the same rows
    assert plain != cut(seed=1)
    before = torch.get_rng_state()
    assert plain == cut()
    assert torch.equal(torch.get_rng_state(), before)
    assert [half.tolist() for half in halves(15, seed=0)] == list(plain)


def test_two_imbalances_of_one_set_are_judged_on_the_same_rows(tmp_path):
    source = arrays(tmp_path, sizes=(200, 200, 200), test=99)
    tails: list[dict[str, Any]] = [{}, {"imbalance": 10}, {"imbalance": 50, "profile": "step", "subset_seed": 7}]
    versions = [load_data(source, **told) for told in tails]
    for data in versions:
        assert numbers_of(data.validation) == numbers_of(versions[0].validation)
        assert numbers_of(data.test) == numbers_of(versions[0].test)
        assert data.test.fingerprint() == versions[0].test.fingerprint()
    assert len({data.fingerprint for data in versions}) == 3
    assert [data.train.labels.bincount().tolist() for data in versions[1:]] == [[200, 63, 20], [200, 200, 4]]
    assert set(numbers_of(versions[1].train)) < set(numbers_of(versions[0].train))


@pytest.mark.parametrize(
    ("largest", "classes", "imbalance", "total", "last"),
    [(5000, 10, 100, 12_406, 50), (500, 100, 100, 10_847, 5), (500, 200, 83, 22_403, 6)],
    ids=["CIFAR-10-LT", "CIFAR-100-LT", "TinyImageNet-LT"],
)
def test_the_long_tails_of_the_paper_have_their_published_sizes(tmp_path, largest, classes, imbalance, total, last):
    """Wang et al. 2023, appendix E.1; the totals of the CIFAR sets are those of Menon et al. 2021 too."""
    sizes = class_sizes(largest, classes, imbalance=imbalance)
    assert (sum(sizes), sizes[0], sizes[-1]) == (total, largest, last)
    data = load_data(arrays(tmp_path, sizes=[largest] * classes, test=2 * classes), imbalance=imbalance)
    assert data.train.labels.bincount().tolist() == sizes


def test_a_validation_split_of_its_own_is_kept_whole(tmp_path):
    data = load_data(arrays(tmp_path, validation=np.arange(7) % 3))
    assert [numbers_of(part) for part in (data.validation, data.test)] == [list(range(7)), list(range(15))]


def test_a_source_without_a_test_split_halves_its_validation_split(tmp_path):
    path = arrays(tmp_path, validation=np.arange(8) % 3)
    with np.load(path) as saved:
        kept = {name: saved[name] for name in saved.files if not name.endswith("test")}
    np.savez(path, **kept)
    data = load_data(path)
    assert sorted(numbers_of(data.validation) + numbers_of(data.test)) == list(range(8))


@pytest.mark.parametrize(
    ("told", "validation", "test"),
    [
        ({"validation": "extra"}, "extra", "test"),
        ({"test": "extra"}, "validation", "extra"),
        ({"test": "test"}, "validation", "test"),
        ({"validation": "val", "test": "Test"}, "validation", "test"),
        ({"validation": "test", "test": "validation"}, "test", "validation"),
        ({"validation": "extra", "test": "dev"}, "extra", "validation"),
    ],
)
def test_splits_are_taken_whole_by_their_names(tmp_path, told, validation, test):
    sizes = {"validation": 6, "test": 9, "extra": 12}
    others = {split: np.arange(sizes[split]) % 3 for split in ("validation", "extra")}
    data = load_data(arrays(tmp_path, test=sizes["test"], **others), **told)
    assert numbers_of(data.validation) == list(range(sizes[validation]))
    assert numbers_of(data.test) == list(range(sizes[test]))
    assert numbers_of(data.train) == list(range(60))


def test_validation_asked_for_as_the_test_split_is_cut_into_halves(tmp_path):
    data = load_data(arrays(tmp_path, validation=np.arange(8) % 3), test="validation")
    assert sorted(numbers_of(data.validation) + numbers_of(data.test)) == list(range(8))


def test_another_source_can_validate(tmp_path):
    for name in ("own", "other", "several"):
        (tmp_path / name).mkdir()
    source = arrays(tmp_path / "own")
    other = str(tmp_path / "other" / "images.npz")
    np.savez(other, x=np.zeros((5, 1, 2), np.uint8), y=np.array([0, 1, 2, 2, 2]))
    data = load_data(source, validation=other)
    assert data.validation.labels.tolist() == [0, 1, 2, 2, 2]
    assert numbers_of(data.test) == list(range(15))
    several = arrays(tmp_path / "several", validation=[2, 1, 0])
    assert load_data(source, validation=several).validation.labels.tolist() == [2, 1, 0]
    with pytest.raises(ValueError, match=r"own/data.npz: there is no split 'validation'; there is 'train', 'test'"):
        load_data(several, validation=source)
    np.savez(other, x=np.zeros((5, 1, 2), np.uint8), y=np.array([0, 1, 2, 3, 2]))
    with pytest.raises(ValueError, match=r"images.npz: its classes are not those of .*own/data.npz"):
        load_data(source, validation=other)


def test_one_split_is_cut_into_sixty_twenty_and_twenty_percent_of_every_class(tmp_path):
    path, labels = tmp_path / "data.npz", np.arange(300) % 3
    np.savez(path, x=np.arange(300, dtype=np.uint32).view(np.uint8).reshape(300, 1, 4), y=labels)
    full, thinned = load_data(str(path)), load_data(str(path), imbalance=6)
    parts = (full.train, full.validation, full.test)
    assert [part.labels.bincount().tolist() for part in parts] == [[60] * 3, [20] * 3, [20] * 3]
    assert sorted(itertools.chain(*map(numbers_of, parts))) == list(range(300))
    assert thinned.train.labels.bincount().tolist() == [60, 24, 10]
    assert thinned.validation.fingerprint() == full.validation.fingerprint()
    assert load_data(str(path), split_seed=1).test.fingerprint() != full.test.fingerprint()


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"validation": "vald"}, r"data.npz: there is no split 'vald'; there is 'train', 'test'$"),
        ({"validation": "dev"}, r"data.npz: there is no split 'dev'; there is 'train', 'test'$"),
        ({"test": "tset"}, r"data.npz: there is no split 'tset'; there is 'train', 'test'$"),
        ({"validation": "./vald.npz"}, r"^\./vald.npz: there is no such file or folder"),
        ({"validation": "test"}, r"no split may serve twice, got validation 'test' and test 'test' beside 'train'"),
        ({"validation": "train"}, r"no split may serve twice, got validation 'train' and test 'test'"),
        ({"test": "train"}, r"no split may serve twice, got validation None and test 'train'"),
        ({"image_size": 8}, r"image_size 8 is for images in files; arrays keep their size, a view resizes them"),
        ({"image_column": "img"}, r"image_column names a column of parquet files"),
    ],
)
def test_what_the_source_cannot_give_is_refused(tmp_path, told, message):
    with pytest.raises(ValueError, match=message):
        load_data(arrays(tmp_path), **told)


def test_a_split_is_missing_where_only_one_is_there_and_another_source_validates(tmp_path):
    with pytest.raises(ValueError, match="digits: there is no split 'test'; there is 'train'"):
        load_data("digits", validation=arrays(tmp_path))


def test_a_source_without_a_training_split_is_refused(tmp_path):
    np.savez(tmp_path / "data.npz", x_test=np.zeros((4, 1, 2), np.uint8), y_test=np.arange(4) % 2)
    with pytest.raises(ValueError, match=r"data.npz: there is no split 'train'; there is 'test'"):
        load_data(str(tmp_path / "data.npz"))


def test_arrays_that_are_no_images_stay_what_they_are_and_take_no_view(tmp_path):
    np.savez(tmp_path / "data.npz", x=np.random.default_rng(0).random((10, 4)), y=np.arange(10) % 2)
    for data in (load_data("digits"), load_data(str(tmp_path / "data.npz"))):
        assert isinstance(data.train, ArrayDataset)
        with pytest.raises(ValueError, match="a view is for images stored as bytes; these examples are arrays of numb"):
            data.viewed(View(pad=2))


def test_a_view_reaches_every_split_and_augments_none_by_itself(tmp_path):
    data = load_data(arrays(tmp_path)).viewed(View(mean=(0.5,), std=(0.5,), pad=2, flip=True))
    for part in (data.train, data.validation, data.test):
        (inputs,) = part.batches([torch.arange(len(part))])
        assert isinstance(part, ImageDataset)
        torch.testing.assert_close(inputs, part.images.float() / 255 * 2 - 1)
    assert data.to(torch.device("cpu")).test is data.test


@needs_shared
@pytest.mark.parametrize(
    ("name", "imbalance", "sizes"),
    [
        ("cifar10-lt", None, class_sizes(5000, 10, imbalance=100)),
        ("cifar100-lt", None, class_sizes(500, 100, imbalance=100)),
        ("fashion-mnist", 100, class_sizes(6000, 10, imbalance=100)),
    ],
)
def test_the_real_sets_are_cut_as_the_paper_cuts_them(name, imbalance, sizes):
    data = load_data(str(SHARED / name), imbalance=imbalance, hold="stream")
    assert data.train.labels.bincount().tolist() == sizes
    assert (len(data.validation), len(data.test)) == (5000, 5000)
    both = data.validation.labels.bincount() + data.test.labels.bincount()
    assert both.tolist() == [10_000 // len(sizes)] * len(sizes)
    (inputs,) = data.test.batches([torch.arange(0, 5000, 500)])
    assert inputs.shape[1:] == ((1, 28, 28) if name == "fashion-mnist" else (3, 32, 32))
    assert 0 <= inputs.min() < 0.1
    assert 0.9 < inputs.max() <= 1
