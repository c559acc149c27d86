"""An event file of TensorBoard that says what ``metrics.jsonl`` of a run says: appended to, and compared before."""

import importlib
import struct
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

VERSION = "brain.Event:2"
NOT_SHOWN = ("epoch", "step", "time")  # the latter two say where a number stands
HEAD = struct.Struct("<QI")  # before a payload its length and a checksum of that; behind it four bytes of checksum


def bring_up(path: Path, records: Sequence[dict[str, Any]]) -> int:
    """Append what the records say beyond what the file says.

    The file is the only state. Where a run was resumed before its last record, a restart of the steps makes readers
    forget what it had said; what a killed writer left of a record is cut off.

    Args:
        path: of the event file; made if it is not there.
        records: with ``step`` and ``time``, from the start of the run.

    Returns:
        How many records were written.

    Raises:
        ValueError: if tensorboard is not installed.
    """
    present, whole = _payloads(path)
    try:
        said = _in_force(present)
    except parts().DecodeError:
        said = None
    wanted = [_payload(record) for record in records]
    if said is None:  # not there, or damaged
        if not wanted:
            return 0
        first = parts().Event(wall_time=records[0]["time"], file_version=VERSION).SerializeToString()
        _append(path, 0, [first, *wanted])
        return len(wanted)
    same = next((place for place, pair in enumerate(zip(said, wanted, strict=False)) if pair[0] != pair[1]), None)
    same = min(len(said), len(wanted)) if same is None else same
    restart = [_restart(said[same])] if same < len(said) else []
    if restart or wanted[same:]:
        _append(path, whole, [*restart, *wanted[same:]])
    return len(wanted) - same


def scalars(record: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The numbers of a record by name, those of lists as name/position; what is not known is left out."""
    for name, value in record.items():
        if name not in NOT_SHOWN:
            several = isinstance(value, list)
            for tag, each in (
                [(f"{name}/{place}", each) for place, each in enumerate(value)] if several else [(name, value)]
            ):
                if isinstance(each, int | float):
                    yield tag, each


@cache
def parts() -> SimpleNamespace:
    """What of tensorboard makes event files; ``torch.utils.tensorboard`` takes the same.

    Raises:
        ValueError: if it is not installed, saying how to install it.
    """
    try:
        return SimpleNamespace(
            Event=importlib.import_module("tensorboard.compat.proto.event_pb2").Event,
            Summary=importlib.import_module("tensorboard.compat.proto.summary_pb2").Summary,
            RecordWriter=importlib.import_module("tensorboard.summary.writer.record_writer").RecordWriter,
            DecodeError=importlib.import_module("google.protobuf.message").DecodeError,
        )
    except ImportError:
        raise ValueError("event files need tensorboard: pip install 'evendistill[tensorboard]'") from None


def _payload(record: dict[str, Any]) -> bytes:
    values = [parts().Summary.Value(tag=tag, simple_value=value) for tag, value in scalars(record)]
    event = parts().Event(wall_time=record["time"], step=record["step"], summary=parts().Summary(value=values))
    return event.SerializeToString(deterministic=True)


def _restart(first: bytes) -> bytes:
    """What makes readers forget this event and all of its step or later ones."""
    event = parts().Event.FromString(first)
    restart = parts().Event(wall_time=event.wall_time, step=event.step)
    restart.session_log.status = restart.session_log.START
    return restart.SerializeToString(deterministic=True)


def _in_force(payloads: Sequence[bytes]) -> list[bytes] | None:
    """Those behind the head that no restart has taken back; None if this is no event file."""
    if not payloads or parts().Event.FromString(payloads[0]).file_version != VERSION:
        return None
    kept: list[tuple[int, bytes]] = []
    for payload in payloads[1:]:
        event = parts().Event.FromString(payload)
        if event.HasField("session_log"):
            kept = [each for each in kept if each[0] < event.step]
        else:
            kept.append((event.step, payload))
    return [payload for _, payload in kept]


def _payloads(path: Path) -> tuple[list[bytes], int]:
    """The whole records of an event file, and how many bytes they take."""
    content, start = path.read_bytes() if path.is_file() else b"", 0
    found: list[bytes] = []
    while start + HEAD.size <= len(content):
        first = start + HEAD.size
        last = first + HEAD.unpack_from(content, start)[0]
        if last + 4 > len(content):
            break
        found.append(content[first:last])
        start = last + 4
    return found, start


def _append(path: Path, whole: int, payloads: Sequence[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab") as file:
        file.truncate(whole)
        writer = parts().RecordWriter(file)
        for payload in payloads:
            writer.write(payload)
