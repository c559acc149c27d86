"""A network that takes data as they are stored, with what its view does to each of them built in."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evendistill.data.view import View


class Served(nn.Module):
    """From what :func:`evendistill.data.datasets.load_data` gives to scores.

    The window in the middle is cut out, normalised and resized, as :meth:`View.cut` does for whoever does not train.

    Args:
        network: from inputs as the view gives them to scores ``(B, C)``.
        view: of the run; None hands inputs on as they are.
        shape: of one input as it is stored, ``(C, H, W)`` if there is a view.

    Raises:
        ValueError: if view and shape do not fit together.
    """

    scale: Tensor
    shift: Tensor
    rows: Tensor
    columns: Tensor

    def __init__(self, network: nn.Module, view: View | None, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.network = network
        self.pad, self.window, self.is_normalised, self.is_resized = 0, (slice(None), slice(None)), False, False
        if view is not None:
            self._see(view, *shape)

    def forward(self, inputs: Tensor) -> Tensor:
        """Scores ``(B, C)`` of inputs as they are stored."""
        if self.pad:
            inputs = F.pad(inputs, (self.pad,) * 4)
        if self.window != (slice(None), slice(None)):
            inputs = inputs[:, :, *self.window]
        if self.is_normalised:
            inputs = inputs * self.scale + self.shift
        if self.is_resized:
            inputs = self.rows @ inputs @ self.columns
        return self.network(inputs)

    def _see(self, view: View, channels: int, height: int, width: int) -> None:
        view.check_channels(channels)
        sides = view.window(height, width)
        if view.crop is not None:
            _, (top, left, _) = 1, view.middle(1, height, width)[0].tolist()
            self.pad = view.pad
            self.window = (slice(top, top + sides[0]), slice(left, left + sides[1]))
        mean, std = (torch.tensor(values).expand(channels).reshape(-1, 1, 1) for values in (view.mean, view.std))
        self.is_normalised = bool((mean != 0).any() or (std != 1).any())
        self.register_buffer("scale", 1 / std)
        self.register_buffer("shift", -mean / std)
        self.is_resized = view.resize is not None
        if view.resize is not None:
            shrinks = view.resize < max(sides)
            self.register_buffer("rows", _resizing(sides[0], view.resize, shrinks=shrinks))
            self.register_buffer("columns", _resizing(sides[1], view.resize, shrinks=shrinks).T.contiguous())


def _resizing(side: int, size: int, *, shrinks: bool) -> Tensor:
    """``(size, side)`` what resizing multiplies each column of pixels with: it is linear, one axis after the other."""
    unit = torch.eye(side)[None, None]
    return F.interpolate(unit, (size, side), mode="bilinear", align_corners=False, antialias=shrinks)[0, 0]
