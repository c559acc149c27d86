"""Whether a finished folder still holds what was written: each result file is named in ``DONE`` with its checksum."""

from pathlib import Path

from evendistill.storage.files import digest, read_json

DONE = "DONE"


class DamagedError(ValueError):
    """A file of a finished run is not what the run wrote."""


def damage(folder: Path) -> str | None:
    """The first file of a finished run that is not what the run wrote; None if all are."""
    try:
        told = read_json(folder / DONE)
    except (OSError, ValueError):
        return DONE
    if not isinstance(told, dict) or not told:
        return DONE
    return next((name for name, checksum in sorted(told.items()) if _checksum(folder / name) != checksum), None)


def _checksum(path: Path) -> str | None:
    try:
        return digest(path.read_bytes())
    except OSError:
        return None
