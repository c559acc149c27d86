"""What stands where a run's folder or one of its files is to be: a file, a folder, a link to elsewhere."""

import os
from pathlib import Path

NAMES = ("DONE", "FAILED", ".lock")
ENDINGS = (".json", ".jsonl", ".pt", ".safetensors")
GOES_ON = "move it away, and the same command goes on"


def obstacle(folder: Path, *, may_be_link: bool = False) -> str | None:
    """What keeps a run from being trained in its folder, in one line that says what to do; None if nothing does.

    Args:
        folder: of the run; it need not be there yet.
        may_be_link: whether the folder itself may be a link: one that a user named is the user's own business.
    """
    if folder.is_symlink() and not may_be_link:
        return f"{folder} is a link, which is not followed; {GOES_ON}"
    try:
        with os.scandir(folder) as found:
            odd = sorted((each.name, _kind(each)) for each in found if _is_of_run(each.name) and not _is_file(each))
    except NotADirectoryError:
        return f"{folder} is a file in the place of a folder; {GOES_ON}"
    except FileNotFoundError:
        return None
    return f"{folder / odd[0][0]} is {odd[0][1]} in the place of a file; {GOES_ON}" if odd else None


def _is_of_run(name: str) -> bool:
    """Whether a run writes a file of this name, or of one like it."""
    return name in NAMES or name.endswith(ENDINGS)


def _is_file(each: "os.DirEntry[str]") -> bool:
    return each.is_file(follow_symlinks=False)


def _kind(each: "os.DirEntry[str]") -> str:
    if each.is_symlink():
        return "a link"
    return "a folder" if each.is_dir() else "something else"
