"""Images as files hold them, not yet decoded."""

from typing import Protocol

from torch import Tensor


class Encoded(Protocol):
    """N encoded images in a fixed order, each a PNG, JPEG or the like."""

    def __len__(self) -> int:
        """N."""
        ...

    def payload(self, row: int) -> bytes:
        """The bytes of the file that this image is or was."""
        ...

    def place(self, row: int) -> str:
        """Where the image is, for messages: ``"train.parquet, row 17"`` or ``"train/cat/3.png"``."""
        ...

    def subset(self, rows: Tensor) -> "Encoded":
        """The images at these row numbers, in this order; nothing is copied."""
        ...

    def fingerprint(self) -> str:
        """SHA-256 of what tells these images and their order from others."""
        ...
