"""Labels as files hold them become numbers that mean the same in every split."""

import math
import warnings

import numpy as np
import pytest
import torch

from evendistill.data.numbering import Split, Unnumbered, numbered


def table(labels, names=None, **options):
    return Unnumbered(torch.zeros(len(labels), 2), np.array(labels, **options), lambda row: f"f.npz, row {row}", names)


def test_words_are_numbered_in_alphabetical_order_over_all_splits():
    with pytest.warns(UserWarning, match="labels are words; numbered in alphabetical order: 0 ant, 1 bee, 2 cat$"):
        splits = numbered({"train": table(["cat", "bee", "cat"]), "test": table(["ant", "cat"])}, origin="here")
    assert splits["train"].labels.tolist() == [2, 1, 2]
    assert splits["test"].labels.tolist() == [0, 2]
    assert splits["train"].class_names == splits["test"].class_names == ("ant", "bee", "cat")


def test_the_warning_of_many_words_is_one_line_that_shows_twenty():
    with pytest.warns(UserWarning, match="18 word 018, 19 word 019 and 80 more$") as caught:
        numbered({"train": table([f"word\n{number:03}" for number in range(100)])}, origin="here")
    (warning,) = caught
    assert "\n" not in str(warning.message)


@pytest.mark.parametrize("labels", [[0, 2, 1], [0.0, 2.0, 1.0], np.array([0, 2, 1], ">u8"), np.array([0, 2, 1], "u1")])
def test_whole_numbers_stay_as_they_are_whatever_their_type(labels):
    (split,) = numbered({"train": table(labels)}, origin="here").values()
    assert split.labels.tolist() == [0, 2, 1]
    assert split.labels.dtype == torch.int64
    assert split.class_names == ("0", "1", "2")


def test_true_and_false_are_one_and_zero():
    assert numbered({"train": table([True, False])}, origin="here")["train"].labels.tolist() == [1, 0]


def test_the_largest_label_of_any_split_says_how_many_classes_there_are():
    splits = numbered({"train": table([0, 1]), "test": table([3, 0])}, origin="here")
    assert splits["train"].class_names == splits["test"].class_names == ("0", "1", "2", "3")


def test_names_of_one_split_are_those_of_all_even_of_classes_without_examples():
    splits = numbered({"train": table([0, 1]), "test": table([1, 0], ("ant", "bee", "cat"))}, origin="here")
    assert splits["train"].class_names == splits["test"].class_names == ("ant", "bee", "cat")


@pytest.mark.parametrize("label", [-1, math.nan, math.inf, 0.5, 10**15, 1_000_000])
def test_a_label_that_is_no_whole_number_from_zero_is_refused_with_file_and_row(label):
    with pytest.raises(ValueError, match=r"^f.npz, row 2: labels must be whole numbers from 0 to 999999, got ") as told:
        numbered({"train": table([0, 1, label])}, origin="here")
    assert float(str(told.value).split("got ")[1]) == pytest.approx(label, nan_ok=True)


def test_a_label_beyond_the_names_is_refused():
    with pytest.raises(ValueError, match=r"row 1: .* from 0 to 1 \(the files name 2 classes\), got 2"):
        numbered({"train": table([0, 2], ("ant", "bee"))}, origin="here")


def test_labels_of_another_kind_are_refused():
    with pytest.raises(ValueError, match=r"f.npz, row 0: labels must be whole numbers or words, got complex128"):
        numbered({"train": table([1j])}, origin="here")


def test_a_split_without_rows_is_refused():
    with pytest.raises(ValueError, match="here: split 'test' has no rows"):
        numbered({"train": table([0, 1]), "test": table([], dtype=int)}, origin="here")


def test_words_in_one_split_and_numbers_in_another_are_refused():
    with pytest.raises(ValueError, match="here: labels of split 'test' are words, but of 'train' numbers"):
        numbered({"train": table([0]), "test": table(["cat"])}, origin="here")


def test_splits_that_name_the_classes_differently_are_refused():
    names = {"train": ("ant", "bee"), "test": ("ant", "bee"), "extra": ("bee", "ant")}
    tables = {name: table([0, 1], given) for name, given in names.items()}
    with pytest.raises(ValueError, match="'train' has ant, bee and 'extra' has bee, ant"):
        numbered(tables, origin="here")


def test_numbers_are_taken_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        numbered({"train": table([0, 1])}, origin="here")


def test_a_subset_keeps_order_names_and_the_layout_of_images():
    images = torch.arange(5 * 2 * 2 * 3, dtype=torch.uint8).reshape(5, 2, 2, 3).permute(0, 3, 1, 2)
    part = Split(images, torch.tensor([0, 1, 0, 1, 1]), ("ant", "bee")).subset(torch.tensor([4, 0]))
    assert isinstance(part.inputs, torch.Tensor)
    assert torch.equal(part.inputs, images[[4, 0]])
    assert part.inputs.is_contiguous(memory_format=torch.channels_last)
    assert part.labels.tolist() == [1, 0]
    assert part.class_names == ("ant", "bee")
    assert len(part) == 2
