"""Data sets with their three splits, wherever they are kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from evendistill.data.decoding import channels_of, decode_all
from evendistill.data.examples import ArrayDataset
from evendistill.data.images import ImageDataset
from evendistill.data.made_up import is_made_up, made_up_images
from evendistill.data.sources import Split, read_source
from evendistill.data.split_names import NORMAL, is_known
from evendistill.data.splits import Profile, halves, stratified_parts, thinned_rows
from evendistill.data.streamed import EncodedImages, StreamedImages
from evendistill.data.view import View
from evendistill.data.wording import listed

Splits = dict[str, Split]
Hold = Literal["auto", "memory", "stream"]
Loaded = ArrayDataset | ImageDataset | StreamedImages
MOST_HELD_BYTES = 8 << 30
ONE_SPLIT_SHARES = (0.6, 0.2, 0.2)
DIGITS_SHARES = (0.5, 0.25, 0.25)


@dataclass(frozen=True)
class Data:
    """A classification task: who trains, who judges the multipliers and the choice, who is asked once at the end.

    Attributes:
        train: examples to train on, perhaps long-tailed.
        validation: examples that move the multipliers and select.
        test: examples for the final numbers alone.
        class_names: one a class.
        group_names: one for each value of the attribute that examples have beside their class, the same for all three
            splits; empty if they have none.
    """

    train: Loaded
    validation: Loaded
    test: Loaded
    class_names: tuple[str, ...]
    group_names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        splits = f"train={self.train!r}, validation={self.validation!r}, test={self.test!r}"
        return f"Data({splits}, classes={self.num_classes}, groups={len(self.group_names)})"

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.class_names)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the fingerprints of the three splits."""
        parts = (self.train.fingerprint(), self.validation.fingerprint(), self.test.fingerprint())
        return sha256("".join(parts).encode()).hexdigest()

    def check_shapes(self) -> None:
        """Raise ``ValueError`` unless inputs of all splits have one shape: what pools its pixels would take any."""
        first = self.train.shape
        for name, examples in (("validation", self.validation), ("test", self.test)):
            if examples.shape != first:
                told = " and ".join(" x ".join(map(str, shape)) for shape in (first, examples.shape))
                hint = "of images, resize in view makes it one"
                raise ValueError(f"inputs of train and {name} must have one shape, got {told}; {hint}")

    def to(self, device: torch.device) -> "Data":
        """The same examples with what can be held there on ``device``."""
        train, validation, test = self.train.to(device), self.validation.to(device), self.test.to(device)
        return replace(self, train=train, validation=validation, test=test)

    def viewed(self, view: View) -> "Data":
        """The same images under another view.

        Raises:
            ValueError: if the examples are no images.
        """

        def seen(examples: Loaded) -> Loaded:
            if not isinstance(examples, ImageDataset | StreamedImages):
                raise ValueError("a view is for images stored as bytes; these examples are arrays of numbers")
            return examples.viewed(view)

        return replace(self, train=seen(self.train), validation=seen(self.validation), test=seen(self.test))


def load_data(
    source: str,
    *,
    imbalance: float | None = None,
    profile: Profile = "exponential",
    subset_seed: int = 0,
    split_seed: int = 0,
    image_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    validation: str | None = None,
    test: str | None = None,
    image_size: int | None = None,
    hold: Hold = "auto",
    workers: int = 0,
) -> Data:
    """Load a data set and make its splits.

    The test set is cut at random into halves: validation, and test. A source with a validation set of its own keeps it.
    A source that knows no splits is cut into 60, 20 and 20 percent, stratified by class. Thinning touches training
    alone.

    Args:
        source: a folder or file of parquet in the layout of the Hugging Face hub; a folder of images,
            ``train/<class>/...`` and ``test/<class>/...`` or ``<class>/...`` alone; an ``.npz`` with ``x_train``,
            ``y_train``, ``x_test``, ``y_test`` or the like; a hub id; ``"digits"``, which is embedded: 1,797
            handwritten digits of 8 x 8 pixels (Alpaydin and Kaynak 1998), cut into a half and two quarters; or
            ``"made-up:CLASSESxCHANNELSxSIDE"``, images made up on the spot.
        imbalance: thin the training classes to this ratio of largest to smallest; None keeps all. Class order stays.
        profile: "exponential" or "step".
        subset_seed: draws the examples that a thinned class keeps.
        split_seed: draws the splits. Validation and test depend on nothing else.
        image_column: of a parquet or hub source; found by name and type if None.
        label_column: the same for labels.
        group_column: of a parquet or hub source, an attribute of each example beside its class, such as the background
            of a picture: words, whole numbers or truth values. Of an ``.npz``, what the keys have in place of ``x``:
            "sex" for ``sex_train`` and ``sex_test``. Values are numbered alike in all splits, in alphabetical or
            ascending order unless the files name them. None reads no groups.
        validation: a split of the source, or another source, of which its validation split or only one is taken whole.
        test: a split of the source to take for test; "test" if None, else "validation".
        image_size: bring images in files to this side as they are read, shorter side first, the middle cut out.
        hold: "memory" decodes all images at once, "stream" as they are asked for, "auto" streams above 8 GiB.
        workers: loading processes of streamed images.

    Raises:
        ValueError: if the source cannot be read, or an argument is out of range; one line that names the place.

    Example:
        >>> data = load_data("digits", imbalance=20)
        >>> data.train.labels.bincount().tolist()
        [89, 65, 47, 33, 24, 17, 12, 8, 6, 4]
    """
    if hold not in ("auto", "memory", "stream"):
        raise ValueError(f"hold must be 'auto', 'memory' or 'stream', got {hold!r}")
    read = partial(_read, image_column=image_column, label_column=label_column, group_column=group_column)
    parts = _parts(read(source), source, validation, test, seed=split_seed, read=read)
    names, channels = parts[0].class_names, _channels(parts)
    if imbalance is not None:
        rows = thinned_rows(parts[0].labels, len(names), imbalance=imbalance, profile=profile, seed=subset_seed)
        parts = (parts[0].subset(rows), *parts[1:])
    train, judging, asking = (_examples(part, channels, image_size, hold, workers) for part in parts)
    return Data(train, judging, asking, names, parts[0].group_names)


