"""Files written whole or not at all: to a temporary name beside the target, flushed, then renamed."""

import hashlib
import json
import math
import os
import uuid
from pathlib import Path
from typing import Any


def write_bytes(path: Path, payload: bytes) -> None:
    """Put ``payload`` at ``path`` so that a reader sees the old file or the new one, never a part.

    Raises:
        OSError: if the folder cannot be written or the disk is full; nothing is left behind then.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")  # a process number is not unique across machines
    try:
        with open(temporary, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            error.filename = str(path)  # nobody knows the other name, and a full disk gives none
        raise


def json_bytes(value: object) -> bytes:
    """JSON with sorted keys and a final newline: equal values give equal bytes."""
    return (json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def known(value: float) -> float | None:
    """The value, or None for NaN, which JSON does not have."""
    return None if math.isnan(value) else value


def read_bytes(path: Path | str) -> bytes:
    """All that a file holds."""
    with open(path, "rb") as file:
        return file.read()


def read_json(path: Path | str) -> Any:  # noqa: ANN401 - JSON is what it is
    """The value that a JSON file holds.

    Raises:
        ValueError: if it is no JSON, naming the file.
    """
    try:
        return json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from None


def digest(payload: bytes) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(payload).hexdigest()
