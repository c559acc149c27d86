"""Data sets of images from the places where people keep them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evendistill.data.columns import Columns
from evendistill.data.encoded import Encoded
from evendistill.data.hub import read_hub, read_mapped
from evendistill.data.imagefolder import read_image_folder
from evendistill.data.npz import check_keys, read_npz
from evendistill.data.numbering import Split, Unnumbered, numbered
from evendistill.data.parquet import SUFFIXES, parquet_files, read_parquet
from evendistill.data.wording import reason

__all__ = ["Encoded", "Split", "check_source", "read_source"]

MOST_PARQUET_BYTES = 8 << 30
"""Of parquet files that are read into memory as they are; above, they are unpacked into a cache and mapped."""

HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", re.ASCII)


def read_source(
    source: str,
    *,
    image_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
) -> dict[str, Split]:
    """The splits of a data set by name: "train", "validation" and "test" where it says so, others as they are called.

    A source is one of

    - a folder of parquet files named after their splits, as the hub keeps them, or one such file ("train");
    - a folder of images, ``<split>/<class>/...`` or ``<class>/...`` ("train");
    - an ``.npz`` file of arrays;
    - ``"owner/name"`` or ``"name"`` of a data set on the Hugging Face hub, if there is no such path.

    Images in parquet files and in folders are not decoded. Labels are 0 to C - 1, the same over all splits; so are
    groups.

    Args:
        source: a path, in which ``~`` is the home folder, or a name on the hub.
        image_column: column of images in tables, if it has no usual name.
        label_column: column of labels in tables, likewise.
        group_column: column of tables with an attribute beside the class; for an ``.npz`` file the word that its keys
            have where those of inputs have ``x``. None reads no groups.

    Raises:
        ValueError: if it is not there, damaged, or not laid out so; the message names file, column and row.
    """
    wanted = Columns(image_column, label_column, group_column)
    with _readable(source):
        path = _path_of(source)
        tables = read_hub(source, wanted) if path is None else _read_path(path, wanted)
    return numbered(tables, origin=source)


def check_source(source: str, *, group_column: str | None = None) -> None:
    """Raise ``ValueError`` as :func:`read_source` would, as far as that shows without reading; of the hub nothing does.

    Args:
        source: as there.
        group_column: as there.
    """
    with _readable(source):
        path = _path_of(source)
        if path is None:
            return
        if path.is_dir():
            _check_holds(path)
            return
        _check_suffix(path)
        path.open("rb").close()
        if path.suffix.lower() not in SUFFIXES:
            check_keys(path, group_column)


@contextmanager
def _readable(source: str) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:  # a folder that may not be read; a home that is not known
        raise ValueError(f"{source}: cannot be read: {reason(error)}") from None


def _path_of(source: str) -> Path | None:
    """Where it lies; None if that can only be on the hub."""
    path = Path(source).expanduser()
    if source and path.exists():
        return path
    if _may_be_on_the_hub(source):
        return None
    raise ValueError(f"{source}: there is no such file or folder")


def _read_path(path: Path, wanted: Columns) -> dict[str, Unnumbered]:
    files = parquet_files(path) if path.is_dir() else {"train": [path]} if path.suffix.lower() in SUFFIXES else {}
    if files:
        if sum(file.stat().st_size for paths in files.values() for file in paths) > MOST_PARQUET_BYTES:
            return read_mapped(files, wanted, name=str(path))
        return read_parquet(files, wanted)
    for option, column in (("image_column", wanted.image), ("label_column", wanted.label)):
        if column is not None:
            raise ValueError(f"{option} names a column of parquet files, but there are none in {path}; got {column!r}")
    return _read_folder(path, wanted.group) if path.is_dir() else _read_file(path, wanted.group)


def _read_folder(path: Path, group: str | None) -> dict[str, Unnumbered]:
    _check_holds(path)
    tables = read_image_folder(path)
    if not tables:
        expected = "train.parquet, <class>/*.png or train/<class>/*.png"
        raise ValueError(f"{path}: neither parquet files nor folders of images are in it; expected {expected}")
    if group is not None:
        raise ValueError(f"{path}: folders of images have no columns, got group_column {group!r}")
    return tables


def _read_file(path: Path, group: str | None) -> dict[str, Unnumbered]:
    _check_suffix(path)
    return read_npz(path, group)


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in (".npz", *SUFFIXES):
        raise ValueError(f"{path}: expected a folder, a .parquet file or an .npz file")


def _check_holds(path: Path) -> None:
    if not any(path.iterdir()):
        raise ValueError(f"{path}: the folder is empty")


def _may_be_on_the_hub(source: str) -> bool:
    return HUB_ID.fullmatch(source) is not None and not source.lower().endswith((".npz", *SUFFIXES))
