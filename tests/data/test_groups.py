"""Groups stay beside their examples, whoever brings them, and leave data sets without groups as they were."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, Subset, TensorDataset

from evendistill.data import examples as examples_module
from evendistill.data.datasets import Data
from evendistill.data.examples import ArrayDataset, Examples, StreamedExamples, as_examples
from evendistill.data.images import ImageDataset
from evendistill.data.streamed import StreamedImages
from evendistill.data.view import View

PIXELS = torch.arange(6 * 3 * 4 * 4).remainder(251).to(torch.uint8).reshape(6, 3, 4, 4)
LABELS = torch.tensor([0, 1, 0, 1, 0, 1])
GROUPS = torch.tensor([2, 0, 1, 1, 0, 1])
KINDS = ["array", "items", "images", "stream"]


class Six:
    """Reads the six images."""

    def __len__(self):
        return 6

    def read(self, row):
        return PIXELS[row].permute(1, 2, 0)

    def fingerprint(self):
        return "six images"


class Listed(Dataset):
    """A user's own map-style data set."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, row):
        return self.items[row]


def items(groups: torch.Tensor | None = GROUPS):
    rows = range(len(PIXELS))
    return [(PIXELS[row].float(), int(LABELS[row]), *([] if groups is None else [int(groups[row])])) for row in rows]


def made(kind, groups: torch.Tensor | None = GROUPS) -> Examples:
    if kind == "array":
        return ArrayDataset(PIXELS.float(), LABELS, groups)
    if kind == "items":
        return StreamedExamples(Listed(items(groups)))
    if kind == "images":
        return ImageDataset(PIXELS, LABELS, groups=groups)
    return StreamedImages(Six(), LABELS, groups=groups)


def groups_of(examples: Examples) -> list[int]:
    assert examples.groups is not None
    assert examples.groups.dtype == torch.int64
    return examples.groups.tolist()


@pytest.mark.parametrize(
    ("kind", "pinned"),
    [
        ("array", "8596c23f2d577b20dae3000a711af80f4048ec9dea0a9999cabb7ddcaf6d5950"),
        ("items", "8596c23f2d577b20dae3000a711af80f4048ec9dea0a9999cabb7ddcaf6d5950"),
        ("images", "d98655c55729791417d67935318c1ed40688e238399796c352d6278badfb047c"),
        ("stream", "451d5c6a05821bc878056c92e80a5c960746553d4803b4a62b92221899f7cb1d"),
    ],
)
def test_the_fingerprint_without_groups_is_what_it_was_before_there_were_any(kind, pinned):
    """Names of run folders and of caches depend on it."""
    assert made(kind, None).fingerprint() == pinned


def test_the_fingerprint_of_data_without_groups_is_what_it_was_before_there_were_any():
    train, validation = ArrayDataset(PIXELS.float(), LABELS), ImageDataset(PIXELS, LABELS)
    test = StreamedImages(Six(), LABELS)
    pinned = "373ee310b13115a5b6571525943aec6d1332eee79e892f08b0418a7d42c1b7ee"
    assert Data(train, validation, test, ("a", "b")).fingerprint == pinned


@pytest.mark.parametrize("kind", KINDS)
def test_the_fingerprint_depends_on_the_groups(kind):
    others = [None, torch.zeros(6).long(), GROUPS, GROUPS.flip(0), GROUPS + 1]
    assert len({made(kind, groups).fingerprint() for groups in others}) == len(others)
    assert made(kind, GROUPS.int()).fingerprint() == made(kind).fingerprint()


def test_the_same_groups_have_one_fingerprint_in_memory_and_streamed():
    assert made("array").fingerprint() == made("items").fingerprint()


@pytest.mark.parametrize("kind", KINDS)
def test_groups_survive_a_move_and_stay_where_they_are(kind):
    moved = made(kind).to(torch.device("meta"))
    assert groups_of(moved) == GROUPS.tolist()
    assert made(kind, None).to(torch.device("meta")).groups is None


@pytest.mark.parametrize("kind", ["array", "images"])
def test_a_subset_takes_the_groups_of_its_rows(kind):
    whole: Any = made(kind)
    part = whole.subset(torch.tensor([5, 0, 1]))
    assert groups_of(part) == [1, 2, 0]
    assert torch.equal(part[1][0], whole[0][0])
    unnumbered: Any = made(kind, None)
    assert unnumbered.subset(torch.tensor([5, 0])).groups is None


@pytest.mark.parametrize("kind", ["images", "stream"])
def test_groups_survive_another_view(kind):
    examples: Any = made(kind)
    assert groups_of(examples.viewed(View(mean=(0.5,)))) == GROUPS.tolist()


@pytest.mark.parametrize("kind", ["array", "images", "stream"])
def test_an_item_has_a_group_where_there_are_groups(kind):
    grouped: Any = made(kind)
    plain: Any = made(kind, None)
    assert [len(plain[row]) for row in range(6)] == [2] * 6
    for row in range(6):
        x, y, group = grouped[row]
        assert torch.equal(x, plain[row][0])
        assert (y, group) == (LABELS[row], GROUPS[row])
        assert (type(y), type(group)) == (int, int)


