"""Finished runs whose files are no longer what was written: named, and made anew."""

import contextlib
import json
import warnings
from collections.abc import Iterable
from pathlib import Path

from evendistill.experiments.results import is_finished
from evendistill.experiments.spec import RunSpec
from evendistill.storage.files import json_bytes, read_json, write_bytes
from evendistill.storage.intact import damage
from evendistill.storage.obstacles import obstacle
from evendistill.training.told import same_spec


def reopen_damaged(specs: Iterable[RunSpec], runs: Path) -> list[Path]:
    """Take back ``DONE`` from finished runs with a damaged result: a run follows from its spec and can be made again.

    Where the spec alone is damaged it is written anew, and the results stay. Warns of each, naming the file.

    Returns:
        The folders that were taken back.
    """
    reopened = []
    for spec in specs:
        folder = runs / spec.folder_name
        if not is_finished(spec, runs):
            continue
        if (name := damage(folder)) is None:
            _mend_spec(spec, folder)
        elif (what := obstacle(folder)) is not None:
            warnings.warn(f"{folder / name} is not what the run wrote, and is not made anew: {what}", stacklevel=2)
        else:
            from evendistill.training.folder import RunFolder  # torch, for the rare case alone

            warnings.warn(f"{folder / name} is not what the run wrote; the run is trained anew", stacklevel=2)
            with contextlib.suppress(BlockingIOError):  # another sweep has seen it too, and is at it
                RunFolder(folder).reopen(name)
                reopened.append(folder)
    return reopened


def _mend_spec(spec: RunSpec, folder: Path) -> None:
    """Write the spec of a finished run anew if it cannot be read; one that tells of another run is named and left."""
    path, wanted = folder / "spec.json", json_bytes(spec.canonical())
    try:
        told = read_json(path)
    except (OSError, ValueError):
        told = None
    if isinstance(told, dict):
        try:
            same_spec(told, json.loads(wanted), folder)
        except ValueError as error:  # its results may be the other's
            warnings.warn(str(error), stacklevel=3)
        return
    try:
        if (what := obstacle(folder)) is not None:
            raise OSError(what)
        write_bytes(path, wanted)
    except OSError as error:  # the results are whole: nothing else need stop for it
        warnings.warn(f"{path} is damaged, and is not written anew: {error}", stacklevel=3)
    else:
        warnings.warn(f"{path} is not what the run was told; it is written anew", stacklevel=3)
