"""What a user may bring as a data set, and what the loop gets to see of it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

from evendistill.data.examples import ArrayDataset, StreamedExamples, as_examples, in_order


class Listed(Dataset):
    """A user's own map-style data set."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, row):
        return self.items[row]


class Noisy(Listed):
    """Augments with the global torch generator, as users do."""

    def __getitem__(self, row):
        return self.items[row][0] + torch.randn(3), self.items[row][1]


class Endless(IterableDataset):
    def __iter__(self):
        yield torch.zeros(3), 0


def items(count=5):
    return [(torch.full((3,), float(row)), row % 2) for row in range(count)]


def all_inputs(examples, batch_size=2):
    return torch.cat(list(in_order(examples, batch_size)))


def fingerprint(inputs, labels):
    return as_examples((inputs, labels)).fingerprint()


def test_a_pair_of_numpy_arrays_becomes_float32_examples():
    inputs = np.random.default_rng(0).normal(size=(5, 2, 3))
    examples = as_examples((inputs, np.arange(5, dtype=np.int32)))
    read = all_inputs(examples)
    assert read.dtype == torch.float32
    np.testing.assert_array_equal(read.numpy(), inputs.astype(np.float32))
    assert examples.labels.dtype == torch.int64
    assert examples.labels.tolist() == [0, 1, 2, 3, 4]


def test_a_users_pixels_are_handed_on_as_they_are():
    """A network that scales its own pixels must not find them scaled already."""
    pixels = np.array([[0, 51], [102, 255]], dtype=np.uint8)
    examples = as_examples((pixels, np.array([0, 1])))
    (batch,) = examples.batches([torch.tensor([1, 0])])
    assert batch.dtype == torch.uint8
    assert batch.tolist() == [[102, 255], [0, 51]]


def test_a_pair_of_tensors_keeps_the_precision_that_it_was_given():
    inputs = torch.randn(4, 3, dtype=torch.float64)
    examples = as_examples((inputs, torch.tensor([0, 1, 0, 1])))
    assert all_inputs(examples).dtype == torch.float64
    assert torch.equal(all_inputs(examples), inputs)


def test_a_read_only_array_is_taken_without_a_warning():
    inputs = np.arange(6, dtype=np.float32).reshape(3, 2)
    inputs.flags.writeable = False
    assert all_inputs(as_examples((inputs, np.array([0, 1, 0])))).tolist() == [[0, 1], [2, 3], [4, 5]]


def test_a_reversed_view_is_read_as_it_looks():
    assert all_inputs(as_examples((np.arange(3.0)[::-1, None], np.arange(3)[::-1]))).flatten().tolist() == [2, 1, 0]


@pytest.mark.parametrize("extra", [(), (torch.arange(4),)], ids=["pairs", "with group"])
def test_a_tensor_dataset_is_held_in_memory(extra):
    inputs = torch.randn(4, 3)
    examples = as_examples(TensorDataset(inputs, torch.tensor([0, 1, 2, 1]), *extra))
    assert isinstance(examples, ArrayDataset)
    assert torch.equal(all_inputs(examples), inputs)
    assert examples.labels.tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize("label", [int, np.int64, np.int32, np.uint8, bool, torch.tensor, lambda y: torch.tensor([y])])
def test_an_own_data_set_is_read_item_by_item_whatever_kind_of_integer_its_labels_are(label):
    examples = as_examples(Listed([(x, label(y)) for x, y in items()]))
    assert isinstance(examples, StreamedExamples)
    assert len(examples) == 5
    assert torch.equal(all_inputs(examples), torch.stack([x for x, _ in items()]))
    assert examples.labels.tolist() == [0, 1, 0, 1, 0]
    assert examples.labels.dtype == torch.int64


def test_a_subset_of_examples_is_a_data_set_too():
    whole = as_examples((torch.arange(6.0).reshape(6, 1), torch.tensor([0, 1, 2, 0, 1, 2])))
    assert isinstance(whole, ArrayDataset)
    part = as_examples(Subset(whole, [4, 1]))
    assert all_inputs(part).flatten().tolist() == [4, 1]
    assert part.labels.tolist() == [1, 1]
    assert whole.subset(torch.tensor([4, 1])).fingerprint() == part.fingerprint()


def test_examples_are_taken_as_they_are():
    examples = as_examples(Listed(items()))
    assert as_examples(examples) is examples


@pytest.mark.parametrize(
    "source",
    [
        None,
        3,
        {"x": torch.zeros(2, 3), "y": torch.zeros(2)},
        "digits",
        torch.zeros(4, 3),
        [torch.zeros(4, 3), torch.zeros(4).long(), torch.zeros(4).long()],
        (torch.zeros(4, 3),) * 4,
        TensorDataset(torch.zeros(4, 3)),
        TensorDataset(*[torch.zeros(4, 3)] * 4),
        Endless(),
        Listed([torch.zeros(3)]),
        Listed([(torch.zeros(3),)]),
        Listed([(torch.zeros(3), 1, 2, 3)]),
        Listed([{"x": torch.zeros(3), "y": 1}]),
        Listed([None]),
        Listed([*items(), None]),
        Listed([*items(), (torch.zeros(3),)]),
        Listed([*items(), (torch.zeros(4), 1)]),
        Listed([*items(), (torch.zeros(3), "cat")]),
        Listed([(torch.zeros(3), 1.0)]),
        Listed([(torch.zeros(3), 1j)]),
        Listed([(torch.zeros(3), torch.tensor(1j))]),
        Listed([(torch.zeros(3), "cat")]),
        Listed([(torch.zeros(3), None)]),
        Listed([(torch.zeros(3), torch.tensor([1, 0]))]),
        Listed([("text", 1)]),
        Listed([({"image": torch.zeros(3)}, 1)]),
        Listed([(object(), 1)]),
    ],
)
def test_what_is_no_data_set_of_pairs_is_refused(source):
    with pytest.raises(ValueError, match=r"\(x, y\)"):
        as_examples(source)


