"""Finished runs whose files are no longer what was written: named, and trained anew."""

import contextlib
import warnings
from collections.abc import Iterable
from pathlib import Path

from evendistill.experiments.results import is_finished
from evendistill.experiments.spec import RunSpec
from evendistill.storage.intact import damage
from evendistill.training.folder import RunFolder


def reopen_damaged(specs: Iterable[RunSpec], runs: Path) -> list[Path]:
    """Take back ``DONE`` from finished runs with a damaged result: a run follows from its spec and can be made again.

    Warns of each, naming the file.

    Returns:
        The folders.
    """
    reopened = []
    for spec in specs:
        folder = runs / spec.folder_name
        if is_finished(spec, runs) and (name := damage(folder)) is not None:
            warnings.warn(f"{folder / name} is not what the run wrote; the run is trained anew", stacklevel=2)
            with contextlib.suppress(BlockingIOError):  # another sweep has seen it too, and is at it
                RunFolder(folder).reopen(name)
                reopened.append(folder)
    return reopened
