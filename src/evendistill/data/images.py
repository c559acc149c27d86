"""Images that fit into memory: held as bytes on the device, cut out and normalised there in batches."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from evendistill.data.checked import checked_groups, checked_labels, group_bytes, part_of
from evendistill.data.items import Item, item
from evendistill.data.view import View


class ImageDataset(Dataset[Item]):
    """Images held in memory as bytes, yielding ``(x float32 CHW, y int)``, with ``group int`` behind if it has groups.

    Args:
        images: ``(N, C, H, W)`` uint8.
        labels: ``(N,)`` integers.
        view: what a network sees of them; pixels in [0, 1] if None.
        groups: ``(N,)`` integers from 0, if there are groups.

    Raises:
        ValueError: if shapes or types do not fit together.
    """

    def __init__(self, images: Tensor, labels: Tensor, view: View | None = None, groups: Tensor | None = None) -> None:
        if images.ndim != 4 or images.dtype != torch.uint8:
            raise ValueError(f"images must be uint8 of shape (N, C, H, W), got {images.dtype} {tuple(images.shape)}")
        self.labels = checked_labels(labels, len(images))
        self.groups = checked_groups(groups, len(labels))
        self.images = images
        self.view = view or View()
        self.view.check_channels(images.shape[1])
        self._size = (images.shape[2], images.shape[3])
        self.view.window(*self._size)
        self._padded: Tensor | None = None
        self._fingerprint: str | None = None

    def __repr__(self) -> str:
        return f"ImageDataset({len(self)} x {tuple(self.images.shape[1:])})"

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> Item:
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        rows = torch.tensor([row % len(self)])
        return item(next(self.batches([rows]))[0], self.labels, self.groups, row)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(C, h, w)`` of one input, as a network sees it."""
        return (self.images.shape[1], *self.view.seen(*self._size))

    @property
    def padded(self) -> Tensor:
        """``(N, H, W, C)`` on the device, with the border of the view: made once, read by every batch."""
        if self._padded is None:
            self._padded = self.view.padded(self.images.permute(0, 2, 3, 1)).contiguous()
        return self._padded

    def batches(self, rows: Sequence[Tensor], draws: Sequence[Tensor] | None = None) -> Iterator[Tensor]:
        """The window in the middle of each image in batches of row numbers ``(B,)``, or the windows that were drawn."""
        device = self.images.device
        chunks = middles(self.view, rows, *self._size, device) if draws is None else draws
        for batch, chunk in zip(rows, chunks, strict=True):
            # the copies do not wait for the device: ones that did would stop the host at every batch
            yield self.view.cut(self.padded, batch.to(device, non_blocking=True), chunk.to(device, non_blocking=True))

    def draws(self, count: int, generator: torch.Generator) -> Tensor:
        """Windows at random: ``(count, 3)`` top, left and whether to mirror."""
        return self.view.draws(count, *self._size, generator)

    def fingerprint(self) -> str:
        """SHA-256 of images, labels, what a network sees of an image that is not augmented, and groups if any."""
        if self._fingerprint is None:
            hashed = hashlib.sha256(np.ascontiguousarray(self.images.cpu().numpy()).data)
            hashed.update(self.labels.numpy().tobytes())
            hashed.update(f"{tuple(self.images.shape[1:])} {unaugmented(self.view)}".encode())
            hashed.update(group_bytes(self.groups))
            self._fingerprint = hashed.hexdigest()
        return self._fingerprint

    def to(self, device: torch.device) -> "ImageDataset":
        """The same examples with their images on ``device``; labels and groups stay where they are."""
        images = self.images.to(device)
        return self if images is self.images else ImageDataset(images, self.labels, self.view, self.groups)

    def subset(self, rows: Tensor) -> "ImageDataset":
        """The examples at these row numbers, in this order."""
        return ImageDataset(self.images[rows], self.labels[rows], self.view, part_of(self.groups, rows))

    def viewed(self, view: View) -> "ImageDataset":
        """The same images under another view."""
        return ImageDataset(self.images, self.labels, view, self.groups)


def middles(view: View, rows: Sequence[Tensor], height: int, width: int, device: torch.device) -> list[Tensor]:
    """What :meth:`View.cut` needs for the window in the middle of each image of each batch."""
    middle = view.middle(max(map(len, rows), default=0), height, width).to(device, non_blocking=True)
    return [middle[: len(batch)] for batch in rows]


def unaugmented(view: View) -> View:
    """What of a view bears on images that are not augmented."""
    if view.crop is None:  # the window is the image, whatever the border
        return replace(view, pad=0, flip=False)
    return replace(view, flip=False)
