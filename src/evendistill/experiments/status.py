"""What a folder of runs holds, told by the files alone; nothing is locked, written or imported for it."""

import contextlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evendistill.storage.files import read_json
from evendistill.storage.obstacles import obstacle
from evendistill.storage.owners import LEASE, is_dead, owner_of
from evendistill.storage.watch import SILENCE

STATES = ("running", "failed", "cut off", "waiting", "finished")
RUN = re.compile("[0-9a-f]{12}-")  # what the names of runs of a recipe begin with
TRASH = ".trash-"  # what the names of folders begin with that are being deleted


@dataclass(frozen=True)
class Entry:
    """One run.

    Attributes:
        folder: absolute.
        state: "running", "failed", "cut off", "waiting" (there is no folder yet) or "finished".
        note: why it failed, or cannot be trained, or who is at it.
        step: steps done so far; None if that is not known.
        steps: steps in all; None if that is not known.
        seconds_left: of training, at the pace so far; None if it is not running or has only begun.
        bytes: on disk.
    """

    folder: Path
    state: str
    note: str | None = None
    step: int | None = None
    steps: int | None = None
    seconds_left: float | None = None
    bytes: int = 0

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {**vars(self), "folder": str(self.folder)}


def read_status(runs: Path, expected: Iterable[str] = ()) -> list[Entry]:
    """Every run in a folder, what needs a look first, then by name past the hash.

    Args:
        runs: the folder.
        expected: names of folders that are to be; those that are not there wait.

    Raises:
        ValueError: if there is no such folder.
    """
    if not runs.is_dir():
        raise ValueError(f"{runs}: there is no such folder of runs")
    entries = list(_entries(runs.resolve()))
    there = {entry.folder.name for entry in entries}
    entries += [_absent(runs.resolve() / name) for name in expected if name not in there]
    return sorted(
        entries,
        key=lambda entry: (STATES.index(entry.state), entry.folder.name.partition("-")[2], entry.folder),
    )


def expected_runs(runs: Path) -> dict[str, None]:
    """Names of the runs that the recipes kept in a folder ask for.

    A recipe that cannot be read asks for none, nor does one of a trial (``run --smoke``).
    """
    names: dict[str, None] = {}
    for recipe in sorted((runs / "recipes").glob("*.yaml")):
        from evendistill.experiments.derive import is_smoke  # these take a while to import
        from evendistill.experiments.sweep import Sweep

        try:
            sweep = Sweep.read(recipe, runs)
        except (ValueError, OSError):  # of another version, edited by hand, or nobody else's business
            continue
        if not is_smoke(sweep.grid):
            names |= dict.fromkeys(spec.folder_name for spec in sweep.needed.values())
    return names


def _entries(runs: Path) -> Iterator[Entry]:
    with os.scandir(runs) as found:
        for each in found:
            if each.is_dir(follow_symlinks=False) and not each.name.startswith(TRASH):
                files = _sizes(each.path)
                if "spec.json" in files or ("DONE" in files and RUN.match(each.name)):  # a lost spec is made anew
                    yield _entry(Path(each.path), files)


def _absent(folder: Path) -> Entry:
    """A run that is expected and has no folder of its own, but perhaps a link or a file in its place."""
    if (folder / "DONE").is_file():
        return Entry(folder, "finished")
    what = _obstacle(folder)
    return Entry(folder, "waiting" if what is None else "failed", what)


def _obstacle(folder: Path) -> str | None:
    """What keeps the run from being trained; without the folder, which is shown beside it."""
    what = obstacle(folder)
    return what and what.removeprefix(str(folder)).lstrip("/ ")


def _sizes(folder: str) -> dict[str, int]:
    sizes: dict[str, int] = {}
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as files:  # deleted meanwhile
        for file in files:
            with contextlib.suppress(FileNotFoundError):  # written under another name, and renamed meanwhile
                sizes[file.name] = file.stat(follow_symlinks=False).st_size
    return sizes


def _entry(folder: Path, files: dict[str, int]) -> Entry:
    size = sum(files.values())
    if "DONE" in files and (folder / "DONE").is_file():
        return Entry(folder, "finished", bytes=size)
    if LEASE in files and not is_dead(folder) and (owner := owner_of(folder)) is not None:
        silence = _silence(folder)
        note = f"{owner}" + (f", silent for {silence:.0f} s" if silence > SILENCE else "")
        steps = (_whole(owner.step), _whole(owner.steps))
        return Entry(folder, "running", note, *steps, _number(owner.seconds_left), size)
    if what := _obstacle(folder):
        return Entry(folder, "failed", what, bytes=size)
    if "FAILED" in files:
        return Entry(folder, "failed", _cause(folder), bytes=size)
    return Entry(folder, "cut off", _how_far(folder), bytes=size)


def _silence(folder: Path) -> float:
    """Seconds since the last heartbeat, by the clock of whoever keeps the files; shown, never acted on."""
    try:
        return time.time() - (folder / LEASE).stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _whole(told: object) -> int | None:
    number = _number(told)
    return number if isinstance(number, int) else None


def _number(told: object) -> float | None:
    """What a lease says if it is a number; a folder may come from others."""
    return told if isinstance(told, int | float) and not isinstance(told, bool) and 0 <= told < 2**63 else None


def _cause(folder: Path) -> str:
    try:
        return " ".join(str(read_json(folder / "FAILED")["error"]).split())
    except (OSError, ValueError, KeyError, TypeError):
        return "the file FAILED is damaged"


def _how_far(folder: Path) -> str:
    try:
        epochs = (folder / "metrics.jsonl").read_bytes().count(b"\n")
    except OSError:
        epochs = 0
    kept = ", the same command goes on from its checkpoint" if (folder / "checkpoint.pt").is_file() else ""
    return f"{epochs} epoch{'' if epochs == 1 else 's'} logged{kept}"
