"""The folder of a run: what it was told, how far it is, what it found; finished once ``DONE`` is there."""

import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evendistill.models.average import AverageOfScores
from evendistill.models.loading import filled
from evendistill.storage.files import digest, json_bytes, read_json, write_bytes
from evendistill.storage.intact import DamagedError, damage
from evendistill.storage.lease import Lease, held
from evendistill.storage.obstacles import obstacle
from evendistill.storage.tensors import read_tensors, tensor_bytes
from evendistill.training.checkpoint import Checkpoint
from evendistill.training.happened import FINISHED, note, take_back_finished
from evendistill.training.surroundings import surroundings
from evendistill.training.told import readable, same_spec
from evendistill.training.turns import Turns


class WrongStartError(ValueError):
    """The processes were started in another way than the run is for, which says nothing against the run."""


class RunFolder:
    """Files of one run. Results are written whole, then named with their checksums in ``DONE``.

    Args:
        path: of the folder; made by :meth:`begin`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._logged = 0
        self._lease: Lease | None = None

    @property
    def finished(self) -> bool:
        """Whether the run has ended well."""
        return (self.path / "DONE").is_file()

    @property
    def failure(self) -> str | None:
        """Why the run stopped, or None."""
        path = self.path / "FAILED"
        return read_json(path)["error"] if path.is_file() else None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time, on one machine or on many; see :func:`evendistill.storage.lease.held`.

        Raises:
            BlockingIOError: if another process is training this run.
        """
        with held(self.path) as lease:
            self._lease = lease
            try:
                yield
            finally:
                self._lease = None

    def check_owner(self) -> None:
        """Raise ``BlockingIOError`` if another process has taken the folder over."""
        if self._lease is not None:
            self._lease.check()

    def tell(self, step: int, steps: int) -> None:
        """Say how far the run is, for those who look on."""
        if self._lease is not None:
            self._lease.tell(step, steps)

    def note(self, event: str, **more: object) -> None:
        """Add a line to ``log.jsonl``: what happened to this run, when and where."""
        note(self.path, event, **more)

    def begin(self, spec: Mapping[str, Any]) -> None:
        """Write down what the run is told; a folder that was told something else is refused.

        Raises:
            ValueError: if the folder belongs to another run, naming the first field that differs.
        """
        path = self.path / "spec.json"
        if path.is_file() and (told := readable(path)) is not None:
            same_spec(told, json.loads(json_bytes(spec)), self.path)
        else:
            write_bytes(path, json_bytes(spec))
        (self.path / "FAILED").unlink(missing_ok=True)
        write_bytes(self.path / "env.json", json_bytes(surroundings(self.path)))
        take_back_finished(self.path)
        self.note("began")

    def checkpoint(self, *, every: float) -> Checkpoint:
        """Where the run saves itself, as long as the folder is its own."""
        return Checkpoint(self.path / "checkpoint.pt", every=every, before=self.check_owner)

    def log(self, history: list[dict[str, Any]]) -> None:
        """Bring ``metrics.jsonl`` up to the history; after resuming, lines past the checkpoint are dropped."""
        self.check_owner()
        path = self.path / "metrics.jsonl"
        if self._logged == 0:
            kept = _whole_lines(path, most=len(history))
            write_bytes(path, "".join(line + "\n" for line in kept).encode())
            self._logged = len(kept)
        with open(path, "a") as file:
            for record in history[self._logged :]:
                file.write(json.dumps({**record, "time": time.time()}, sort_keys=True) + "\n")
        self._logged = len(history)

    def history(self) -> list[dict[str, Any]]:
        """The records of ``metrics.jsonl`` without their times."""
        records = [json.loads(line) for line in (self.path / "metrics.jsonl").read_text().splitlines()]
        return [{key: value for key, value in record.items() if key != "time"} for record in records]

    def finish(self, files: Mapping[str, bytes]) -> None:
        """Write the results, then ``DONE`` with their checksums; the checkpoint is no longer needed."""
        self.check_owner()
        for name, payload in files.items():
            write_bytes(self.path / name, payload)
        self.check_owner()
        self.note(FINISHED)  # before it is so: what is finished has this line, and one too early is taken back
        write_bytes(self.path / "DONE", json_bytes({name: digest(payload) for name, payload in files.items()}))
        (self.path / "checkpoint.pt").unlink(missing_ok=True)

    def reopen(self, damaged: str, *, if_intact: bool = False) -> None:
        """Take back that the run is finished, since a file is damaged or ``if_intact``: it is made anew by the next."""
        with self.locked():
            if if_intact or damage(self.path) is not None:  # it may have been made good meanwhile
                (self.path / "DONE").unlink(missing_ok=True)
                self.note("reopened", damaged=damaged)

    def give_up(self, spec: Mapping[str, Any], error: Exception) -> None:
        """Mark a run that nobody is training as failed: it failed before it began, or with the process that trained it.

        Its checkpoint stays, for the cause is not in its training. A folder that holds another run, such as one of
        another version of this program, is left alone, and so is one where something stands in the way.

        Raises:
            BlockingIOError: if another process is training it.
            OSError: if it cannot be marked, and the error does not say why.
        """
        if (what := obstacle(self.path)) is not None:
            if what.removeprefix(str(self.path)) in str(error):
                return
            raise OSError(what)
        told, wanted = self.path / "spec.json", json_bytes(spec)
        with self.locked():
            if self.finished:
                return
            if not told.is_file():
                write_bytes(told, wanted)
            if told.read_bytes() == wanted:
                self._mark(error)

    def fail(self, error: Exception) -> None:
        """Mark the run as failed with its cause. What lies in the run itself would only repeat: its checkpoint goes."""
        self.check_owner()
        self._mark(error)
        if isinstance(error, ValueError | FloatingPointError):
            (self.path / "checkpoint.pt").unlink(missing_ok=True)

    def _mark(self, error: Exception) -> None:
        cause = {"error": str(error) or type(error).__name__}
        write_bytes(self.path / "FAILED", json_bytes({**cause, "kind": type(error).__name__}))
        self.note("failed", **cause)

    def load_model(self, network: nn.Module) -> nn.Module:
        """The trained network, from one of the same architecture.

        Raises:
            ValueError: if it is not what the run wrote (DamagedError), or of another architecture.
        """
        path = self.path / "model.safetensors"
        if digest(path.read_bytes()) != read_json(self.path / "DONE")["model.safetensors"]:
            raise DamagedError(f"{path} is not what the run wrote; the recipe's `run` makes it anew")
        tensors = read_tensors(path)
        try:
            return filled(_averaging(network, tensors), tensors)
        except ValueError as error:
            raise ValueError(f"{path}: {error}; was its code changed since it was trained?") from None


