"""Whether a folder can hold runs: written to, locked, leased, with space, and fast enough."""

import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evendistill.data.wording import reason
from evendistill.experiments.beginning.health import ELSEWHERE, Check
from evendistill.storage.files import write_bytes
from evendistill.storage.lease import held
from evendistill.storage.owners import locked

LEAST_FREE, FEW_FREE = 100_000_000, 2_000_000_000
SLOW = 0.1  # seconds for one small file to be on disk for sure; a run writes some twenty, and a checkpoint now and then
WRITES = 5
PAYLOAD = bytes(1 << 16)


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A folder of its own on the disk where runs would lie, gone afterwards.

    Raises:
        OSError: if there can be none.
    """
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise NotADirectoryError(f"{place} is a file; runs need a folder")
    with tempfile.TemporaryDirectory(prefix=".evendistill-doctor-", dir=place) as made:
        yield Path(made)


def checks(folder: Path) -> Iterator[Check]:
    """Whether it can be written to, has space, knows locks and leases, and how fast it is."""
    path = str(folder.absolute())
    try:
        with scratch(folder) as place:
            yield _space(path, place)
            yield _locks(place)
            yield _leases(place)
            yield _speed(place)
    except OSError as error:
        yield Check("folder", "broken", f"{path} cannot be written: {reason(error)}", ELSEWHERE, {"path": path})


def _space(path: str, place: Path) -> Check:
    free = shutil.disk_usage(place).free
    said, facts = f"{path} can be written, {free / 1e9:.1f} GB free", {"path": path, "bytes_free": free}
    if free >= FEW_FREE:
        return Check("folder", "fine", said, "", facts)
    return Check("folder", "broken" if free < LEAST_FREE else "note", said, f"free some space, or {ELSEWHERE}", facts)


def _locks(place: Path) -> Check:
    """Locks of the system tell at once that a process of this machine is dead."""
    with locked(place) as got:
        is_exclusive = got and _is_refused(place)
    if is_exclusive:
        return Check("locks", "fine", "the file system knows locks", "", {"flock": True})
    said = "the file system knows no locks: of two commands at once on it, and after a crash, only leases tell"
    return Check(
        "locks", "note", said, f"a run that was killed is taken up after a minute; or {ELSEWHERE}", {"flock": False}
    )


def _is_refused(place: Path) -> bool:
    try:
        with locked(place):
            return False
    except BlockingIOError:
        return True


def _leases(place: Path) -> Check:
    """A run folder is claimed by a file that comes to be at once, or is there already."""
    try:
        with held(place):
            pass
    except OSError as error:
        return Check("leases", "broken", f"no run can be claimed here: {reason(error)}", ELSEWHERE)
    return Check("leases", "fine", "runs can be claimed")


def _speed(place: Path) -> Check:
    taken: list[float] = []
    for number in range(WRITES):
        start = time.perf_counter()
        write_bytes(place / f"{number}.bin", PAYLOAD)
        taken.append(time.perf_counter() - start)
    seconds = statistics.median(taken)
    said, facts = f"a small file is on disk in {1000 * seconds:.1f} ms", {"milliseconds": 1000 * seconds}
    if seconds <= SLOW:
        return Check("disk", "fine", said, "", facts)
    return Check("disk", "note", f"{said}, which is slow", f"{ELSEWHERE}, on a disk of this machine", facts)
