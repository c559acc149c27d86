"""A distillation loop as the usual libraries write it, to be measured against.

It follows torchdistill and mdistiller where they agree: one PIL image at a time through the transforms of torchvision,
a ``DataLoader`` with two workers, the teacher asked anew in every step, everything in float32, eager and NCHW. The
transforms are written out here, line for line what torchvision does to a PIL image. Loggers, accuracy counts and
progress bars of those libraries are left out, which favours this loop.
"""

from collections.abc import Generator, Iterable

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

WORKERS = 2


class PilImages(Dataset[tuple[Tensor, int]]):
    """Images ``(N, 3, H, W)`` uint8 in memory, each made a PIL image and transformed as it is asked for."""

    def __init__(
        self, images: Tensor, labels: Tensor, *, mean: tuple[float, ...], std: tuple[float, ...], pad: int, flip: bool
    ) -> None:
        self._pixels = np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())
        self._labels = labels.tolist()
        self._mean, self._std, self._pad, self._flip = mean, std, pad, flip

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self._pixels[row])
        if self._pad:
            image = _randomly_cropped(image, self._pad)
        if self._flip and torch.rand(1) < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return _normalised(_as_tensor(image), self._mean, self._std), self._labels[row]


def _randomly_cropped(image: Image.Image, pad: int) -> Image.Image:
    width, height = image.size
    padded = ImageOps.expand(image, border=pad, fill=0)
    top, left = (int(torch.randint(0, 2 * pad + 1, size=(1,)).item()) for _ in range(2))
    return padded.crop((left, top, left + width, top + height))


def _as_tensor(image: Image.Image) -> Tensor:
    pixels = torch.from_numpy(np.array(image, np.uint8, copy=True))
    return pixels.permute((2, 0, 1)).contiguous().to(torch.float32).div(255)


def _normalised(image: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    middle, spread = (torch.as_tensor(values, dtype=image.dtype).view(-1, 1, 1) for values in (mean, std))
    return image.clone().sub_(middle).div_(spread)


def loader(
    images: PilImages, batch_size: int, *, sampler: Sampler[int] | None = None
) -> DataLoader[tuple[Tensor, int]]:
    """Batches in a random order, or in that of the sampler; the remainder of an epoch is dropped."""
    return DataLoader(images, batch_size, shuffle=sampler is None, sampler=sampler, num_workers=WORKERS, drop_last=True)


def steps(
    student: nn.Module,
    teacher: nn.Module,
    epochs: Iterable[DataLoader[tuple[Tensor, int]]],
    *,
    temperature: float,
    learning_rate: float,
    weight_decay: float,
) -> Generator[float, None, None]:
    """One training step after another; yields the loss of each."""
    optimiser = torch.optim.SGD(
        student.parameters(), lr=learning_rate, momentum=0.9, nesterov=True, weight_decay=weight_decay
    )
    student.train()
    teacher.eval()
    for batches in epochs:
        for images, _ in batches:
            with torch.no_grad():
                told = teacher(images)
            loss = soft_cross_entropy(student(images), told, temperature)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            yield loss.item()


def soft_cross_entropy(scores: Tensor, told: Tensor, temperature: float) -> Tensor:
    """Against the teacher's softened probabilities; KL divergence but for their entropy, which has no gradient."""
    targets = torch.softmax(told / temperature, dim=1)
    return -(targets * torch.log_softmax(scores, dim=1)).sum(dim=1).mean()
