"""What happened to a run, when and where: the lines of its ``log.jsonl``."""

import json
import os
import socket
import time
from pathlib import Path

from evendistill.storage.files import write_bytes

NAME = "log.jsonl"
FINISHED = "finished"


def note(folder: Path, event: str, **more: object) -> None:
    """Add a line."""
    told = {"event": event, "host": socket.gethostname(), "pid": os.getpid(), "time": time.time(), **more}
    with open(folder / NAME, "a") as file:
        file.write(json.dumps(told, sort_keys=True) + "\n")


def take_back_finished(folder: Path) -> None:
    """Drop the last line of an unfinished run if it says "finished": the process was killed right before ``DONE``."""
    try:
        lines = (folder / NAME).read_bytes().splitlines(keepends=True)
        is_early = bool(lines) and json.loads(lines[-1])["event"] == FINISHED
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):  # others' lines are left as they are
        return
    if is_early:
        write_bytes(folder / NAME, b"".join(lines[:-1]))
