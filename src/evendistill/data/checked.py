"""Inputs, labels and groups of examples, checked where they come in."""

from collections.abc import Iterable

from torch import Tensor

CHUNK = 4096


def first_not_finite(batches: Iterable[Tensor]) -> int | None:
    """The first example that holds NaN or infinity, counted through batches ``(B, ...)``; None if there is none."""
    before = 0
    for batch in batches:
        if not _is_finite(batch):
            return before + int((~batch.isfinite()).reshape(len(batch), -1).any(dim=1).nonzero()[0])
        before += len(batch)
    return None


def check_finite(inputs: Tensor, *, before: int = 0) -> None:
    """Refuse inputs ``(N, ...)`` with NaN or infinity: their scores are none, and would count as of some class.

    Args:
        inputs: of any dtype.
        before: how many examples of the data set were looked at already.

    Raises:
        ValueError: naming the first example that is not finite.
    """
    row = first_not_finite(inputs.split(CHUNK))
    if row is not None:
        raise ValueError(f"inputs must be finite; example {before + row} has NaN or infinity")


def _is_finite(inputs: Tensor) -> bool:
    if not inputs.dtype.is_floating_point or inputs.numel() == 0:
        return True
    return all(bool(end.isfinite()) for end in inputs.aminmax())  # NaN goes through to both; nothing is copied


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
