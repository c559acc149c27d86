"""Views cut, mirror, normalise and resize as one image after the other would be, and draw every window alike."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.stats import chisquare

from evendistill.data.view import View

SIZES = [(8, 8), (7, 5), (5, 9)]
VIEWS = {
    "plain": View(),
    "normalised": View(mean=(0.5, 0.4, 0.3), std=(0.25, 0.5, 0.2)),
    "one number for all channels": View(mean=(0.5,), std=(0.3,)),
    "padded": View(pad=2, flip=True),
    "cropped": View(crop=4, flip=True),
    "padded and cropped": View(pad=3, crop=5, flip=True, std=(0.5,)),
    "larger than the image": View(pad=4, crop=11, flip=True),
    "flipped": View(flip=True, mean=(0.1,)),
    "shrunk": View(resize=3, std=(0.5,)),
    "enlarged": View(pad=1, resize=12, flip=True),
    "one side shrunk, the other enlarged": View(resize=6),
    "all": View(mean=(0.5, 0.4, 0.3), std=(0.25, 0.5, 0.2), pad=4, crop=9, flip=True, resize=7),
}


def stored(count, height, width, channels):
    generator = torch.Generator().manual_seed(height * width * channels)
    return torch.randint(256, (count, height, width, channels), dtype=torch.uint8, generator=generator)


def one_by_one(image, view, top, left, flip):
    """One image ``(H, W, C)`` with loops, slices and Pillow: ``(C, h, w)`` float64."""
    height, width, channels = image.shape
    window_height, window_width = (view.crop, view.crop) if view.crop else (height, width)
    planes = []
    for channel in range(channels):
        plane = F.pad(image[:, :, channel].double() / 255, [view.pad] * 4)
        plane = plane[top : top + window_height, left : left + window_width]
        if flip:
            plane = torch.stack([plane[:, column] for column in reversed(range(window_width))], dim=1)
        mean, std = (numbers[channel if len(numbers) > 1 else 0] for numbers in (view.mean, view.std))
        plane = (plane - mean) / std
        if view.resize:
            # of Pillow's filters the bilinear one takes the mean over the pixels that fall together
            small = Image.fromarray(plane.numpy().astype(np.float32)).resize(
                (view.resize,) * 2, Image.Resampling.BILINEAR
            )
            plane = torch.from_numpy(np.array(small)).double()
        planes.append(plane)
    return torch.stack(planes)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("name", VIEWS)
def test_a_batch_is_what_each_image_gives_by_itself(name, height, width, channels):
    view = VIEWS[name]
    if channels == 1:
        view = View(**{**vars(view), "mean": view.mean[:1], "std": view.std[:1]})
    images, rows = stored(6, height, width, channels), torch.tensor([4, 0, 5, 5, 2, 1, 1, 1])
    generator = torch.Generator().manual_seed(3)
    for draws in (view.draws(len(rows), height, width, generator), view.middle(len(rows), height, width)):
        found = view.cut(view.padded(images), rows, draws)
        expected = [one_by_one(images[row], view, *draw) for row, draw in zip(rows, draws.tolist(), strict=True)]
        assert found.dtype == torch.float32
        assert found.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(found.double(), torch.stack(expected), rtol=0, atol=3e-6)


def test_a_pixel_of_255_is_one_and_of_0_is_zero_unless_normalised():
    images = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 2, 1)
    view = View()
    assert view.cut(images, torch.tensor([0]), view.middle(1, 1, 2)).flatten().tolist() == [0, 1]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_middle_of_a_padded_image_is_the_image(height, width):
    images, rows = stored(4, height, width, 3), torch.arange(4)
    plain, padded = View(), View(pad=4, flip=True)
    found = padded.cut(padded.padded(images), rows, padded.middle(4, height, width))
    assert torch.equal(found, plain.cut(images, rows, plain.middle(4, height, width)))


def test_the_middle_window_leaves_as_much_on_each_side():
    image = torch.zeros(1, 6, 8, 1, dtype=torch.uint8)
    image[:, 2:4, 3:5] = 255
    view = View(crop=4)
    found = view.cut(image, torch.tensor([0]), view.middle(1, 6, 8))
    assert torch.equal(found[0, 0], F.pad(torch.ones(2, 2), (1, 1, 1, 1)))
    view = View(crop=12, pad=3)
    found = view.cut(view.padded(image), torch.tensor([0]), view.middle(1, 6, 8))
    assert torch.equal(found[0, 0], F.pad(torch.ones(2, 2), (5, 5, 5, 5)))


@pytest.mark.parametrize(
    ("view", "tops", "lefts"),
    [(View(pad=2, flip=True), 5, 5), (View(pad=1, crop=4, flip=True), 4, 6), (View(crop=3, flip=True), 3, 5)],
)
def test_every_window_is_drawn_equally_often_mirrored_or_not(view, tops, lefts):
    draws = view.draws(100 * tops * lefts * 2, 5, 7, torch.Generator().manual_seed(0))
    top, left, flip = draws.unbind(1)
    cells = ((top * lefts + left) * 2 + flip).bincount(minlength=2 * tops * lefts)
    assert len(cells) == 2 * tops * lefts
    assert chisquare(cells.numpy()).pvalue > 0.01


def test_without_flip_nothing_is_mirrored_and_the_windows_are_the_same():
    plain, mirrored = (
        View(pad=2, flip=flip).draws(200, 5, 7, torch.Generator().manual_seed(1)) for flip in (False, True)
    )
    assert torch.equal(plain[:, :2], mirrored[:, :2])
    assert plain[:, 2].unique().tolist() == [0]
    assert mirrored[:, 2].unique().tolist() == [0, 1]


def test_draws_depend_on_their_generator_alone():
    view = View(pad=2, flip=True)
    before = torch.get_rng_state()
    first, second, third = (view.draws(50, 8, 8, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"mean": (0.5, 0.5)}, r"mean must be one number or one for each of three channels, got \(0.5, 0.5\)"),
        ({"mean": ()}, "mean must be one number"),
        ({"std": (1, 1, 1, 1)}, "std must be one number"),
        ({"mean": (float("nan"),)}, "mean must be one number"),
        ({"std": (0.5, 0.0, 1)}, r"std must be positive, got \(0.5, 0.0, 1.0\)"),
        ({"pad": -1}, "pad must be at least 0, got -1"),
        ({"crop": 0}, "crop must be at least 1, got 0"),
        ({"resize": 0}, "resize must be at least 1, got 0"),
    ],
)
def test_a_view_out_of_range_names_field_and_value(told, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        View(**told)


def test_a_window_larger_than_the_image_is_refused():
    assert View(pad=2, crop=9).window(5, 30) == (9, 9)
    with pytest.raises(ValueError, match="crop 9 is larger than images of 5 x 30 with pad 1"):
        View(pad=1, crop=9).window(5, 30)
    with pytest.raises(ValueError, match="crop 9 is larger than images of 30 x 8 with pad 0"):
        View(crop=9).window(30, 8)


def test_numbers_for_three_channels_are_refused_where_there_is_one():
    View(mean=(0.5, 0.5, 0.5)).check_channels(3)
    View(mean=(0.5,)).check_channels(1)
    with pytest.raises(ValueError, match="std has 3 numbers, the images have 1 channels"):
        View(std=(0.5, 0.5, 0.5)).check_channels(1)
