"""Residual networks: the thin ones made for CIFAR, and ResNet-18."""

from collections.abc import Callable
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn


def cifar_resnet(depth: int, num_classes: int, channels: int = 3) -> nn.Sequential:
    """The thin residual network for small images, with shortcuts that have no parameters.

    A 3 x 3 convolution, then three stages of n blocks with 16, 32 and 64 channels, the image halved at the start of the
    second and third, then the mean over the image. Every convolution is followed by batch norm.

    Source: He et al. 2016 (Deep residual learning for image recognition), section 4.2. Weights are drawn from torch's
    global generator as in He et al. 2015 (Delving deep into rectifiers), section 2.2: normal, with a
    variance of 2 over the fan-out for convolutions (eq. 14), and for the classifier of 2 over the fan-in (eq. 10) and
    zero bias.

    Args:
        depth: layers with weights, 6n + 2 for n of at least 1: 8, 14, 20, ...
        num_classes: width of the scores.
        channels: of the images.

    Returns:
        A network from ``(B, channels, H, W)`` of any size to scores ``(B, num_classes)``.

    Raises:
        ValueError: if there is no such depth.
    """
    blocks, left = divmod(depth - 2, 6)
    if left or blocks < 1:
        raise ValueError(f"depth must be 6n + 2 with n of at least 1, got {depth}")
    return nn.Sequential(
        *_convolved(channels, 16, size=3),
        nn.ReLU(inplace=True),
        *_stage(16, 16, blocks=blocks, shortcut=_Padded),
        *_stage(16, 32, blocks=blocks, shortcut=_Padded),
        *_stage(32, 64, blocks=blocks, shortcut=_Padded),
        *_head(64, num_classes),
    )


def resnet8(num_classes: int, channels: int = 3) -> nn.Sequential:
    """The `cifar_resnet` of depth 8, from ``(B, channels, H, W)`` to ``(B, num_classes)``; the paper starts at 20."""
    return cifar_resnet(8, num_classes, channels)


def resnet20(num_classes: int, channels: int = 3) -> nn.Sequential:
    """The `cifar_resnet` of depth 20, from ``(B, channels, H, W)`` to ``(B, num_classes)``."""
    return cifar_resnet(20, num_classes, channels)


def resnet32(num_classes: int, channels: int = 3) -> nn.Sequential:
    """The `cifar_resnet` of depth 32, from ``(B, channels, H, W)`` to ``(B, num_classes)``."""
    return cifar_resnet(32, num_classes, channels)


def resnet44(num_classes: int, channels: int = 3) -> nn.Sequential:
    """The `cifar_resnet` of depth 44, from ``(B, channels, H, W)`` to ``(B, num_classes)``."""
    return cifar_resnet(44, num_classes, channels)


def resnet56(num_classes: int, channels: int = 3) -> nn.Sequential:
    """The `cifar_resnet` of depth 56, from ``(B, channels, H, W)`` to ``(B, num_classes)``."""
    return cifar_resnet(56, num_classes, channels)


def resnet110(num_classes: int, channels: int = 3) -> nn.Sequential:
    """The `cifar_resnet` of depth 110, from ``(B, channels, H, W)`` to ``(B, num_classes)``."""
    return cifar_resnet(110, num_classes, channels)