def finish_once(
    folder: RunFolder, spec: Mapping[str, Any], work: Callable[[], Turns[Mapping[str, bytes]]]
) -> Turns[bool]:
    """Do the work of a run unless it is done, and leave its results or the cause of its failure behind.

    Returns:
        Whether there was anything to do.

    Raises:
        BlockingIOError: if another process is at it.
        ValueError: if the folder holds another run, or something stands in its place or in that of one of its files.
        Exception: what the work raised, after the folder was marked.
    """
    if folder.finished:
        same_spec(read_json(folder.path / "spec.json"), json.loads(json_bytes(spec)), folder.path)
        return False
    # in Python the user names the folder, and it may be a link; one in a folder of runs is named by its spec
    if (what := obstacle(folder.path, may_be_link="schema_version" not in spec)) is not None:
        raise ValueError(what)
    with folder.locked():
        if folder.finished:
            return False
        folder.begin(spec)
        try:
            folder.finish((yield from work()))
        except (OSError, WrongStartError):  # not the run's fault: the checkpoint stays, the next try goes on from it
            raise
        except Exception as error:
            folder.fail(error)
            raise
    return True


def model_bytes(model: nn.Module) -> bytes:
    """The weights of a network as a safetensors file."""
    return tensor_bytes(model.state_dict())


def _averaging(network: nn.Module, tensors: dict[str, torch.Tensor]) -> nn.Module:
    """The network, or the mean of as many of it as there are weights of."""
    averaged = {name.split(".")[1] for name in tensors if name.startswith("networks.")}
    if averaged and not any(name.startswith("networks.") for name in network.state_dict()):
        network = AverageOfScores(network, [network.state_dict()] * len(averaged))
    return network


def _whole_lines(path: Path, *, most: int) -> list[str]:
    """The first lines of a file of JSON records, up to one that is damaged."""
    kept: list[str] = []
    for line in path.read_text(errors="replace").splitlines()[:most] if path.is_file() else ():
        try:
            json.loads(line)
        except ValueError:
            warnings.warn(f"{path} has a damaged line; it is written anew from there", stacklevel=3)
            break
        kept.append(line)
    return kept
