"""A folder of runs seen in TensorBoard: one folder of event files a run, kept up to what the runs have logged."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evendistill.experiments.eventfile import bring_up, parts
from evendistill.experiments.status import Entry, expected_runs, read_status

NAME = "events.out.tfevents.evendistill"
EVERY = 2.0  # seconds between two looks


class Mirror:
    """Brings event files up to what runs have logged; doing it again writes nothing.

    Args:
        runs: folder of run folders, or one run folder.
        to: folder for the folders of event files.

    Raises:
        ValueError: if tensorboard is not installed, or there is no such folder of runs.
    """

    def __init__(self, runs: Path, to: Path) -> None:
        parts()
        self._runs, self._to = runs.resolve(), to
        self._seen: dict[Path, tuple[int, int]] = {}  # spares reading a log that has not changed
        self._entries()

    @property
    def runs(self) -> int:
        """How many have logged anything."""
        return len(self._seen)

    def refresh(self) -> int:
        """Write what is new.

        Returns:
            How many records were written.

        Raises:
            ValueError: if a line of a log is no record, naming it.
        """
        return sum(self._refresh(entry.folder) for entry in self._entries())

    def follow(self) -> Iterator[int]:
        """Refresh again and again, until every run that the folder's recipes ask for has finished or failed."""
        is_over = False
        while not is_over:
            is_over = self._is_over()
            yield self.refresh()
            if not is_over:
                time.sleep(EVERY)

    def _refresh(self, folder: Path) -> int:
        source = folder / "metrics.jsonl"
        try:
            found = source.stat()
            if self._seen.get(folder) == (found.st_mtime_ns, found.st_size):
                return 0
            content = source.read_bytes()
        except FileNotFoundError:  # not begun; a mended teacher, which is not trained; deleted meanwhile
            return 0
        written = bring_up(self._to / folder.name / NAME, _records(content, source))
        self._seen[folder] = (found.st_mtime_ns, found.st_size)
        return written

    def _is_over(self) -> bool:
        entries = self._entries()
        if not entries or not {entry.state for entry in entries} <= {"finished", "failed"}:
            return False
        return not expected_runs(self._runs).keys() - {entry.folder.name for entry in entries}

    def _entries(self) -> list[Entry]:
        if (self._runs / "spec.json").is_file():
            return [entry for entry in read_status(self._runs.parent) if entry.folder == self._runs]
        return read_status(self._runs)


def _records(content: bytes, source: Path) -> list[dict[str, Any]]:
    """Of all whole lines; the last one may be in the writing."""
    records = []
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            record = json.loads(line)
            records.append(record | {"time": float(record["time"]), "step": int(record["step"])})
        except (ValueError, TypeError, KeyError):
            raise ValueError(f"{source}, line {number}: no record with a step and a time") from None
    return records
