"""A small convolutional network for small images."""

from torch import nn


def convnet(channels: int, num_classes: int, width: int = 16) -> nn.Sequential:
    """Three 3 x 3 convolutions with batch norm, halving the image twice, then the mean over the image.

    Args:
        channels: of the images.
        num_classes: width of the scores.
        width: channels of the first convolution; the others have two and four times as many.

    Returns:
        A network from ``(B, channels, H, W)``, H and W at least 4, to scores ``(B, num_classes)``.
    """
    return nn.Sequential(
        *_block(channels, width, stride=1),
        *_block(width, 2 * width, stride=2),
        *_block(2 * width, 4 * width, stride=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, num_classes),
    )


def _block(channels: int, width: int, *, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(width), nn.ReLU()]
