"""Images that do not fit into memory: decoded as they are asked for, then treated like those that do."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from evendistill.data.checked import checked_groups, checked_labels, group_bytes
from evendistill.data.decoding import channels_of, decode
from evendistill.data.encoded import Encoded
from evendistill.data.examples import row_lists
from evendistill.data.images import middles, unaugmented
from evendistill.data.items import Item, item
from evendistill.data.view import View


class Reader(Protocol):
    """Images of one size, decoded one at a time."""

    def __len__(self) -> int:
        """N."""
        ...

    def read(self, row: int) -> Tensor:
        """Image ``(H, W, C)`` uint8."""
        ...

    def fingerprint(self) -> str:
        """What tells this set of images from another, without decoding them."""
        ...


class EncodedImages:
    """Images as files hold them, decoded when they are read.

    Args:
        encoded: where the files are.
        size: side to bring them to; None takes them as they are, which must then be of one size.
        channels: 1 or 3; None for those of the first image.
    """

    def __init__(self, encoded: Encoded, *, size: int | None = None, channels: int | None = None) -> None:
        self._encoded = encoded
        self._size = size
        self._channels = channels_of(encoded) if channels is None else channels
        self._shape = self._decoded(0).shape
        self._fingerprint: str | None = None

    def __len__(self) -> int:
        return len(self._encoded)

    def read(self, row: int) -> Tensor:
        """Image ``(H, W, C)`` uint8.

        Raises:
            ValueError: if it cannot be decoded or is of another size than the first, naming the place.
        """
        image = self._decoded(row)
        if image.shape != self._shape:
            (height, width, _), (like, wide, _) = image.shape, self._shape
            place = self._encoded.place(row)
            raise ValueError(f"{place}: {height} x {width} pixels, the first has {like} x {wide}; image_size resizes")
        return torch.from_numpy(image)

    def fingerprint(self) -> str:
        """What the source says of itself, with the size."""
        if self._fingerprint is None:  # it may read every byte
            self._fingerprint = f"{self._encoded.fingerprint()} {self._size}"
        return self._fingerprint

    def _decoded(self, row: int) -> np.ndarray:
        encoded = self._encoded
        payload, place = encoded.payload(row), encoded.place(row)
        return decode(payload, place, channels=self._channels, size=self._size, keep_colours=True)


class StreamedImages(Dataset[Item]):
    """Images that do not fit into memory: decoded by loading processes, then treated as :class:`ImageDataset` does.

    Cropping, mirroring and normalising happen on whole batches on the device with draws made in this process, so that
    the two agree bit for bit and loading processes draw nothing.

    Args:
        reader: decodes an image.
        labels: ``(N,)`` integers.
        view: what a network sees of them; pixels in [0, 1] if None.
        workers: loading processes; 0 decodes in this one.
        device: where batches go.
        groups: ``(N,)`` integers from 0, if there are groups.
    """

    def __init__(
        self,
        reader: Reader,
        labels: Tensor,
        view: View | None = None,
        *,
        workers: int = 0,
        device: torch.device | None = None,
        groups: Tensor | None = None,
    ) -> None:
        self.labels = checked_labels(labels, len(reader))
        self.groups = checked_groups(groups, len(labels))
        self.reader = reader
        self.view = view or View()
        self._workers = workers
        self._device = device or torch.device("cpu")
        height, width, channels = reader.read(0).shape
        self._size = (height, width)
        self._channels = channels
        self.view.check_channels(channels)
        self.view.window(*self._size)

    def __repr__(self) -> str:
        return f"StreamedImages({len(self)} x {(self._channels, *self._size)})"

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> Item:
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        image = self.reader.read(row % len(self)).unsqueeze(0)  # here: a process for one image would cost more
        return item(self._inputs(image, self.view.middle(1, *self._size))[0], self.labels, self.groups, row)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(C, h, w)`` of one input, as a network sees it."""
        return (self._channels, *self.view.seen(*self._size))

    def batches(self, rows: Sequence[Tensor], draws: Sequence[Tensor] | None = None) -> Iterator[Tensor]:
        """The window in the middle of each image in batches of row numbers ``(B,)``, or the windows that were drawn."""
        chunks = middles(self.view, rows, *self._size, self._device) if draws is None else draws
        loader = DataLoader(
            _Decoded(self.reader),
            batch_sampler=row_lists(rows),
            num_workers=self._workers,
            collate_fn=torch.stack,
            pin_memory=self._device.type == "cuda",
            generator=torch.Generator().manual_seed(0),  # making the iterator would draw from the global one
        )
        for images, chunk in zip(loader, chunks, strict=True):
            yield self._inputs(images, chunk)

    def draws(self, count: int, generator: torch.Generator) -> Tensor:
        """Windows at random: ``(count, 3)`` top, left and whether to mirror."""
        return self.view.draws(count, *self._size, generator)

    def fingerprint(self) -> str:
        """SHA-256 of what the reader says of itself, labels, view and groups if any; images are not decoded for it."""
        hashed = hashlib.sha256(self.reader.fingerprint().encode())
        hashed.update(self.labels.numpy().tobytes())
        hashed.update(f"{self._size} {self._channels} {unaugmented(self.view)}".encode())
        hashed.update(group_bytes(self.groups))
        return hashed.hexdigest()

    def to(self, device: torch.device) -> "StreamedImages":
        """The same examples with their batches on ``device``."""
        if device == self._device:
            return self
        return self._like(self.view, device)

    def viewed(self, view: View) -> "StreamedImages":
        """The same images under another view."""
        return self._like(view, self._device)

    def _like(self, view: View, device: torch.device) -> "StreamedImages":
        groups = self.groups
        return StreamedImages(self.reader, self.labels, view, workers=self._workers, device=device, groups=groups)

    def _inputs(self, images: Tensor, chunk: Tensor) -> Tensor:
        padded = self.view.padded(images.to(self._device, non_blocking=True))
        every = torch.arange(len(images), device=self._device)
        return self.view.cut(padded, every, chunk.to(self._device, non_blocking=True))


class _Decoded(Dataset[Tensor]):
    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def __len__(self) -> int:
        return len(self._reader)

    def __getitem__(self, row: int) -> Tensor:
        return self._reader.read(row)
