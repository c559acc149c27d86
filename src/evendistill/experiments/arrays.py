"""Scores and labels from files of anyone's making."""

import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evendistill.data.optional import needed
from evendistill.data.parquet import SUFFIXES
from evendistill.data.wording import listed
from evendistill.experiments.in_python import refuse_folder_of_python


def read_scores(scores: Path, labels: Path | None = None) -> tuple[Tensor, Tensor]:
    """Read scores ``(N, C)`` and labels ``(N,)``.

    Args:
        scores: ``.npz`` with arrays ``scores`` and ``labels``; parquet with a column ``labels`` and either a column
            ``scores`` of lists or a column for each class; or ``.npy`` or ``.csv`` of scores alone.
        labels: ``.npy`` or ``.csv`` of labels; None if ``scores`` holds both.

    Raises:
        ValueError: if a file is missing, not of its format, or does not hold such arrays; names the file.
    """
    if labels is None:
        arrays = _read(scores)
        if not isinstance(arrays, dict):
            raise ValueError(f"{scores}: expected an .npz or parquet with scores and labels, or give --labels")
        if not {"scores", "labels"} <= arrays.keys():
            raise ValueError(
                f"{scores}: expected an .npz or parquet with scores and labels, got {listed(arrays)}; "
                "save what are scores (N, C) and labels (N,) under these names, or give --labels"
            )
        return _floating(arrays["scores"], scores), _integers(arrays["labels"], scores)
    first, second = _named(_read(scores), "scores", scores), _named(_read(labels), "labels", labels)
    return _floating(first, scores), _integers(second, labels)


def read_groups(groups: Path) -> Tensor:
    """Read the group of each example ``(N,)``, from 0.

    Args:
        groups: ``.npy`` or ``.csv``, or ``.npz`` with an array ``groups``.

    Raises:
        ValueError: as :func:`read_scores`.
    """
    return _integers(_named(_read(groups), "groups", groups), groups, "groups")


def _named(found: Any, name: str, path: Path) -> Any:  # noqa: ANN401
    """The array itself, or the one of that name among several."""
    if isinstance(found, dict) and name not in found:
        raise ValueError(f"{path}: expected an array {name}, got {listed(found)}; save it under that name")
    return found[name] if isinstance(found, dict) else found


def _read(path: Path) -> Any:  # noqa: ANN401 - an array, or a mapping of them
    if not path.is_file():
        refuse_folder_of_python(path, "result.evaluate(held_out)")
        raise ValueError(f"{path}: {'a folder, not a file of scores' if path.is_dir() else 'there is no such file'}")
    if path.suffix in SUFFIXES:
        return _read_parquet(path)
    if path.suffix not in (".csv", ".npy", ".npz"):
        raise ValueError(f"{path}: cannot be read; scores and labels are .npz, .npy, .csv or parquet")
    try:
        if path.suffix == ".csv":
            with warnings.catch_warnings(action="error", category=UserWarning):  # it warns of a file without numbers
                return np.loadtxt(path, delimiter=",", ndmin=1)
        with path.open("rb") as file:
            loaded = np.load(file)
            return dict(loaded) if isinstance(loaded, np.lib.npyio.NpzFile) else loaded
    except (ValueError, OSError, EOFError, UserWarning, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: cannot be read as numbers: {str(error).splitlines()[0]}") from None


def _read_parquet(path: Path) -> dict[str, Any]:
    """Its columns as arrays; without a column of that name, the scores are the columns of fractions in their order."""
    parquet, arrow = needed("pyarrow.parquet", "reading parquet"), needed("pyarrow", "reading parquet")
    try:
        table = parquet.read_table(path)
        labels = next((name for name in ("labels", "label") if name in table.column_names), None)
        fractions = [field.name for field in table.schema if arrow.types.is_floating(field.type)]
        names = ["scores"] if "scores" in table.column_names else [name for name in fractions if name != labels]
        columns = [np.array(table.column(name).to_pylist()) for name in names]
        found = {} if labels is None else {"labels": np.array(table.column(labels).to_pylist())}
        if names:
            found["scores"] = columns[0] if names == ["scores"] else np.stack(columns, axis=1)
    except (ValueError, OSError, arrow.ArrowException) as error:
        raise ValueError(f"{path}: cannot be read as numbers: {str(error).splitlines()[0]}") from None
    return found


def _floating(values: Any, path: Path) -> Tensor:  # noqa: ANN401
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.shape[1] < 2 or values.dtype.kind not in "fiu":
        raise ValueError(f"{path}: scores must be numbers of shape (N, C) with C >= 2, got {_kind(values)}")
    return torch.from_numpy(values.astype(np.float64))


def _integers(values: Any, path: Path, name: str = "labels") -> Tensor:  # noqa: ANN401
    if not isinstance(values, np.ndarray) or values.ndim != 1 or not _whole(values):
        raise ValueError(f"{path}: {name} must be whole numbers of shape (N,), got {_kind(values)}")
    return torch.from_numpy(values.astype(np.int64))


def _whole(values: np.ndarray) -> bool:
    if values.dtype.kind not in "fiu":
        return False
    return bool(((values == np.round(values)) & (np.abs(values.astype(np.float64)) < 2**53)).all())


def _kind(values: Any) -> str:  # noqa: ANN401
    return f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
