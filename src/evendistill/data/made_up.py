"""Images made up on the spot, so that a recipe can be tried where its data are not at hand."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

FORM = re.compile(r"made-up:(\d+)x(\d+)x(\d+)")
TRAIN_PER_CLASS, TEST_PER_CLASS = 24, 12
NOISE = 24.0


def is_made_up(source: str) -> bool:
    """Whether a source asks for made-up images."""
    return source.startswith("made-up")


def made_up_images(source: str) -> "tuple[Tensor, Tensor, Tensor, Tensor]":
    """Noisy copies of one random colour pattern a class: easy to learn, and of no other worth.

    Args:
        source: "made-up:CLASSESxCHANNELSxSIDE", for instance "made-up:10x3x32".

    Returns:
        Training images ``(N, C, H, W)`` uint8 and labels ``(N,)``, test images and labels; always the same.

    Raises:
        ValueError: if the source is of another form.
    """
    form = FORM.fullmatch(source)
    if form is None:
        raise ValueError(
            f"made-up images are 'made-up:CLASSESxCHANNELSxSIDE', such as 'made-up:10x3x32', got {source!r}"
        )
    classes, channels, side = (int(number) for number in form.groups())
    if classes < 2 or channels not in (1, 3) or side < 8:
        raise ValueError(f"made-up images need 2 classes, 1 or 3 channels and a side of 8 at least, got {source!r}")
    import torch  # to ask whether images are made up needs none

    generator = torch.Generator().manual_seed(0)
    patterns = 255 * torch.rand(classes, channels, 4, 4, generator=generator)
    large = torch.nn.functional.interpolate(patterns, (side, side), mode="bilinear", align_corners=False)

    def copies(count: int) -> "tuple[Tensor, Tensor]":
        labels = torch.arange(classes).repeat(count)
        noise = NOISE * torch.randn(len(labels), channels, side, side, generator=generator)
        return (large[labels] + noise).clamp_(0, 255).to(torch.uint8), labels

    return *copies(TRAIN_PER_CLASS), *copies(TEST_PER_CLASS)
