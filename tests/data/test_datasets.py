"""The embedded digits against scikit-learn's, and splits that no long tail can touch."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from evendistill.data.datasets import Data, load_data
from evendistill.data.examples import ArrayDataset

SPLITS = ("train", "validation", "test")


def rows_of(examples):
    return {(x.numpy().tobytes(), y) for x, y in (examples[row] for row in range(len(examples)))}


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
        zeros = {name: ArrayDataset(torch.zeros(2, 1), torch.tensor([0, 1])) for name in SPLITS}
        return Data(**zeros | changed, class_names=("a", "b"))

    changed = ArrayDataset(torch.ones(2, 1), torch.tensor([0, 1]))
    assert data(**{split: changed}).fingerprint != data().fingerprint
    assert data().fingerprint == data().fingerprint


@pytest.mark.parametrize("imbalance", [0.5, 0, math.nan, math.inf])
def test_an_impossible_imbalance_is_refused(imbalance):
    with pytest.raises(ValueError, match="imbalance must be at least 1"):
        load_data("digits", imbalance=imbalance)


def test_an_unknown_source_is_refused_and_the_known_one_named():
    with pytest.raises(ValueError, match="unknown data source 'mnist'; there is 'digits'"):
        load_data("mnist")
