"""Sizes of images as their files tell them, and the colours of those that are decoded."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BytesIO
from statistics import median
from typing import Any

import torch
from torch import Tensor

from evendistill.data.encoded import Encoded
from evendistill.data.images import ImageDataset
from evendistill.data.optional import needed
from evendistill.data.streamed import StreamedImages

SIDES = (224, 128, 64, 32)
LARGEST = 256  # of a shorter side that is left as it is: no network here is made for more
MOST_HEADERS = 5000
MOST_BYTES = 200_000_000  # of images that are looked at: a second or two
TURNED = 0x0112  # of EXIF: 5 to 8 lie on their side
LEAST_STD = 0.0001
GREY = 2.0  # mean spread of three channels, of 255, up to which they hold one grey picture


def common_size(parts: Iterable[Encoded]) -> int | None:
    """The side that images should be brought to; None if all have one size that is small enough.

    Args:
        parts: images of each split; at most 5,000 of each, evenly spread, are asked for their size.
    """
    found = set().union(*map(_sizes, parts))
    if len(found) < 2 and all(min(size) <= LARGEST for size in found):
        return None
    shorter = [min(size) for size in found]
    fitting = (side for side in SIDES if side <= median(shorter))
    return next(fitting, max(8, min(shorter)))


def statistics(examples: ImageDataset | StreamedImages) -> tuple[tuple[float, ...], tuple[float, ...], bool]:
    """Mean and standard deviation of each channel, pixels in [0, 1], and whether there are colours.

    All images count if they have at most 200 million values, otherwise as many as that, evenly spread.
    """
    counts, spread, pixels = torch.zeros(0), 0.0, 0
    for chunk in _chunks(examples):
        found = torch.stack([channel.bincount(minlength=256) for channel in chunk]).double()
        counts = found if not len(counts) else counts + found
        spread += float((chunk.amax(dim=0) - chunk.amin(dim=0)).sum(dtype=torch.float64))
        pixels += chunk.shape[1]
    levels = torch.arange(256, dtype=torch.float64) / 255
    mean = (counts * levels).sum(dim=1) / pixels
    std = ((counts * levels**2).sum(dim=1) / pixels - mean**2).clamp_min(0).sqrt().clamp_min(LEAST_STD)
    return tuple(mean.tolist()), tuple(std.tolist()), len(mean) == 3 and spread / pixels > GREY


def _sizes(images: Encoded) -> set[tuple[int, int]]:
    opened = needed("PIL.Image", "decoding images").open
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is wrong with an image is said when it is decoded
        asked = (_size(opened, images.payload(row)) for row in _spread(len(images), MOST_HEADERS))
        return {size for size in asked if size is not None}


def _size(opened: Callable[[BytesIO], Any], payload: bytes) -> tuple[int, int] | None:
    """Width and height as the image will be shown; None where they cannot be read."""
    try:
        with opened(BytesIO(payload)) as image:
            is_turned = image.getexif().get(TURNED, 1) in (5, 6, 7, 8)
            return image.size[::-1] if is_turned else image.size
    except Exception:  # noqa: BLE001 - the readers of formats fail in many ways; the loader will name the image
        return None


def _chunks(examples: ImageDataset | StreamedImages) -> Iterator[Tensor]:
    """Training images as ``(C, pixels)`` bytes, some at a time."""
    if isinstance(examples, ImageDataset):
        rows = _spread(len(examples), max(1, MOST_BYTES // examples.images[0].numel()))
        for batch in torch.tensor(rows).split(1024):
            yield examples.images[batch].transpose(0, 1).flatten(1)
        return
    rows = _spread(len(examples), max(1, MOST_BYTES // examples.reader.read(0).numel()))
    for row in rows:
        yield examples.reader.read(row).flatten(0, 1).T


def _spread(count: int, most: int) -> Sequence[int]:
    """At most so many row numbers, evenly spread."""
    return range(count) if count <= most else [row * count // most for row in range(most)]
