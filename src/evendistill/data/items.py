"""Items of a user's data set, joined into batches."""

import operator
from typing import Any, TypeGuard

import torch
from torch import Tensor
from torch.utils.data import default_collate

from evendistill.data.wording import one_line

Item = tuple[Tensor, *tuple[int, ...]]
"""An example of ours as an item: ``(x, y)``, or ``(x, y, group)`` where there are groups."""


def item(inputs: Tensor, labels: Tensor, groups: Tensor | None, row: int) -> Item:
    """The input with its label, and with its group where there are groups."""
    return (inputs, int(labels[row])) if groups is None else (inputs, int(labels[row]), int(groups[row]))


def joined_items(items: list[Any]) -> tuple[Tensor, Tensor, Tensor | None]:
    """Items as inputs ``(B, ...)``, labels ``(B,)`` and groups ``(B,)``; None for groups where no item has one.

    Raises:
        ValueError: if an item is not of the form ``(x, y)`` or ``(x, y, group)``, or only some have a group.
    """
    for found in items:
        if not isinstance(found, tuple | list) or len(found) not in (2, 3):
            raise ValueError(f"items of the data set must be (x, y) or (x, y, group), got {type(found).__name__}")
    try:
        inputs, labels = default_collate([(found[0], found[1]) for found in items])
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"items of the data set must be (x, y) with every x of one shape: {error}") from None
    if not isinstance(inputs, Tensor) or not _are_integers(labels, len(items)):
        raise ValueError("items of the data set must be (x, y) with x an array and y an integer label")
    return inputs, labels.reshape(-1).long(), _groups(items)


def joined_groups(parts: list[Tensor | None], sizes: list[int]) -> Tensor | None:
    """The groups of all batches of these sizes as one ``(N,)``; None where no batch has any.

    Raises:
        ValueError: if only some have groups.
    """
    having = sum(size for part, size in zip(parts, sizes, strict=True) if part is not None)
    _check_alike(having, sum(sizes))
    groups = [part for part in parts if part is not None]
    return torch.cat(groups) if groups else None


def _groups(items: list[Any]) -> Tensor | None:
    with_group = [found[2] for found in items if len(found) == 3]
    _check_alike(len(with_group), len(items))
    if not with_group:
        return None
    try:
        groups = default_collate(with_group)
    except (TypeError, RuntimeError, ValueError):
        groups = None
    if not _are_integers(groups, len(items)):
        raise ValueError(f"the group of an item (x, y, group) must be an integer, got {_said(with_group)}")
    return groups.reshape(-1).long()


def _check_alike(having: int, count: int) -> None:
    if 0 < having < count:
        raise ValueError(
            "items of the data set must all be (x, y) or all be (x, y, group), "
            f"got {having} with and {count - having} without a group"
        )


def _are_integers(values: Any, count: int) -> TypeGuard[Tensor]:  # noqa: ANN401 - whatever a user's items were joined to
    is_integer = isinstance(values, Tensor) and not (values.is_floating_point() or values.is_complex())
    return is_integer and values.numel() == count


def _said(values: list[Any]) -> str:
    """The first value that is no integer, in one line, or what else is wrong with them."""
    for value in values:
        try:
            operator.index(value)
        except TypeError:
            return one_line(repr(value))
    return "numbers of several shapes or beyond 64 bits"
