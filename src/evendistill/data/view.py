"""The view of stored images that reaches a network: cut out, flipped, normalised and resized, a batch at a time."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class View:
    """How stored images become inputs.

    Training sees a random window of the image, perhaps mirrored; everyone else the window in the middle.

    Attributes:
        mean: subtracted from pixels in [0, 1]; one number, or one a channel.
        std: divides what is left; one number, or one a channel.
        pad: black pixels added on each of the four sides before the window is cut; 4 in He et al. 2016, 2 in the code
            of Narasimhan and Menon 2021.
        crop: side of the window; None takes the size of the stored image.
        flip: mirror half of the training images.
        resize: side of what the network sees, bilinear; None leaves the window as it is.

    Raises:
        ValueError: if a value is out of range.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    pad: int = 0
    crop: int | None = None
    flip: bool = False
    resize: int | None = None

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            values = tuple(float(value) for value in getattr(self, name))
            if len(values) not in (1, 3) or not all(math.isfinite(value) for value in values):
                raise ValueError(f"{name} must be one number or one for each of three channels, got {values}")
            object.__setattr__(self, name, values)
        if min(self.std) <= 0:
            raise ValueError(f"std must be positive, got {self.std}")
        if self.pad < 0:
            raise ValueError(f"pad must be at least 0, got {self.pad}")
        for name in ("crop", "resize"):
            side = getattr(self, name)
            if side is not None and side < 1:
                raise ValueError(f"{name} must be at least 1, got {side}")

    def window(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what is cut from stored images of this size.

        Raises:
            ValueError: if the window is larger than the padded image.
        """
        if self.crop is None:
            return height, width
        if self.crop > min(height, width) + 2 * self.pad:
            raise ValueError(f"crop {self.crop} is larger than images of {height} x {width} with pad {self.pad}")
        return self.crop, self.crop

    def seen(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what a network sees of stored images of this size."""
        return self.window(height, width) if self.resize is None else (self.resize, self.resize)

    def draws(self, count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Where each of ``count`` training images is cut and whether it is mirrored: ``(count, 3)`` top, left, flip."""
        window_height, window_width = self.window(height, width)
        spare = (height + 2 * self.pad - window_height, width + 2 * self.pad - window_width)
        top, left = (torch.randint(most + 1, (count,), generator=generator) for most in spare)
        flip = torch.randint(2, (count,), generator=generator) if self.flip else torch.zeros_like(top)
        return torch.stack([top, left, flip], dim=1)

    def middle(self, count: int, height: int, width: int) -> Tensor:
        """The same for the window in the middle, not mirrored."""
        window_height, window_width = self.window(height, width)
        top, left = (height + 2 * self.pad - window_height) // 2, (width + 2 * self.pad - window_width) // 2
        return torch.tensor([[top, left, 0]]).expand(count, 3)

    def padded(self, images: Tensor) -> Tensor:
        """Stored images ``(N, H, W, C)`` with their black border."""
        return F.pad(images, (0, 0, self.pad, self.pad, self.pad, self.pad)) if self.pad else images

    def cut(self, padded: Tensor, rows: Tensor, draws: Tensor) -> Tensor:
        """Inputs of a network.

        Args:
            padded: ``(N, H, W, C)`` uint8, what :meth:`padded` gave.
            rows: ``(B,)`` which of them.
            draws: ``(B, 3)`` what :meth:`draws` or :meth:`middle` gave.

        Returns:
            ``(B, C, h, w)`` float32 in channels-last memory.
        """
        _, height, width, channels = padded.shape
        window = self.window(height - 2 * self.pad, width - 2 * self.pad)
        down, across = (torch.arange(side, device=padded.device) for side in window)
        top, left, flip = draws.unsqueeze(2).unbind(1)
        y = top + down
        x = left + torch.where(flip.bool(), window[1] - 1 - across, across)
        # one gather of whole pixels crops and mirrors; it reads bytes, a quarter of what floats would be
        place = (rows[:, None, None] * height + y[:, :, None]) * width + x[:, None, :]
        pixels = padded.flatten(0, 2).index_select(0, place.flatten()).unflatten(0, place.shape).permute(0, 3, 1, 2)
        scale, shift = self._normalisation(channels, padded.device)
        inputs = pixels.float().mul_(scale).add_(shift)
        if self.resize is None:
            return inputs
        size, shrinks = (self.resize, self.resize), self.resize < max(window)
        return F.interpolate(inputs, size, mode="bilinear", align_corners=False, antialias=shrinks)

    def check_channels(self, channels: int) -> None:
        """Raise ``ValueError`` if mean or std are told for another number of channels."""
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, channels):
                raise ValueError(f"{name} has {len(values)} numbers, the images have {channels} channels")

    def _normalisation(self, channels: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """What pixels in 0..255 are multiplied with, and what is added then, each ``(C, 1, 1)``."""
        mean, std = (torch.tensor(values).expand(channels).reshape(-1, 1, 1) for values in (self.mean, self.std))
        # the copy does not wait for the device: one that did would stop the host at every step
        return tuple(part.to(device, non_blocking=True) for part in (1 / (255 * std), -mean / std))  # pyright: ignore