@pytest.mark.parametrize(
    "labels",
    [
        np.zeros(3),
        np.zeros(3, dtype=complex),
        np.zeros((3, 1), dtype=int),
        np.array(["a", "b", "c"]),
        np.array([0, 1, None]),
        torch.tensor(1),
    ],
)
def test_labels_that_are_no_vector_of_integers_are_refused(labels):
    with pytest.raises(ValueError, match="labels must be"):
        as_examples((np.zeros((3, 2)), labels))


@pytest.mark.parametrize("inputs", [np.array([["a"], ["b"], ["c"]]), [[1.0, 2.0], [3.0], [4.0]]])
def test_inputs_that_are_no_numbers_are_refused(inputs):
    with pytest.raises(ValueError, match="inputs must be"):
        as_examples((inputs, np.arange(3)))


@pytest.mark.parametrize(
    "inputs", [np.zeros((4, 2)), torch.zeros(2, 2), torch.tensor(1.0)], ids=["more", "fewer", "one number"]
)
def test_inputs_and_labels_of_different_lengths_are_refused(inputs):
    with pytest.raises(ValueError, match="one length"):
        as_examples((inputs, np.arange(3)))


@pytest.mark.parametrize(
    "source",
    [
        (np.zeros((0, 3)), np.zeros(0, dtype=int)),
        TensorDataset(torch.zeros(0, 3), torch.zeros(0).long()),
        Listed([]),
        [],
    ],
)
def test_an_empty_data_set_is_refused(source):
    with pytest.raises(ValueError, match="at least one example"):
        as_examples(source)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_the_fingerprint_depends_on_inputs_labels_shape_and_type(dtype):
    inputs, labels = np.arange(12, dtype=dtype).reshape(4, 3), np.array([0, 1, 2, 0])
    other_inputs, other_labels = inputs.copy(), labels.copy()
    other_inputs[3, 2] += 1
    other_labels[0] = 1
    prints = [
        fingerprint(inputs, labels),
        fingerprint(other_inputs, labels),
        fingerprint(inputs, other_labels),
        fingerprint(inputs[::-1], labels),
        fingerprint(inputs.reshape(4, 3, 1), labels),
        fingerprint(inputs.view(np.int8) if dtype == np.uint8 else inputs.astype(np.float16), labels),
    ]
    assert len(set(prints)) == len(prints)
    assert fingerprint(inputs.copy(), labels.astype(np.int32)) == prints[0]


def test_the_fingerprint_tells_equal_bytes_of_another_type_apart():
    labels = torch.tensor([0, 1])
    assert fingerprint(torch.zeros(2, 4), labels) != fingerprint(torch.zeros(2, 4).int(), labels)


def test_the_same_examples_have_one_fingerprint_in_memory_and_streamed():
    in_memory = as_examples((torch.stack([x for x, _ in items()]), torch.tensor([y for _, y in items()])))
    assert as_examples(Listed(items())).fingerprint() == in_memory.fingerprint()
    assert as_examples(Listed(items(4))).fingerprint() != in_memory.fingerprint()


@pytest.mark.parametrize("make", [Listed, lambda listed: (torch.stack([x for x, _ in listed]), torch.arange(5))])
@given(rows=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=4), min_size=1, max_size=4))
def test_batches_come_in_the_order_that_was_asked_for(make, rows):
    examples = as_examples(make(items()))
    batches = list(examples.batches([torch.tensor(batch) for batch in rows]))
    assert [batch[:, 0].tolist() for batch in batches] == [[float(row) for row in batch] for batch in rows]


@pytest.mark.parametrize("make", [Listed, lambda listed: (torch.stack([x for x, _ in listed]), torch.arange(5))])
def test_making_batches_draws_nothing_from_the_global_generator(make):
    before = torch.get_rng_state()
    examples = as_examples(make(items()))
    list(examples.batches([torch.tensor([0, 1]), torch.tensor([4])]))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_random_data_set_draws_anew_at_each_reading_and_alone_from_the_global_generator():
    examples = as_examples(Noisy(items()))
    torch.manual_seed(7)
    first, second = all_inputs(examples), all_inputs(examples)
    assert not torch.equal(first, second)
    torch.manual_seed(7)
    drawn = torch.stack([torch.randn(3) for _ in range(10)])
    clean = torch.stack([x for x, _ in items()])
    assert torch.equal(first, clean + drawn[:5])
    assert torch.equal(second, clean + drawn[5:])


def test_worker_processes_read_the_same_examples():
    alone, helped = as_examples(Listed(items())), as_examples(Listed(items()), workers=1)
    assert torch.equal(all_inputs(helped), all_inputs(alone))
    assert helped.fingerprint() == alone.fingerprint()


def test_an_item_is_a_float_tensor_and_an_int():
    x, y = ArrayDataset(torch.zeros(2, 3), torch.tensor([1, 0], dtype=torch.uint8))[0]
    assert x.dtype == torch.float32
    assert (y, type(y)) == (1, int)


def test_moving_examples_to_where_they_are_copies_nothing():
    examples = ArrayDataset(torch.zeros(2, 3), torch.tensor([1, 0]))
    assert examples.to(torch.device("cpu")) is examples
    moved = examples.to(torch.device("meta"))
    assert moved.inputs.device.type == "meta"
    assert moved.labels.tolist() == [1, 0]
