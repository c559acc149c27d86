"""Examples as the loop reads them: inputs in batches, labels all at once."""

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from evendistill.data.checked import check_finite, checked_groups, checked_labels, group_bytes, part_of
from evendistill.data.items import Item, item, joined_groups, joined_items

LOADING_BATCH = 256


class Examples(Protocol):
    """A data set of N examples in a fixed order.

    Attributes:
        labels: ``(N,)`` int64.
        groups: ``(N,)`` int64 numbers from 0 of the values of an attribute that each example has beside its class, such
            as the background of a picture; None where there is none.
    """

    labels: Tensor
    groups: Tensor | None

    def __len__(self) -> int:
        """N."""
        ...

    def batches(self, rows: Sequence[Tensor], draws: Sequence[Tensor] | None = None) -> Iterator[Tensor]:
        """The inputs of each batch of row numbers ``(B,)``, in turn; augmented by their draws ``(B, K)``, if any."""
        ...

    def draws(self, count: int, generator: torch.Generator) -> Tensor:
        """What augmenting ``count`` inputs needs to know, ``(count, K)``; K is 0 where nothing is drawn."""
        ...

    def fingerprint(self) -> str:
        """SHA-256 of inputs, labels and, where there are some, groups as they are stored."""
        ...

    def to(self, device: torch.device) -> "Examples":
        """The same examples with what can be held there on ``device``."""
        ...