def resnet18(num_classes: int, stem: Literal["imagenet", "small"] = "imagenet", channels: int = 3) -> nn.Sequential:
    """ResNet-18, whose shortcuts are 1 x 1 convolutions where the width changes.

    Source: He et al. 2016, table 1 and section 3.3, shortcuts of option B; weights drawn as in `cifar_resnet`. The
    small stem is common for CIFAR and Tiny ImageNet; the paper does not have it.

    Args:
        num_classes: width of the scores.
        stem: "imagenet" halves the image twice before the first block (a 7 x 7 convolution of stride 2, then a 3 x 3
            maximum of stride 2); "small" leaves its size alone (a 3 x 3 convolution).
        channels: of the images.

    Returns:
        A network from ``(B, channels, H, W)`` of any size to scores ``(B, num_classes)``.

    Raises:
        ValueError: if there is no such stem.
    """
    if stem not in ("imagenet", "small"):
        raise ValueError(f'stem must be "imagenet" or "small", got {stem!r}')
    wide = stem == "imagenet"
    first = _convolved(channels, 64, size=7, stride=2) if wide else _convolved(channels, 64, size=3)
    return nn.Sequential(
        *first,
        nn.ReLU(inplace=True),
        *([nn.MaxPool2d(3, stride=2, padding=1)] if wide else []),
        *_stage(64, 64, blocks=2, shortcut=_projected),
        *_stage(64, 128, blocks=2, shortcut=_projected),
        *_stage(128, 256, blocks=2, shortcut=_projected),
        *_stage(256, 512, blocks=2, shortcut=_projected),
        *_head(512, num_classes),
    )


class _Block(nn.Module):
    """Two 3 x 3 convolutions added to a shortcut, then ReLU: ``(B, channels, H, W)`` to ``(B, width, H', W')``.

    Source: He et al. 2016, figure 2 and eqs. 1 and 2. H' is H divided by the stride, rounded up.
    """

    def __init__(self, channels: int, width: int, *, stride: int, shortcut: nn.Module) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *_convolved(channels, width, size=3, stride=stride),
            nn.ReLU(inplace=True),
            *_convolved(width, width, size=3),
        )
        self.shortcut = shortcut

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs ``(B, width, H', W')``; neither batch norm nor ReLU needs what is overwritten here for gradients."""
        return self.residual(inputs).add_(self.shortcut(inputs)).relu_()


class _Padded(nn.Module):
    """Shortcut of option A: every second pixel, and zeros for the channels that are new.

    From ``(B, channels, H, W)`` to ``(B, width, H', W')`` with H' half of H, rounded up. The zeros come after the
    channels that are there; the paper does not say where, and the networks differ only in the order of channels.

    Source: He et al. 2016, section 3.3.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.new = width - channels

    def forward(self, inputs: Tensor) -> Tensor:
        """Padded inputs ``(B, width, H', W')``.

        Images of even sides keep their memory format. Of odd ones torch does not see it in the slice, so these come
        out contiguous; the block adds them in place and keeps its own format.
        """
        return F.pad(inputs[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.new))


def _projected(channels: int, width: int) -> nn.Module:
    """Shortcut of option B: ``(B, channels, H, W)`` to ``(B, width, H', W')`` by a 1 x 1 convolution of stride 2."""
    return nn.Sequential(*_convolved(channels, width, size=1, stride=2))


def _stage(channels: int, width: int, *, blocks: int, shortcut: Callable[[int, int], nn.Module]) -> list[nn.Module]:
    """Blocks of one width; the first halves the image, and needs the shortcut, where the width changes."""
    if channels == width:
        first = _Block(width, width, stride=1, shortcut=nn.Identity())
    else:
        first = _Block(channels, width, stride=2, shortcut=shortcut(channels, width))
    return [first, *(_Block(width, width, stride=1, shortcut=nn.Identity()) for _ in range(blocks - 1))]


def _convolved(channels: int, width: int, *, size: int, stride: int = 1) -> list[nn.Module]:
    """A convolution and its batch norm, which starts with weight 1 and bias 0."""
    convolution = nn.Conv2d(channels, width, size, stride=stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return [convolution, nn.BatchNorm2d(width)]


def _head(width: int, num_classes: int) -> list[nn.Module]:
    """The mean over the image and the classifier, whose inputs are rectified, hence the gain of ReLU."""
    classifier = nn.Linear(width, num_classes)
    nn.init.kaiming_normal_(classifier.weight, mode="fan_in", nonlinearity="relu")
    nn.init.zeros_(classifier.bias)
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), classifier]
