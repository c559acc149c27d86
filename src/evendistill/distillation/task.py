"""The data of a problem: who trains, who judges, and what the groups are whose worst counts."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from evendistill.data.examples import Examples
from evendistill.data.sampling import Sampler, sampling_shares
from evendistill.maths.grouping import Grouping
from evendistill.maths.groups import group_numbers, table_shape
from evendistill.maths.metrics import check_labels


@dataclass(frozen=True)
class Task:
    """The data of a problem.

    Attributes:
        train: examples to descend on.
        validation: examples to ascend on and to choose the best iterate by; None if neither is wanted.
        class_names: one a class, for messages.
        device: where targets and costs live.
        sampler: how often training draws each example: "uniform", or all classes alike under "balanced".
        grouping: whose worst counts: each "class", each "attribute" (the group column of the data), or each
            "class x attribute".
        attribute_names: one an attribute; numbers if none are told.

    Raises:
        ValueError: if a label is out of range, a class or a group has no training example, or groups are asked of data
            without a group column.
    """

    train: Examples
    validation: Examples | None
    class_names: tuple[str, ...]
    device: torch.device
    sampler: Sampler = "uniform"
    grouping: Grouping = "class"
    attribute_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for split in ("train", "validation"):
            examples = getattr(self, split)
            if examples is not None:
                try:
                    check_labels(examples.labels, len(examples), len(self.class_names))
                except ValueError as error:
                    raise ValueError(f"{split}: {error}") from None
        self._check_counts("class", self.class_counts, self.class_names)
        if self.grouping not in ("class", "attribute", "class x attribute"):
            raise ValueError(f"grouping must be 'class', 'attribute' or 'class x attribute', got {self.grouping!r}")
        if self.grouping != "class":
            self._check_groups()

    def _check_groups(self) -> None:
        columns = [getattr(examples, "groups", None) for examples in (self.train, self.validation) if examples]
        if any(column is None for column in columns):
            raise ValueError(
                f"grouping {self.grouping!r} needs a group for each example; the data have no group column"
            )
        count = 1 + max(int(column.max()) for column in columns if column is not None)
        if self.attribute_names and count > len(self.attribute_names):
            raise ValueError(f"the data have {count} groups, attribute_names has {len(self.attribute_names)}")
        if not self.attribute_names:
            object.__setattr__(self, "attribute_names", tuple(str(number) for number in range(count)))
        self._check_counts("group", self.group_counts, self.group_names)

    @staticmethod
    def _check_counts(kind: str, counts: Tensor, names: tuple[str, ...]) -> None:
        if bool((counts == 0).any()):
            missing = int((counts == 0).nonzero()[0])
            raise ValueError(f"{kind} {named(missing, names)} has no training example")

    @property
    def kind(self) -> str:
        """What the worst is of: "class" or "group"."""
        return "class" if self.grouping == "class" else "group"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the multipliers, see :func:`evendistill.maths.groups.table_shape`."""
        return table_shape(self.grouping, len(self.class_names), len(self.attribute_names))

    @property
    def group_names(self) -> tuple[str, ...]:
        """One for each entry of the flattened table of groups."""
        if self.grouping == "class":
            return self.class_names
        if self.grouping == "attribute":
            return self.attribute_names
        return tuple(f"{name}, {attribute}" for attribute in self.attribute_names for name in self.class_names)

    @cached_property
    def class_counts(self) -> Tensor:
        """``(C,)`` training examples of each class."""
        return self.train.labels.bincount(minlength=len(self.class_names))

    @cached_property
    def group_counts(self) -> Tensor:
        """``(G,)`` training examples of each group."""
        return self.group_numbers(self.train).bincount(minlength=len(self.group_names))

    def group_numbers(self, examples: Examples) -> Tensor:
        """``(N,)`` the group of each example by its true label, on the CPU."""
        attributes = None if self.grouping == "class" else examples.groups
        return group_numbers(examples.labels, attributes, self.shape)

    def attributes(self, examples: Examples) -> Tensor | None:
        """``(N,)`` where targets live; None where groups are classes."""
        if self.grouping == "class" or examples.groups is None:
            return None
        return examples.groups.to(self.device)

    @cached_property
    def shares(self) -> Tensor | None:
        """``(N,)`` the probability of each training example to be drawn; None if all are alike."""
        return sampling_shares(self.train.labels, self.sampler)

    @property
    def shares_on_device(self) -> Tensor | None:
        """The same where targets live."""
        return None if self.shares is None else self.shares.to(self.device)


def named(number: int, names: tuple[str, ...]) -> str:
    """A class or group by number, and by name where the name says more."""
    name = names[number]
    return str(number) if name == str(number) else f"{number} ({name!r})"