@pytest.mark.parametrize("kind", ["array", "images", "stream"])
def test_a_subset_by_torch_keeps_the_groups(kind):
    examples: Any = made(kind)
    assert groups_of(as_examples(Subset(examples, [4, 5, 1]))) == [0, 1, 0]


@pytest.mark.parametrize("kind", ["array", "images", "stream"])
@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (GROUPS[:5], "labels and groups must have one length, got 6 and 5$"),
        (torch.zeros(7).long(), "labels and groups must have one length, got 6 and 7$"),
        (GROUPS.float(), r"groups must be integers of shape \(N,\), got torch.float32 \(6,\)$"),
        (GROUPS * 1j, r"groups must be integers of shape \(N,\), got torch.complex64 \(6,\)$"),
        (GROUPS[:, None], r"groups must be integers of shape \(N,\), got torch.int64 \(6, 1\)$"),
        (torch.tensor([0, 1, 2, -3, 0, -1]), "groups must be numbers from 0, got -3 in row 3$"),
    ],
)
def test_groups_that_are_no_numbers_one_an_example_are_refused(kind, groups, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        made(kind, groups)


@pytest.mark.parametrize(
    "source",
    [
        (PIXELS.float(), LABELS, GROUPS),
        (PIXELS.numpy().astype(np.float64), LABELS.numpy(), GROUPS.numpy().astype(np.uint8)),
        (PIXELS.numpy().astype(np.float32), LABELS.tolist(), GROUPS.tolist()),
        TensorDataset(PIXELS.float(), LABELS, GROUPS.int()),
        Listed(items()),
        items(),
    ],
    ids=["tensors", "numpy", "lists", "TensorDataset", "items", "a list of items"],
)
def test_the_groups_that_a_user_brings_are_kept(source):
    examples = as_examples(source)
    assert groups_of(examples) == GROUPS.tolist()
    assert examples.labels.tolist() == LABELS.tolist()
    assert examples.fingerprint() == made("array").fingerprint()
    (batch,) = examples.batches([torch.tensor([3, 1])])
    assert torch.equal(batch, PIXELS[[3, 1]].float())


@pytest.mark.parametrize("source", [(PIXELS, LABELS), TensorDataset(PIXELS, LABELS), items(None), items(None)[:3]])
def test_who_brings_no_groups_has_none(source):
    assert as_examples(source).groups is None


@pytest.mark.parametrize("kind", [int, bool, np.int64, np.uint8, np.bool_, torch.tensor, lambda g: torch.tensor([g])])
def test_the_group_of_an_item_is_any_kind_of_integer(kind):
    source = [(x, y, kind(row % 2)) for row, (x, y) in enumerate(items(None))]
    assert groups_of(as_examples(Listed(source))) == [0, 1, 0, 1, 0, 1]


def test_groups_are_read_in_order_over_several_batches_and_by_other_processes(monkeypatch):
    monkeypatch.setattr(examples_module, "LOADING_BATCH", 4)
    assert groups_of(made("items")) == GROUPS.tolist()
    assert groups_of(as_examples(Listed(items()), workers=1)) == GROUPS.tolist()


@pytest.mark.parametrize("batch", [256, 3, 2, 1])
@pytest.mark.parametrize("without", [[0], [5], [0, 1, 2], [3, 4, 5]])
def test_items_with_and_without_a_group_are_refused(monkeypatch, batch, without):
    monkeypatch.setattr(examples_module, "LOADING_BATCH", batch)
    mixed = [found[:2] if row in without else found for row, found in enumerate(items())]
    message = (
        r"^items of the data set must all be \(x, y\) or all be \(x, y, group\), got \d with and \d without a group$"
    )
    with pytest.raises(ValueError, match=message):
        as_examples(Listed(mixed))


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ("land", "'land'"),
        (0.5, r"0\.5"),
        (None, "None"),
        (1j, "1j"),
        (torch.tensor([1, 0]), r"tensor\(\[1, 0\]\)"),
        ([1, 0], r"\[1, 0\]"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_group_that_is_no_integer_is_refused_with_its_value(group, said, first):
    source = [(x, y, 1) for x, y in items(None)]
    for row in range(6) if first else [3]:
        source[row] = (*source[row][:2], group)
    with pytest.raises(ValueError, match=rf"^the group of an item \(x, y, group\) must be an integer, got {said}$"):
        as_examples(Listed(source))


@pytest.mark.parametrize("groups", [[2**70] * 6, [1] * 5 + [2**70], [torch.tensor(1), torch.tensor([1])] * 3])
def test_groups_that_make_no_array_of_integers_are_refused(groups):
    source = [(x, y, group) for (x, y), group in zip(items(None), groups, strict=True)]
    with pytest.raises(ValueError, match=r"must be an integer, got numbers of several shapes or beyond 64 bits$"):
        as_examples(Listed(source))


def test_a_negative_group_of_an_item_is_refused():
    with pytest.raises(ValueError, match=r"^groups must be numbers from 0, got -1 in row 2$"):
        as_examples(Listed(items(torch.tensor([0, 1, -1, 0, 0, 0]))))


@pytest.mark.parametrize("groups", [np.array(["a"] * 6), [[1, 2], [3]], [None] * 6])
def test_arrays_of_groups_that_are_no_numbers_are_refused(groups):
    with pytest.raises(ValueError, match="groups must be an array of numbers"):
        as_examples((PIXELS, LABELS, groups))
