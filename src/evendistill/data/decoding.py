"""Encoded images become arrays of pixels."""

import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from evendistill.data.encoded import Encoded
from evendistill.data.optional import needed
from evendistill.data.wording import reason

if TYPE_CHECKING:
    from PIL.Image import Image

GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F")
# Below this many pixels threads wait for one another longer than Pillow works without them: 1.3 times slower at 32 x 32
# on 2 cores, 2 times faster at 500 x 375.
WORTH_A_THREAD = 100 * 100
ROWS_A_TASK = 64


def decode(
    payload: bytes, place: str, *, channels: int, size: int | None = None, keep_colours: bool = False
) -> np.ndarray:
    """The pixels of an image.

    It is turned as its EXIF data say. Transparency is left aside, as by other readers of data sets; of 16 bits the
    upper eight stay; of an animation the first image counts.

    Args:
        payload: the image as a file holds it.
        place: where it is, for messages.
        channels: 1 for grey, 3 for red, green and blue.
        size: the shorter side becomes this long, and the middle ``size x size`` is cut out; None keeps all.
        keep_colours: refuse to make an image with colours grey.

    Returns:
        ``(H, W, channels)`` uint8.

    Raises:
        ValueError: if it is no image, a damaged one, or has colours that would be lost and should be kept.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 or 3, got {channels}")
    if size is not None and size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    with _strict():
        return _pixels(payload, place, channels=channels, size=size, keep_colours=keep_colours)


def channels_of(encoded: Encoded) -> int:
    """1 if the first image is grey, else 3.

    Raises:
        ValueError: if there are no images, or the first is none.
    """
    if len(encoded) == 0:
        raise ValueError("a data set needs at least one image, got none")
    with _strict(), _opened(encoded.payload(0), encoded.place(0)) as image:
        return 1 if image.mode in GREY else 3


def decode_all(encoded: Encoded, *, size: int | None = None, channels: int | None = None) -> Tensor:
    """The pixels of all images.

    Args:
        encoded: N images.
        size: of the squares that they become, see :func:`decode`; None if all have one size.
        channels: 1 or 3; None for those of the first image.

    Returns:
        ``(N, channels, H, W)`` uint8, the channels of a pixel side by side in memory.

    Raises:
        ValueError: if an image is damaged, has another size than the first where ``size`` is None, or has colours
            where the first has none and ``channels`` is None.
    """
    wanted = channels_of(encoded) if channels is None else channels
    first = decode(encoded.payload(0), encoded.place(0), channels=wanted, size=size)
    images = np.empty((len(encoded), *first.shape), np.uint8)

    def fill(rows: range) -> None:
        for row in rows:
            payload, place = encoded.payload(row), encoded.place(row)
            pixels = _pixels(payload, place, channels=wanted, size=size, keep_colours=channels is None)
            _check_size(pixels, first, place)
            images[row] = pixels

    with _strict():
        if _has_many_pixels(encoded):
            _in_threads(fill, len(encoded))
        else:
            fill(range(len(encoded)))
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def _has_many_pixels(encoded: Encoded) -> bool:
    with _opened(encoded.payload(0), encoded.place(0)) as image:
        return image.width * image.height >= WORTH_A_THREAD


def _in_threads(fill: Callable[[range], None], count: int) -> None:
    tasks = [range(start, min(start + ROWS_A_TASK, count)) for start in range(0, count, ROWS_A_TASK)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(fill, tasks):  # in order, so that the first damaged row is the one that is named
            pass


def _check_size(pixels: np.ndarray, first: np.ndarray, place: str) -> None:
    if pixels.shape != first.shape:
        here, there = (f"{shape[1]} x {shape[0]}" for shape in (pixels.shape, first.shape))
        raise ValueError(f"{place}: {here} pixels, but the first image has {there}; image_size would resize all")


def _pixels(payload: bytes, place: str, *, channels: int, size: int | None, keep_colours: bool = False) -> np.ndarray:
    operations = needed("PIL.ImageOps", "decoding images")
    with _opened(payload, place) as image:
        mode = image.mode
        operations.exif_transpose(image, in_place=True)
        plain = _of_eight_bits(image).convert("L" if channels == 1 else "RGB")
        pixels = np.array(plain if size is None else _square(plain, size))
    if keep_colours and channels == 1 and mode not in GREY:
        raise ValueError(f"{place}: an image with colours, but the first one is grey; it takes channels=3 to keep them")
    return pixels[..., None] if channels == 1 else pixels


def _of_eight_bits(image: "Image") -> "Image":
    if image.mode == "F":
        raise ValueError("pixels of 32-bit floats have no usual range; save them as 8 bits")
    if not image.mode.startswith("I"):
        return image
    # Pillow itself would clip at 255, not divide
    upper = np.asarray(image).astype(np.int64).clip(0, 65535) >> 8
    return needed("PIL.Image", "decoding images").fromarray(upper.astype(np.uint8))


def _square(image: "Image", size: int) -> "Image":
    """Resize and cut in one go: only pixels that stay are computed, however long the image is."""
    short = min(image.size)
    long = int(size * max(image.size) / short)  # as torchvision rounds
    start = round((long - size) / 2)
    scale = max(image.size) / long
    cut = (start * scale, (start + size) * scale)
    box = (cut[0], 0, cut[1], short) if image.width >= image.height else (0, cut[0], short, cut[1])
    return image.resize((size, size), needed("PIL.Image", "decoding images").Resampling.BILINEAR, box=box)


@contextmanager
def _opened(payload: bytes, place: str) -> "Iterator[Image]":
    images = needed("PIL.Image", "decoding images")
    try:
        with images.open(BytesIO(payload)) as image:
            yield image
    except images.UnidentifiedImageError:
        raise ValueError(
            f"{place}: not an image that can be read: its {len(payload)} bytes have no known format"
        ) from None
    except Exception as error:  # damaged files make the readers of formats fail in ways that have no common base
        raise ValueError(f"{place}: not an image that can be read: {reason(error)}") from error


@contextmanager
def _strict() -> Iterator[None]:
    """A warning that an image is far too large is an error; what else Pillow remarks on is of no use here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", needed("PIL.Image", "decoding images").DecompressionBombWarning)
        yield
