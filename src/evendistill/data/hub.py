"""Data sets of the Hugging Face hub, through its own library and cache."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from evendistill.data.arrow import joined
from evendistill.data.columns import Columns, found_columns
from evendistill.data.numbering import Unnumbered
from evendistill.data.optional import needed
from evendistill.data.split_names import normalised
from evendistill.data.wording import reason

if TYPE_CHECKING:
    from datasets import Dataset

LOGGERS = ("datasets", "huggingface_hub")


def read_hub(name: str, wanted: Columns) -> dict[str, Unnumbered]:
    """The images, labels and groups of each split of a data set on the hub, or in the cache of an earlier download.

    Args:
        name: ``"owner/name"`` or ``"name"``.
        wanted: names of columns, as far as they are known.

    Raises:
        ValueError: if it cannot be had, or has no such columns.
    """
    datasets = needed("datasets", "reading from the hub")
    try:
        with _quiet():
            loaded = datasets.load_dataset(name)
    except Exception as error:  # the errors of the hub, of its library and of its transport have no common base
        raise ValueError(
            f"the data set {name!r} is neither a path nor reachable on the hub: {reason(error)}"
        ) from error
    return read_loaded(loaded, wanted, name=name)


def read_mapped(files: Mapping[str, Sequence[Path]], wanted: Columns, *, name: str) -> dict[str, Unnumbered]:
    """The images, labels and groups of parquet files too large for memory.

    The library unpacks them once into its cache, from which rows are mapped into memory as they are asked for; parquet
    itself can be read only in groups of many rows.

    Args:
        files: of each split, in order.
        wanted: names of columns, as far as they are known.
        name: of the data set, for messages.

    Raises:
        ValueError: if a file is damaged, a column is not there or not what it should be, or a row has no image.
    """
    datasets = needed("datasets", "reading parquet files larger than memory")
    told = {split: [str(path) for path in paths] for split, paths in files.items()}
    try:
        with _quiet():
            loaded = datasets.load_dataset("parquet", data_files=told)
    except Exception as error:  # the errors of the library and of what it builds on have no common base
        raise ValueError(f"{name}: its parquet files cannot be unpacked: {reason(error)}") from error
    return read_loaded(loaded, wanted, name=name)


def read_loaded(splits: "Mapping[str, Dataset]", wanted: Columns, *, name: str) -> dict[str, Unnumbered]:
    """The images, labels and groups of each split as the library has loaded it; no image is decoded.

    Args:
        splits: by name.
        wanted: names of columns, as far as they are known.
        name: of the data set, for messages.

    Raises:
        ValueError: if a column is not there or not what it should be, or a row has no image.
    """
    tables: dict[str, Unnumbered] = {}
    for split, dataset in normalised(dict(splits), origin=name).items():
        place = f"{name} ({split})"
        found = found_columns(dataset.features.arrow_schema, wanted, file=place)
        # as Arrow, the library hands out the bytes that it would decode for any other format
        table = dataset.select_columns(found.names).with_format("arrow")[:]
        tables[split] = joined([(place, table)], found, follow_paths=True)
    return tables


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no notes while the library works; afterwards they are as they were."""
    datasets = needed("datasets", "reading from the hub")
    had_bars = datasets.is_progress_bar_enabled()
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    datasets.disable_progress_bars()
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        if had_bars:
            datasets.enable_progress_bars()
