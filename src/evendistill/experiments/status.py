"""What a folder of runs holds."""

from dataclasses import dataclass
from pathlib import Path

from evendistill.storage.files import read_json


@dataclass(frozen=True)
class Entry:
    """One run folder.

    Attributes:
        folder: absolute.
        state: "finished", "failed" or "started".
        note: why it failed, or how far it is.
    """

    folder: Path
    state: str
    note: str | None

    def plain(self) -> dict[str, str | None]:
        """For JSON, without the folder."""
        return {"state": self.state, "note": self.note}


def read_status(runs: Path) -> list[Entry]:
    """Every run folder in a folder, by name.

    Raises:
        ValueError: if there is no such folder.
    """
    if not runs.is_dir():
        raise ValueError(f"{runs}: there is no such folder of runs")
    entries = [_entry(path.parent.resolve()) for path in runs.glob("*/spec.json")]
    # what needs a look first; then by name, past the hash
    return sorted(
        entries, key=lambda entry: (entry.state == "finished", entry.folder.name.partition("-")[2], entry.folder)
    )


def _entry(folder: Path) -> Entry:
    if (folder / "DONE").is_file():
        return Entry(folder, "finished", None)
    if (folder / "FAILED").is_file():
        return Entry(folder, "failed", read_json(folder / "FAILED")["error"])
    metrics = folder / "metrics.jsonl"
    epochs = len(metrics.read_text().splitlines()) if metrics.is_file() else 0
    return Entry(folder, "started", f"{epochs} epochs logged")
