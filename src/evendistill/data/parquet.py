"""Parquet files as they lie on the hub: one or more a split, named after it."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evendistill.data.arrow import joined
from evendistill.data.columns import Columns, Found, found_columns
from evendistill.data.files import visible_files
from evendistill.data.numbering import Unnumbered
from evendistill.data.optional import needed
from evendistill.data.split_names import normalised
from evendistill.data.wording import reason

if TYPE_CHECKING:
    from pyarrow import Table
    from pyarrow.parquet import ParquetFile

SUFFIXES = (".parquet", ".pq")
SHARD = re.compile(r"-\d+-of-(\d+)")


def parquet_files(folder: Path) -> dict[str, list[Path]]:
    """The parquet files of each split below a folder; none if there are no parquet files.

    The split is the first word of the file's name, as in ``train.parquet`` and ``data/train-00000-of-00002.parquet``;
    of a file that has only a number, as in ``train/0000.parquet``, it is the folder. Hidden files are skipped.

    Raises:
        ValueError: if a split lies in two folders, as those of two data sets do, or some of its files are not there.
    """
    splits: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(visible_files(folder, SUFFIXES)):
        splits[_split_of(path, folder)].append(path)
    for name, files in splits.items():
        parents = sorted({str(path.parent) for path in files})
        if len(parents) > 1:
            raise ValueError(f"{folder}: split {name!r} is both in {parents[0]} and in {parents[1]}; give one folder")
        told = {int(shard[1]) for path in files if (shard := SHARD.search(path.stem))}
        if told and told != {len(files)}:
            count = " or ".join(map(str, sorted(told)))
            raise ValueError(f"{folder}: split {name!r} is in {len(files)} files, but their names say of {count}")
    return normalised(splits, origin=str(folder))


def read_parquet(splits: Mapping[str, Sequence[Path]], wanted: Columns) -> dict[str, Unnumbered]:
    """The images, labels and groups of each split, mapped into memory where the files allow it.

    Args:
        splits: files of each split, in order.
        wanted: names of columns, as far as they are known.

    Raises:
        ValueError: if a file is damaged, a column is not there or not what it should be, or a row has no image.
    """
    opened = {name: [(path, _opened(path)) for path in files] for name, files in splits.items()}
    tables: dict[str, Unnumbered] = {}
    found: Columns | Found = wanted
    for name, files in opened.items():
        for path, file in files:  # what is found in the first file must be in all
            found = found_columns(file.schema_arrow, found, file=str(path))
        if isinstance(found, Found):
            read = [(str(path), _read(path, file, found.names)) for path, file in files]
            tables[name] = joined(read, found, follow_paths=False)
    return tables


def _split_of(path: Path, folder: Path) -> str:
    word = re.split(r"[-_. ]", path.stem)[0]
    if word and not word.isdigit() and word != "part":
        return word
    return "train" if path.parent == folder else path.parent.name


def _opened(path: Path) -> "ParquetFile":
    arrow, parquet = needed("pyarrow", "reading parquet"), needed("pyarrow.parquet", "reading parquet")
    try:
        return parquet.ParquetFile(path, memory_map=True)
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise ValueError(f"{path}: not a parquet file, or a damaged one: {reason(error)}") from None


def _read(path: Path, file: "ParquetFile", names: list[str]) -> "Table":
    arrow = needed("pyarrow", "reading parquet")
    try:
        return file.read(columns=names)
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise ValueError(f"{path}: a damaged parquet file: {reason(error)}") from None