class ArrayDataset(Dataset[Item]):
    """A map-style data set held in memory, yielding ``(x, y int)``, or ``(x, y int, group int)`` if it has groups.

    Args:
        inputs: ``(N, ...)``; handed on as they are, whatever their dtype.
        labels: ``(N,)`` integers.
        groups: ``(N,)`` integers from 0, if there are groups.

    Raises:
        ValueError: if lengths differ, labels or groups are not integers, or a group is below 0.
    """

    def __init__(self, inputs: Tensor, labels: Tensor, groups: Tensor | None = None) -> None:
        self.labels = checked_labels(labels, len(inputs) if inputs.ndim else None)
        self.groups = checked_groups(groups, len(labels))
        self.inputs = inputs

    def __repr__(self) -> str:
        return f"ArrayDataset({len(self)} x {tuple(self.inputs.shape[1:])})"

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> Item:
        return item(self.inputs[row], self.labels, self.groups, row)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input."""
        return tuple(self.inputs.shape[1:])

    def batches(self, rows: Sequence[Tensor], draws: Sequence[Tensor] | None = None) -> Iterator[Tensor]:
        """The inputs of each batch of row numbers ``(B,)``, in turn, as they are."""
        for batch in rows:
            yield self.inputs[batch.to(self.inputs.device)]

    def draws(self, count: int, generator: torch.Generator) -> Tensor:
        """Nothing is drawn: ``(count, 0)``."""
        return torch.empty(count, 0, dtype=torch.long)

    def fingerprint(self) -> str:
        """SHA-256 of inputs, labels and, where there are some, groups as they are stored."""
        hashed = hashlib.sha256(_raw_bytes(self.inputs))
        return _finish(hashed, self.inputs, self.labels, self.groups)

    def to(self, device: torch.device) -> "ArrayDataset":
        """The same examples with their inputs on ``device``; labels and groups stay where they are."""
        return self if self.inputs.device == device else ArrayDataset(self.inputs.to(device), self.labels, self.groups)

    def subset(self, rows: Tensor) -> "ArrayDataset":
        """The examples at these row numbers, in this order."""
        return ArrayDataset(self.inputs[rows], self.labels[rows], part_of(self.groups, rows))


class StreamedExamples:
    """Any map-style data set of ``(x, y)`` or ``(x, y, group)``, read as it is asked for.

    One pass over it reads labels, groups and the fingerprint when the object is made. What the data set draws at random
    (augmentation) is drawn anew at each reading, from the global generators.

    Args:
        dataset: items ``(x, y)`` or ``(x, y, group)``.
        workers: processes that load batches; 0 loads in this one, which resuming bit for bit needs if items are random.

    Raises:
        ValueError: if items are not of that form or not finite, naming the first, or only some have a group.
    """

    def __init__(self, dataset: Dataset[Any], *, workers: int = 0) -> None:
        self._dataset = dataset
        self._workers = workers
        if len(self) == 0:
            raise ValueError("a data set needs at least one example, got none")
        labels: list[Tensor] = []
        groups: list[Tensor | None] = []
        hashed, inputs = hashlib.sha256(), torch.empty(0)
        for inputs, batch_labels, batch_groups in self._loader(_consecutive(len(self), LOADING_BATCH)):
            check_finite(inputs, before=sum(map(len, labels)))
            hashed.update(_raw_bytes(inputs))
            labels.append(batch_labels)
            groups.append(batch_groups)
        self.labels = torch.cat(labels)
        self.groups = checked_groups(joined_groups(groups, [len(batch) for batch in labels]), len(self))
        self._fingerprint = _finish(hashed, inputs, self.labels, self.groups)
        self._shape = tuple(inputs.shape[1:])

    def __repr__(self) -> str:
        return f"StreamedExamples({len(self)} x {self._shape})"

    def __len__(self) -> int:
        return len(cast(Any, self._dataset))

    def batches(self, rows: Sequence[Tensor], draws: Sequence[Tensor] | None = None) -> Iterator[Tensor]:
        """The inputs of each batch of row numbers ``(B,)``, in turn; the data set augments them itself, if anyone."""
        for inputs, _, _ in self._loader(rows):
            yield inputs

    def draws(self, count: int, generator: torch.Generator) -> Tensor:
        """Nothing is drawn here: ``(count, 0)``."""
        return torch.empty(count, 0, dtype=torch.long)

    def to(self, device: torch.device) -> "StreamedExamples":
        """The same examples; they stay where the data set puts them."""
        return self

    def fingerprint(self) -> str:
        """SHA-256 of inputs, labels and, where there are some, groups as they were read first."""
        return self._fingerprint

    def _loader(self, rows: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        # A generator of its own, or making the iterator would draw from the global one and resuming would not repeat.
        loader = DataLoader(
            self._dataset,
            batch_sampler=row_lists(rows),
            num_workers=self._workers,
            collate_fn=joined_items,
            generator=torch.Generator().manual_seed(0),
        )
        return iter(loader)


def as_examples(source: object, *, workers: int = 0) -> Examples:
    """Anything a user may bring, as examples.

    Arrays, tensors and ``TensorDataset`` are held in memory; any other map-style ``Dataset`` is read when asked for.

    Args:
        source: a ``Dataset`` of ``(x, y)`` or ``(x, y, group)``, a pair of arrays ``(inputs, labels)``, or a tuple of
            three ``(inputs, labels, groups)``; groups are integers from 0.
        workers: loading processes for a ``Dataset`` that is not in memory.

    Raises:
        ValueError: if it is none of these, its labels or groups are not integers, only some items have a group, or
            inputs hold NaN or infinity, naming the first example.
    """
    examples = _as_examples(source, workers)
    if isinstance(examples, ArrayDataset):
        check_finite(examples.inputs)
    return examples


def _as_examples(source: object, workers: int) -> Examples:
    if hasattr(source, "draws") and hasattr(source, "fingerprint"):  # examples already
        return cast(Examples, source)
    if isinstance(source, TensorDataset) and len(source.tensors) in (2, 3):
        return ArrayDataset(*source.tensors)
    # a list of three may hold three items
    if (isinstance(source, tuple | list) and len(source) == 2) or (isinstance(source, tuple) and len(source) == 3):
        named = zip(source, ("inputs", "labels", "groups"), strict=False)
        return ArrayDataset(*(_as_tensor(values, name) for values, name in named))
    if hasattr(source, "__getitem__") and hasattr(source, "__len__") and not isinstance(source, Mapping):
        return StreamedExamples(cast(Dataset[Any], source), workers=workers)
    raise ValueError(f"expected a map-style Dataset of (x, y) or a pair of arrays, got {type(source).__name__}")


def in_order(examples: Examples, batch_size: int) -> Iterator[Tensor]:
    """All inputs in the order of the rows, in batches."""
    return examples.batches(_consecutive(len(examples), batch_size))


def _consecutive(count: int, batch_size: int) -> list[Tensor]:
    return list(torch.arange(count).split(batch_size)) if count else []


def row_lists(rows: Sequence[Tensor]) -> list[list[int]]:
    """Row numbers as a loader wants them, fetched from their device at once."""
    every = iter(torch.cat(list(rows)).tolist() if len(rows) else [])
    return [list(itertools.islice(every, len(batch))) for batch in rows]


def _as_tensor(values: object, name: str) -> Tensor:
    if isinstance(values, Tensor):
        return values
    try:
        array = np.ascontiguousarray(cast(Any, values))
        tensor = torch.from_numpy(array if array.flags.writeable else array.copy())
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of numbers: {error}") from None
    # torch trains in float32 by default, numpy computes in float64: a network would refuse the latter
    return tensor.float() if name == "inputs" and tensor.dtype == torch.float64 else tensor


def _raw_bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def _finish(hashed: "hashlib._Hash", inputs: Tensor, labels: Tensor, groups: Tensor | None) -> str:
    hashed.update(_raw_bytes(labels))
    hashed.update(f"{inputs.dtype} {tuple(inputs.shape[1:])}".encode())
    hashed.update(group_bytes(groups))
    return hashed.hexdigest()
