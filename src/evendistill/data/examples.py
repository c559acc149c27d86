"""Examples as the loop reads them: inputs in batches, labels all at once."""

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset, default_collate

LOADING_BATCH = 256


class Examples(Protocol):
    """A data set of N examples in a fixed order.

    Attributes:
        labels: ``(N,)`` int64.
    """

    labels: Tensor

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
        """SHA-256 of inputs and labels as they are stored."""
        ...

    def to(self, device: torch.device) -> "Examples":
        """The same examples with what can be held there on ``device``."""
        ...


class ArrayDataset(Dataset[tuple[Tensor, int]]):
    """A map-style data set held in memory, yielding ``(x, y int)``.

    Args:
        inputs: ``(N, ...)``; handed on as they are, whatever their dtype.
        labels: ``(N,)`` integers.

    Raises:
        ValueError: if lengths differ or labels are not integers.
    """

    def __init__(self, inputs: Tensor, labels: Tensor) -> None:
        self.labels = checked_labels(labels, len(inputs) if inputs.ndim else None)
        self.inputs = inputs

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.inputs[row], int(self.labels[row])

    def batches(self, rows: Sequence[Tensor], draws: Sequence[Tensor] | None = None) -> Iterator[Tensor]:
        """The inputs of each batch of row numbers ``(B,)``, in turn, as they are."""
        for batch in rows:
            yield self.inputs[batch.to(self.inputs.device)]

    def draws(self, count: int, generator: torch.Generator) -> Tensor:
        """Nothing is drawn: ``(count, 0)``."""
        return torch.empty(count, 0, dtype=torch.long)

    def fingerprint(self) -> str:
        """SHA-256 of inputs and labels as they are stored."""
        hashed = hashlib.sha256(_raw_bytes(self.inputs))
        return _finish(hashed, self.inputs, self.labels)

    def to(self, device: torch.device) -> "ArrayDataset":
        """The same examples with their inputs on ``device``; labels stay where they are."""
        return self if self.inputs.device == device else ArrayDataset(self.inputs.to(device), self.labels)

    def subset(self, rows: Tensor) -> "ArrayDataset":
        """The examples at these row numbers, in this order."""
        return ArrayDataset(self.inputs[rows], self.labels[rows])


class StreamedExamples:
    """Any map-style data set of ``(x, y)`` or ``(x, y, group)``, read as it is asked for.

    One pass over it reads the labels and the fingerprint when the object is made. What the data set draws at random
    (augmentation) is drawn anew at each reading, from the global generators.

    Args:
        dataset: items ``(x, y)`` or ``(x, y, group)``.
        workers: processes that load batches; 0 loads in this one, which resuming bit for bit needs if items are random.

    Raises:
        ValueError: if items are not of that form, naming the first.
    """

    def __init__(self, dataset: Dataset[Any], *, workers: int = 0) -> None:
        self._dataset = dataset
        self._workers = workers
        if len(self) == 0:
            raise ValueError("a data set needs at least one example, got none")
        labels: list[Tensor] = []
        hashed, inputs = hashlib.sha256(), torch.empty(0)
        for inputs, batch_labels in self._loader(_consecutive(len(self), LOADING_BATCH)):
            hashed.update(_raw_bytes(inputs))
            labels.append(batch_labels)
        self.labels = torch.cat(labels)
        self._fingerprint = _finish(hashed, inputs, self.labels)

    def __len__(self) -> int:
        return len(cast(Any, self._dataset))

    def batches(self, rows: Sequence[Tensor], draws: Sequence[Tensor] | None = None) -> Iterator[Tensor]:
        """The inputs of each batch of row numbers ``(B,)``, in turn; the data set augments them itself, if anyone."""
        for inputs, _ in self._loader(rows):
            yield inputs

    def draws(self, count: int, generator: torch.Generator) -> Tensor:
        """Nothing is drawn here: ``(count, 0)``."""
        return torch.empty(count, 0, dtype=torch.long)

    def to(self, device: torch.device) -> "StreamedExamples":
        """The same examples; they stay where the data set puts them."""
        return self

    def fingerprint(self) -> str:
        """SHA-256 of inputs and labels as they were read first."""
        return self._fingerprint

    def _loader(self, rows: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        # A generator of its own, or making the iterator would draw from the global one and resuming would not repeat.
        loader = DataLoader(
            self._dataset,
            batch_sampler=row_lists(rows),
            num_workers=self._workers,
            collate_fn=_collate,
            generator=torch.Generator().manual_seed(0),
        )
        return iter(loader)


def checked_labels(labels: Tensor, count: int | None) -> Tensor:
    """Labels ``(N,)`` as int64.

    Raises:
        ValueError: unless they are integers, one for each of ``count`` inputs, and at least one.
    """
    if labels.ndim != 1 or labels.is_floating_point() or labels.is_complex():
        raise ValueError(f"labels must be integers of shape (N,), got {labels.dtype} {tuple(labels.shape)}")
    if count != len(labels):
        said = "a single number" if count is None else count
        raise ValueError(f"inputs and labels must have one length, got {said} and {len(labels)}")
    if count == 0:
        raise ValueError("a data set needs at least one example, got none")
    return labels.long()


def as_examples(source: object, *, workers: int = 0) -> Examples:
    """Anything a user may bring, as examples.

    Arrays, tensors and ``TensorDataset`` are held in memory; any other map-style ``Dataset`` is read when asked for.

    Args:
        source: a ``Dataset`` of ``(x, y)`` or ``(x, y, group)``, or a pair of arrays ``(inputs, labels)``.
        workers: loading processes for a ``Dataset`` that is not in memory.

    Raises:
        ValueError: if it is none of these, or its labels are not integers.
    """
    if hasattr(source, "draws") and hasattr(source, "fingerprint"):  # examples already
        return cast(Examples, source)
    if isinstance(source, TensorDataset) and len(source.tensors) in (2, 3):
        return ArrayDataset(source.tensors[0], source.tensors[1])
    if isinstance(source, tuple | list) and len(source) == 2:
        return ArrayDataset(_as_tensor(source[0], "inputs"), _as_tensor(source[1], "labels"))
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


def _collate(items: list[Any]) -> tuple[Tensor, Tensor]:
    for item in items:
        if not isinstance(item, tuple | list) or len(item) not in (2, 3):
            raise ValueError(f"items of the data set must be (x, y) or (x, y, group), got {type(item).__name__}")
    try:
        inputs, labels = default_collate([(item[0], item[1]) for item in items])
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"items of the data set must be (x, y) with every x of one shape: {error}") from None
    if not isinstance(inputs, Tensor) or not isinstance(labels, Tensor) or not _are_labels(labels, len(items)):
        raise ValueError("items of the data set must be (x, y) with x an array and y an integer label")
    return inputs, labels.reshape(-1).long()


def _are_labels(labels: Tensor, count: int) -> bool:
    return not (labels.is_floating_point() or labels.is_complex()) and labels.numel() == count


def _raw_bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def _finish(hashed: "hashlib._Hash", inputs: Tensor, labels: Tensor) -> str:
    hashed.update(_raw_bytes(labels))
    hashed.update(f"{inputs.dtype} {tuple(inputs.shape[1:])}".encode())
    return hashed.hexdigest()