def _read(source: str, *, image_column: str | None, label_column: str | None, group_column: str | None) -> Splits:
    if group_column is not None and (source == "digits" or is_made_up(source)):
        raise ValueError(f"{source}: these images have no columns, got group_column {group_column!r}")
    if source == "digits":
        return {"train": _digits()}
    if is_made_up(source):
        return _made_up(source)
    return read_source(source, image_column=image_column, label_column=label_column, group_column=group_column)


def _parts(
    splits: Splits,
    source: str,
    validation: str | None,
    test: str | None,
    *,
    seed: int,
    read: Callable[[str], Splits],
) -> tuple[Split, Split, Split]:
    """Training, validation and test."""
    train = _named("train", splits, source)
    if validation is None and test is None and len(splits) == 1:
        shares = DIGITS_SHARES if source == "digits" else ONE_SPLIT_SHARES
        cuts = [train.subset(rows) for rows in stratified_parts(train.labels, shares, seed=seed)]
        return cuts[0], cuts[1], cuts[2]
    if test is None:
        test = "validation" if "validation" in splits and "test" not in splits else "test"
    judged = _named(test, splits, source)
    if validation is None and "validation" in splits and judged is not splits["validation"]:
        validation = "validation"
    own = None if validation is None else _whole(validation, splits, source, read)
    if judged is train or own is train or own is judged:
        told = f"validation {validation!r} and test {test!r}"
        raise ValueError(f"{source}: no split may serve twice, got {told} beside 'train'")
    if own is None:
        first, second = halves(len(judged), seed=seed)
        return train, judged.subset(first), judged.subset(second)
    if own.class_names != train.class_names:
        raise ValueError(f"{validation}: its classes are not those of {source}")
    if own.group_names != train.group_names:
        theirs, here = listed(own.group_names), listed(train.group_names)
        raise ValueError(f"{validation}: its groups are {theirs}, not those of {source}, {here}")
    return train, own, judged


def _whole(name: str, splits: Splits, source: str, read: Callable[[str], Splits]) -> Split:
    """The split of the source that is called so, or another source's own for validation."""
    if name in splits or is_known(name) or not ("/" in name or Path(name).exists()):
        return _named(name, splits, source)
    others = read(name)
    return _named("validation" if len(others) > 1 else next(iter(others)), others, name)


def _named(name: str, splits: Splits, source: str) -> Split:
    found = name if name in splits else NORMAL.get(name.lower(), name)
    if found not in splits:
        raise ValueError(f"{source}: there is no split {name!r}; there is {', '.join(map(repr, splits))}")
    return splits[found]


def _channels(parts: Sequence[Split]) -> int | None:
    """3 if the first image of any part has colours, so that a chance grey one decides for no part; None else."""
    encoded = [part.inputs for part in parts if not isinstance(part.inputs, Tensor)]
    return 3 if any(channels_of(images) == 3 for images in encoded) else None


def _examples(split: Split, channels: int | None, size: int | None, hold: Hold, workers: int) -> Loaded:
    inputs = split.inputs
    if isinstance(inputs, Tensor):
        if size is not None:
            raise ValueError(f"image_size {size} is for images in files; arrays keep their size, a view resizes them")
        is_image = inputs.dtype == torch.uint8 and inputs.ndim == 4 and inputs.shape[1] in (1, 3)
        return (ImageDataset if is_image else ArrayDataset)(inputs, split.labels, groups=split.groups)
    images = EncodedImages(inputs, size=size, channels=channels)
    if hold == "memory" or (hold == "auto" and len(images) * images.read(0).numel() <= MOST_HELD_BYTES):
        return ImageDataset(decode_all(inputs, size=size, channels=channels), split.labels, groups=split.groups)
    return StreamedImages(images, split.labels, workers=workers, groups=split.groups)


def _digits() -> Split:
    with resources.files("evendistill.data").joinpath("digits.npz").open("rb") as file, np.load(file) as arrays:
        pixels, labels = arrays["pixels"], arrays["labels"]
    inputs = torch.from_numpy(pixels).float().div_(16).unsqueeze(1)
    return Split(inputs, torch.from_numpy(labels).long(), tuple(str(digit) for digit in range(10)))


def _made_up(source: str) -> Splits:
    train, labels, test, test_labels = made_up_images(source)
    names = tuple(str(label) for label in range(int(labels.max()) + 1))
    return {"train": Split(train, labels, names), "test": Split(test, test_labels, names)}
