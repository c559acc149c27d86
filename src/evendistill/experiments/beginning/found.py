"""What a data set holds, as far as a first recipe needs to know it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Part:
    """One split.

    Attributes:
        origin: how it was made, in words.
        counts: examples of each class.
        cells: examples of each class with each attribute, attribute by attribute; empty without a group column.
    """

    origin: str
    counts: tuple[int, ...]
    cells: tuple[int, ...] = ()

    @property
    def examples(self) -> int:
        """In all."""
        return sum(self.counts)

    @property
    def present(self) -> list[int]:
        """Classes with examples."""
        return [label for label, count in enumerate(self.counts) if count]

    @property
    def smallest(self) -> int:
        """The first class with the fewest examples; absent classes are left out."""
        return min(self.present, key=self.counts.__getitem__)

    @property
    def largest(self) -> int:
        """The first class with the most examples."""
        return max(self.present, key=self.counts.__getitem__)

    @property
    def imbalance(self) -> float:
        """The largest class over the smallest that is there."""
        return self.counts[self.largest] / self.counts[self.smallest]


@dataclass(frozen=True)
class Inputs:
    """What a network would be shown.

    Attributes:
        kind: "images" are stored as bytes and seen through a view; "arrays" reach the network as they are.
        shape: of one input; channels first where it is an image.
        mean: of each channel over training images, pixels in [0, 1]; empty for arrays.
        std: likewise.
        has_colours: whether three channels hold more than one grey picture.
        scale: root mean square of training inputs that are arrays; 0 for images.
    """

    kind: Literal["images", "arrays"]
    shape: tuple[int, ...]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    has_colours: bool = False
    scale: float = 0.0

    @property
    def is_picture(self) -> bool:
        """Whether a convolution makes sense of it: one or three channels, height and width."""
        return len(self.shape) == 3 and self.shape[0] in (1, 3)

    @property
    def side(self) -> int:
        """The shorter side of a picture."""
        return min(self.shape[1:])


@dataclass(frozen=True)
class Found:
    """What a data set holds.

    Attributes:
        told: fields of a recipe's data with which it is loaded so.
        class_names: one a class.
        group_names: one a value of the group column; empty without one.
        parts: "train", "validation" and "test".
        inputs: what a network would be shown.
        held: whether examples wait in memory or are decoded as they are asked for.
        bytes: that they take, or would take, in memory.
    """

    told: Mapping[str, Any]
    class_names: tuple[str, ...]
    group_names: tuple[str, ...]
    parts: Mapping[str, Part]
    inputs: Inputs
    held: Literal["memory", "stream"]
    bytes: int

    @property
    def empty_cells(self) -> list[str]:
        """Pairs of class and attribute without a training example."""
        return [name for name, count in zip(self.cell_names, self.parts["train"].cells, strict=True) if not count]

    @property
    def cell_names(self) -> tuple[str, ...]:
        """Of pairs of class and attribute, attribute by attribute."""
        return tuple(f"{name}, {attribute}" for attribute in self.group_names for name in self.class_names)

    @property
    def is_crossed(self) -> bool:
        """Whether the worst may be that of pairs of class and attribute: each has training examples."""
        return bool(self.group_names) and not self.empty_cells

    @property
    def names(self) -> tuple[str, ...]:
        """Of the groups whose worst will count: pairs of class and attribute, or classes."""
        return self.cell_names if self.is_crossed else self.class_names

    def sizes(self, split: str) -> tuple[int, ...]:
        """Examples of each group whose worst will count."""
        part = self.parts[split]
        return part.cells if self.is_crossed else part.counts
