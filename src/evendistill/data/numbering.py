"""Labels as files hold them become the numbers 0 to C - 1, the same over all splits of a source, as groups do."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evendistill.data.checked import part_of
from evendistill.data.encoded import Encoded
from evendistill.data.grouping import GroupColumn, numbered_groups
from evendistill.data.names import agreed_names
from evendistill.data.wording import listed

# A column of record numbers taken for labels would otherwise ask for as many classes as its largest number.
MOST_CLASSES = 1_000_000


@dataclass(frozen=True)
class Split:
    """One split of a source.

    Attributes:
        inputs: ``(N, ...)`` of any dtype, or N encoded images.
        labels: ``(N,)`` int64, 0 to C - 1.
        class_names: C names, the same for every split of a source.
        groups: ``(N,)`` int64, numbers of values of an attribute; None if there is none.
        group_names: those values, the same for every split of a source.
    """

    inputs: Tensor | Encoded
    labels: Tensor
    class_names: tuple[str, ...]
    groups: Tensor | None = None
    group_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, rows: Tensor) -> "Split":
        """The examples at these row numbers, in this order."""
        inputs = self.inputs[rows] if isinstance(self.inputs, Tensor) else self.inputs.subset(rows)
        return Split(inputs, self.labels[rows], self.class_names, part_of(self.groups, rows), self.group_names)


@dataclass(frozen=True)
class Unnumbered:
    """One split as its files hold it.

    Attributes:
        inputs: ``(N, ...)`` or N encoded images.
        labels: ``(N,)`` numbers or words.
        place: where the label of a row is, for messages.
        class_names: the names that the files give to labels 0, 1, ..., or None.
        groups: the attribute that was asked for, or None.
    """

    inputs: Tensor | Encoded
    labels: np.ndarray
    place: Callable[[int], str]
    class_names: tuple[str, ...] | None = None
    groups: GroupColumn | None = None


def numbered(tables: Mapping[str, Unnumbered], *, origin: str) -> dict[str, Split]:
    """The splits with labels 0 to C - 1.

    A split whose every label is -1, as the hub has it where a test set's labels are kept secret, is left out.
    Words are numbered in alphabetical order, and a warning shows the numbers. Numbers stay as they are; C is then how
    many names the files give, or one more than the largest label. Groups are numbered by
    :func:`evendistill.data.grouping.numbered_groups`.

    Args:
        tables: the splits by name.
        origin: the source, for messages.

    Raises:
        ValueError: if a split is empty, a label is no whole number from 0, or splits do not go together.
    """
    tables = {name: table for name, table in tables.items() if not _is_unlabelled(table)} or tables
    for name, table in tables.items():
        if len(table.labels) == 0:
            raise ValueError(f"{origin}: split {name!r} has no rows")
    worded = [name for name, table in tables.items() if table.labels.dtype.kind in "OU"]
    if worded and len(worded) < len(tables):
        numbers = next(name for name in tables if name not in worded)
        raise ValueError(f"{origin}: labels of split {worded[0]!r} are words, but of {numbers!r} numbers; use one kind")
    labels, class_names = _from_words(tables) if worded else _from_numbers(tables, origin)
    columns = {name: table.groups for name, table in tables.items() if table.groups is not None}
    groups, group_names = numbered_groups(columns, origin=origin)
    return {
        name: Split(table.inputs, labels[name], class_names, groups.get(name), group_names)
        for name, table in tables.items()
    }


def _is_unlabelled(table: Unnumbered) -> bool:
    return len(table.labels) > 0 and table.labels.dtype.kind in "if" and bool((table.labels == -1).all())


def _from_words(tables: Mapping[str, Unnumbered]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    words = {name: [str(word) for word in table.labels.tolist()] for name, table in tables.items()}
    class_names = tuple(sorted(set().union(*words.values())))
    numbers = {word: number for number, word in enumerate(class_names)}
    shown = listed(f"{number} {word}" for word, number in numbers.items())
    warnings.warn(f"labels are words; numbered in alphabetical order: {shown}", stacklevel=4)
    return {name: torch.tensor([numbers[word] for word in split]) for name, split in words.items()}, class_names


def _from_numbers(tables: Mapping[str, Unnumbered], origin: str) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    given = {name: table.class_names for name, table in tables.items()}
    class_names = agreed_names(given, origin=origin, things="classes")
    labels = {name: _whole_numbers(table, class_names) for name, table in tables.items()}
    if class_names is None:
        largest = max(int(split.max()) for split in labels.values())
        class_names = tuple(str(label) for label in range(largest + 1))
    return labels, class_names


def _whole_numbers(table: Unnumbered, class_names: tuple[str, ...] | None) -> Tensor:
    labels = table.labels.astype(np.uint8) if table.labels.dtype.kind == "b" else table.labels
    if labels.dtype.kind not in "iuf":
        raise ValueError(f"{table.place(0)}: labels must be whole numbers or words, got {labels.dtype}")
    last = MOST_CLASSES - 1 if class_names is None else len(class_names) - 1
    right = (labels >= 0) & (labels <= last) & (labels == np.floor(labels))
    if not right.all():
        row = int(right.argmin())
        reason = "" if class_names is None else f" (the files name {len(class_names)} classes)"
        raise ValueError(
            f"{table.place(row)}: labels must be whole numbers from 0 to {last}{reason}, got {labels[row]}"
        )
    return torch.from_numpy(labels.astype(np.int64))
