"""Names of splits, however they are spelt."""

from collections.abc import Mapping
from typing import TypeVar

Content = TypeVar("Content")

SPELLINGS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
NORMAL = {spelling: name for name, spellings in SPELLINGS.items() for spelling in spellings}


def is_known(name: str) -> bool:
    """Whether the name is a spelling of train, validation or test."""
    return name.lower() in NORMAL


def normalised(splits: Mapping[str, Content], *, origin: str) -> dict[str, Content]:
    """The splits as "train", "validation" and "test" where their names say so, in this order, then others as they are.

    Args:
        splits: by the names that the source has.
        origin: the source, for messages.

    Raises:
        ValueError: if two names mean one split.

    Example:
        >>> normalised({"dev": 2, "extra": 3, "Training": 1}, origin="numbers")
        {'train': 1, 'validation': 2, 'extra': 3}
    """
    spelt: dict[str, str] = {}
    for name in splits:
        normal = NORMAL.get(name.lower(), name)
        if normal in spelt:
            raise ValueError(
                f"{origin}: {spelt[normal]!r} and {name!r} are both the split {normal!r}; keep one of them"
            )
        spelt[normal] = name
    ordered = [name for name in SPELLINGS if name in spelt] + [name for name in spelt if name not in SPELLINGS]
    return {normal: splits[spelt[normal]] for normal in ordered}
