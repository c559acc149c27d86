"""Labels and groups of examples, checked where they come in."""

from torch import Tensor


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


def checked_groups(groups: Tensor | None, count: int) -> Tensor | None:
    """Groups ``(N,)`` as int64; None where there are none.

    Raises:
        ValueError: unless they are integers from 0, one for each of ``count`` labels.
    """
    if groups is None:
        return None
    if groups.ndim != 1 or groups.is_floating_point() or groups.is_complex():
        raise ValueError(f"groups must be integers of shape (N,), got {groups.dtype} {tuple(groups.shape)}")
    if len(groups) != count:
        raise ValueError(f"labels and groups must have one length, got {count} and {len(groups)}")
    smallest = int(groups.min())
    if smallest < 0:
        raise ValueError(f"groups must be numbers from 0, got {smallest} in row {int(groups.argmin())}")
    return groups.long()


def part_of(groups: Tensor | None, rows: Tensor) -> Tensor | None:
    """The groups at these row numbers; None where there are none."""
    return None if groups is None else groups[rows]


def group_bytes(groups: Tensor | None) -> bytes:
    """What groups add to a fingerprint: nothing where there are none, so that theirs stays what it was."""
    return b"" if groups is None else b"groups" + groups.cpu().numpy().astype("<i8").tobytes()
