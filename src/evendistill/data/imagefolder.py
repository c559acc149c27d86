"""Folders of images, one folder a class."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

import numpy as np
from torch import Tensor

from evendistill.data.files import is_visible, visible_files
from evendistill.data.numbering import Unnumbered
from evendistill.data.split_names import is_known, normalised
from evendistill.data.wording import listed

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")


@final
class FileImages:
    """Encoded images, each a file.

    Args:
        root: folder that the names start from.
        names: N names relative to it.
    """

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        self._root = root
        self._names = names

    def __len__(self) -> int:
        return len(self._names)

    def payload(self, row: int) -> bytes:
        """The bytes of the file."""
        try:
            return (self._root / self._names[row]).read_bytes()
        except OSError as error:
            raise ValueError(f"{self.place(row)}: cannot be read: {error.strerror}") from None

    def place(self, row: int) -> str:
        """Path of the file."""
        return str(self._root / self._names[row])

    def subset(self, rows: Tensor) -> "FileImages":
        """The images at these row numbers, in this order."""
        return FileImages(self._root, [self._names[int(row)] for row in np.arange(len(self))[rows.cpu().numpy()]])

    def fingerprint(self) -> str:
        """SHA-256 of the names and sizes of the files in order; what is in them is not read."""
        hashed = hashlib.sha256()
        for name in self._names:
            hashed.update(f"{name}\0{(self._root / name).stat().st_size}\0".encode(errors="surrogateescape"))
        return hashed.hexdigest()


def read_image_folder(root: Path) -> dict[str, Unnumbered]:
    """The images and labels of each split below a folder; none if there are no folders of images.

    Images are in ``<split>/<class>/...`` or, without splits, ``<class>/...``, perhaps in folders of their own. Classes
    are numbered in alphabetical order over all splits. Hidden files and folders, what is no image, and images beside
    the folders of classes are left aside.

    Raises:
        ValueError: if a split has no classes or none in common with the others.
    """
    folders = [folder for folder in _folders(root) if _has_images(folder)]
    if not folders:
        return {}
    if not _are_splits(folders):
        return _labelled(root, {"train": _classes(root, root)})
    for folder in folders:
        if not _has_classes(folder):
            raise ValueError(f"{folder}: its images are in no folder of a class, as {folder.name}/<class>/*.png")
    splits = normalised({folder.name: folder for folder in folders}, origin=str(root))
    return _labelled(root, {name: _classes(root, folder) for name, folder in splits.items()})


def _are_splits(folders: Sequence[Path]) -> bool:
    """Whether these are splits and not classes, of which one may be called "train" too."""
    known = [folder for folder in folders if is_known(folder.name)]
    return len(known) == len(folders) or any(map(_has_classes, known))


def _labelled(root: Path, splits: Mapping[str, Mapping[str, Sequence[str]]]) -> dict[str, Unnumbered]:
    _check_common(root, splits)
    class_names = tuple(sorted(set().union(*splits.values())))
    tables: dict[str, Unnumbered] = {}
    for split, classes in splits.items():
        images = FileImages(root, [name for names in classes.values() for name in names])
        numbers = [class_names.index(label) for label in classes]
        labels = np.repeat(numbers, [len(names) for names in classes.values()])
        tables[split] = Unnumbered(images, labels, images.place, class_names)
    return tables


def _check_common(root: Path, splits: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
    """A split that shares no class is laid out otherwise, as val/images/* of Tiny ImageNet."""
    first, *others = splits
    for other in others:
        if not splits[first].keys() & splits[other].keys():
            theirs, here = listed(splits[other]), listed(splits[first])
            raise ValueError(
                f"{root}: split {other!r} has the classes {theirs}, but {first!r} has {here}: none is both"
            )


def _classes(root: Path, folder: Path) -> dict[str, list[str]]:
    """The names, relative to the root, of the images of each class."""
    classes: dict[str, list[str]] = {}
    for child in _folders(folder):
        names = sorted(path.relative_to(root).as_posix() for path in visible_files(child, SUFFIXES))
        if names:
            classes[child.name] = names
    return classes


def _has_classes(folder: Path) -> bool:
    return any(map(_has_images, _folders(folder)))


def _has_images(folder: Path) -> bool:
    return next(visible_files(folder, SUFFIXES), None) is not None


def _folders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:  # asks the disk once, not for each of perhaps a million files
        return sorted(folder / entry.name for entry in entries if is_visible(entry.name) and entry.is_dir())
