"""Arrays of images, labels and groups in an .npz file."""

import zipfile
import zlib
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from evendistill.data.checked import CHUNK, first_not_finite
from evendistill.data.grouping import GroupColumn
from evendistill.data.numbering import Unnumbered
from evendistill.data.split_names import is_known, normalised
from evendistill.data.wording import listed, reason

INPUTS = ("x", "image", "images", "img", "imgs", "input", "inputs", "data")
LABELS = ("y", "label", "labels", "target", "targets")
EXPECTED = "x_train and y_train, or train_images and train_labels"
DAMAGED = (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def read_npz(path: Path, group: str | None = None) -> dict[str, Unnumbered]:
    """The arrays of each split.

    Keys are ``x_train`` and ``y_train``, ``train_images`` and ``train_labels`` and so on, in capitals or not; ``x`` and
    ``y`` alone are the split "train". Other keys are left aside. Images ``(N, H, W)`` and ``(N, H, W, C)`` of uint8
    become ``(N, C, H, W)`` without a copy, float64 becomes float32, and other arrays stay as they are. An array
    ``(N, C, H, W)`` of uint8 is known by its 1, 3 or 4 channels where the last axis has another length.

    Args:
        path: of the file.
        group: what the keys of groups have for ``x`` or ``images``: ``"sex"`` for ``sex_train`` or ``train_sex``.

    Raises:
        ValueError: if the file is damaged, has no such keys, arrays do not go together, or inputs hold NaN or infinity.
            Nothing is unpickled.
    """
    with _opened(path) as arrays:
        return {split: _table(path, arrays, keys) for split, keys in _keys(path, arrays.files, group).items()}


def check_keys(path: Path, group: str | None = None) -> None:
    """Raise ``ValueError`` if the file is no .npz, or has no such keys; no array is read."""
    with _opened(path) as arrays:
        _keys(path, arrays.files, group)


def _opened(path: Path) -> np.lib.npyio.NpzFile:
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path}: not an .npz file, or a damaged one")
    try:
        return np.load(path, allow_pickle=False)
    except DAMAGED as error:
        raise ValueError(f"{path}: a damaged .npz file: {reason(error)}") from None


def _keys(path: Path, keys: Iterable[str], group: str | None) -> dict[str, dict[str, str]]:
    """For each split the keys of its inputs, its labels and, if they are asked for, its groups."""
    found: dict[str, dict[str, str]] = {}
    for key in keys:
        split, role = _meaning(key, group)
        if role is None:
            continue
        if role in found.setdefault(split, {}):
            raise ValueError(f"{path}: {found[split][role]!r} and {key!r} are both the {role} of {split!r}; keep one")
        found[split][role] = key
    # "label_names" is no split "names", and "image_ids" none of ids
    found = {split: roles for split, roles in found.items() if is_known(split) or roles.keys() >= {"inputs", "labels"}}
    for split, roles in found.items():
        missing = [role for role in ("inputs", "labels") if role not in roles]
        if missing:
            beside = f"has no {missing[0]} of split {split!r} beside it"
            raise ValueError(f"{path}: {next(iter(roles.values()))!r} {beside}; keys are {listed(keys)}")
        if group is not None and "groups" not in roles:
            beside = f"has no groups of split {split!r} beside it, as '{group}_{split}'"
            raise ValueError(f"{path}: {roles['inputs']!r} {beside}; keys are {listed(keys)}")
    if not found:
        raise ValueError(f"{path}: its keys are {listed(keys)}; expected {EXPECTED}")
    return normalised(found, origin=str(path))


def _meaning(key: str, group: str | None) -> tuple[str, str | None]:
    """The split of a key, and whether it holds inputs, labels or groups."""
    if group is not None:  # before all others: the attribute may be called "target"
        if key.lower() == group.lower():
            return "train", "groups"
        for split in (key.lower().removeprefix(f"{group.lower()}_"), key.lower().removesuffix(f"_{group.lower()}")):
            if split != key.lower():
                return split, "groups"
    before, _, after = key.lower().partition("_")
    for word, split in ((before, after or "train"), (after, before)):
        if word in INPUTS or word in LABELS:
            return split, "inputs" if word in INPUTS else "labels"
    return key, None


def _table(path: Path, arrays: np.lib.npyio.NpzFile, keys: Mapping[str, str]) -> Unnumbered:
    inputs_key, labels_key, groups_key = keys["inputs"], keys["labels"], keys.get("groups")
    inputs, labels = _array(path, arrays, inputs_key), _vector(path, arrays, labels_key)
    if inputs.ndim < 2 or len(inputs) != len(labels):
        expected = f"(N, ...) with the N = {len(labels)} of {labels_key!r}"
        raise ValueError(f"{path}: {inputs_key!r} must have shape {expected}, got {inputs.shape}")
    groups = None
    if groups_key is not None:
        values = _vector(path, arrays, groups_key)
        if len(values) != len(labels):
            raise ValueError(
                f"{path}: {groups_key!r} must have the N = {len(labels)} rows of {labels_key!r}, got {len(values)}"
            )
        groups = GroupColumn(values, partial(_place, path, groups_key))
    return Unnumbered(_as_inputs(path, inputs_key, inputs), labels, partial(_place, path, labels_key), groups=groups)


def _place(path: Path, key: str, row: int) -> str:
    return f"{path}, {key!r}, row {row}"


def _vector(path: Path, arrays: np.lib.npyio.NpzFile, key: str) -> np.ndarray:
    """An array ``(N,)``, perhaps stored as ``(N, 1)``."""
    array = _array(path, arrays, key)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"{path}: {key!r} must have shape (N,) or (N, 1), got {array.shape}")
    return array


def _array(path: Path, arrays: np.lib.npyio.NpzFile, key: str) -> np.ndarray:
    try:
        array = arrays[key]
    except DAMAGED as error:  # numpy refuses arrays of Python objects, which only pickle could read
        raise ValueError(f"{path}: {key!r} is damaged or not saved as numbers: {reason(error)}") from None
    if not isinstance(array, np.ndarray):  # numpy hands out what is no .npy file as bytes
        raise ValueError(f"{path}: {key!r} is no array")
    return array


def _as_inputs(path: Path, key: str, array: np.ndarray) -> Tensor:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{path}: {key!r} must hold numbers, got {array.dtype}")
    # torch trains in float32 by default and knows only this machine's order of bytes
    is_double = array.dtype.kind == "f" and array.dtype.itemsize >= 8
    kind = np.dtype(np.float32) if is_double else array.dtype.newbyteorder("=")
    images = torch.from_numpy(array.astype(kind, copy=False))
    row = first_not_finite(images.split(CHUNK))
    if row is not None:
        raise ValueError(f"{_place(path, key, row)}: inputs must be finite, this one has NaN or infinity")
    if images.dtype != torch.uint8 or images.ndim not in (3, 4):
        return images
    if images.ndim == 3:
        return images.unsqueeze(1)
    channels_first = images.shape[1] in (1, 3, 4) and images.shape[3] not in (1, 2, 3, 4)
    return images if channels_first else images.permute(0, 3, 1, 2)
