"""Values of an attribute as files hold them become the numbers of groups, the same over all splits of a source."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evendistill.data.names import Names, agreed_names
from evendistill.data.wording import listed

KINDS = {"O": "words", "U": "words", "b": "truth values", "i": "numbers", "u": "numbers"}


@dataclass(frozen=True)
class GroupColumn:
    """The attribute of one split as its files hold it.

    Attributes:
        values: ``(N,)`` words, whole numbers or truth values.
        place: where the value of a row is, for messages.
        names: the names that the files give to values 0, 1, ..., or None.
    """

    values: np.ndarray
    place: Callable[[int], str]
    names: Names | None = None


def numbered_groups(columns: Mapping[str, GroupColumn], *, origin: str) -> tuple[dict[str, Tensor], Names]:
    """The groups of each split, 0 to A - 1, and the names of the A values.

    Numbers stay as they are where the files name them. Otherwise the distinct values of all splits are numbered in
    alphabetical or ascending order, and a warning shows the numbers unless they are those in the files.

    Args:
        columns: by split; none if there are no groups.
        origin: the source, for messages.

    Raises:
        ValueError: if values are of another kind, or splits do not go together.
    """
    if not columns:
        return {}, ()
    kind = _kind(columns, origin)
    given = agreed_names({name: column.names for name, column in columns.items()}, origin=origin, things="groups")
    if given is not None and kind != "words":
        return {name: _named(column, given) for name, column in columns.items()}, given
    distinct = sorted(set().union(*(np.unique(column.values).tolist() for column in columns.values())))
    numbers = {value: number for number, value in enumerate(distinct)}
    if any(value != number for value, number in numbers.items()):
        shown = listed(f"{number} {value}" for value, number in numbers.items())
        order = "alphabetical" if kind == "words" else "ascending"
        warnings.warn(f"groups are {kind}; numbered in {order} order: {shown}", stacklevel=4)
    return {name: _renumbered(column, numbers) for name, column in columns.items()}, tuple(map(str, distinct))


def _kind(columns: Mapping[str, GroupColumn], origin: str) -> str:
    kinds: dict[str, str] = {}
    for name, column in columns.items():
        dtype = column.values.dtype
        if dtype.kind not in KINDS:
            wanted = "words, whole numbers or truth values"
            raise ValueError(f"{column.place(0)}: groups must be {wanted}, got {dtype}")
        kinds[name] = KINDS[dtype.kind]
    first, *others = kinds
    for other in others:
        if kinds[other] != kinds[first]:
            raise ValueError(
                f"{origin}: groups of split {first!r} are {kinds[first]}, but of {other!r} {kinds[other]}; use one kind"
            )
    return kinds[first]


def _named(column: GroupColumn, names: Names) -> Tensor:
    right = (column.values >= 0) & (column.values < len(names))
    if not right.all():
        row = int(right.argmin())
        told = f"from 0 to {len(names) - 1} (the files name {len(names)} groups)"
        raise ValueError(f"{column.place(row)}: groups must be whole numbers {told}, got {column.values[row]}")
    return torch.from_numpy(column.values.astype(np.int64))


def _renumbered(column: GroupColumn, numbers: Mapping[object, int]) -> Tensor:
    distinct, places = np.unique(column.values, return_inverse=True)
    return torch.tensor([numbers[value] for value in distinct.tolist()])[torch.from_numpy(places)]
