"""Images in memory: items, batches and fingerprints."""

import pytest
import torch

from evendistill.data.examples import as_examples, in_order
from evendistill.data.images import ImageDataset
from evendistill.data.view import View

IMAGES = torch.randint(256, (10, 3, 7, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(10) % 3
AUGMENTED = View(mean=(0.5,), std=(0.25,), pad=2, flip=True)


def test_an_item_is_a_float32_image_between_zero_and_one_and_its_label():
    dataset = ImageDataset(IMAGES, LABELS)
    assert len(dataset) == 10
    for row in range(10):
        x, y = dataset[row]
        assert x.dtype == torch.float32
        torch.testing.assert_close(x, IMAGES[row].float() / 255)
        assert type(y) is int
        assert y == LABELS[row]
    assert torch.equal(dataset[-1][0], dataset[9][0])
    assert dataset[-1][1] == dataset[9][1]
    for row in (10, -11):
        with pytest.raises(IndexError):  # so that a loop over the items ends
            dataset[row]


def test_batches_are_in_the_order_of_their_rows_and_not_augmented_unless_drawn():
    dataset = ImageDataset(IMAGES, LABELS, AUGMENTED)
    rows = [torch.tensor([3, 1, 1]), torch.tensor([9])]
    whole = (IMAGES.float() / 255 - 0.5) / 0.25
    for batch, inputs in zip(rows, dataset.batches(rows), strict=True):
        torch.testing.assert_close(inputs, whole[batch])
    torch.testing.assert_close(torch.cat(list(in_order(dataset, 4))), whole)
    draws = [torch.tensor([[0, 0, 0], [2, 2, 1], [4, 3, 0]]), torch.tensor([[2, 2, 0]])]
    drawn = list(dataset.batches(rows, draws))
    black = torch.full((3, 2, 5), -2.0)
    torch.testing.assert_close(drawn[0][0][:, :2], black)  # two rows above the image
    torch.testing.assert_close(drawn[0][0][:, 2:, 2:], whole[3][:, :5, :3])
    torch.testing.assert_close(drawn[0][1], whole[1].flip(2))
    torch.testing.assert_close(drawn[0][2][:, :5, :4], whole[1][:, 2:, 1:])
    torch.testing.assert_close(drawn[1][0], whole[9])


def test_what_is_drawn_fits_the_images():
    draws = ImageDataset(IMAGES, LABELS, View(crop=4)).draws(500, torch.Generator().manual_seed(0))
    assert draws.shape == (500, 3)
    assert draws.amax(dim=0).tolist() == [3, 1, 0]
    assert draws.amin(dim=0).tolist() == [0, 0, 0]


def test_the_border_is_made_once_and_images_without_one_are_not_copied():
    dataset = ImageDataset(IMAGES, LABELS, AUGMENTED)
    assert dataset.padded is dataset.padded
    stored = IMAGES.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)  # as decoding leaves them
    plain = ImageDataset(stored, LABELS)
    list(plain.batches([torch.arange(3)]))
    assert plain.padded.data_ptr() == stored.data_ptr()


def test_a_subset_and_another_view_keep_the_rest():
    dataset = ImageDataset(IMAGES, LABELS, AUGMENTED)
    part = dataset.subset(torch.tensor([7, 2]))
    assert torch.equal(part.images, IMAGES[[7, 2]])
    assert torch.equal(part.labels, LABELS[[7, 2]])
    assert part.view == AUGMENTED
    seen = dataset.viewed(View(resize=2))
    assert seen[0][0].shape == (3, 2, 2)
    assert torch.equal(seen.labels, LABELS)
    assert dataset[0][0].shape == (3, 7, 5)


def test_another_device_takes_the_images_and_leaves_the_labels():
    dataset = ImageDataset(IMAGES, LABELS, AUGMENTED)
    assert dataset.to(torch.device("cpu")) is dataset
    moved = dataset.to(torch.device("meta"))
    assert moved.images.device.type == "meta"
    assert moved.to(torch.device("meta")) is moved
    assert torch.equal(moved.labels, LABELS)
    assert moved.view == AUGMENTED


def test_images_are_examples_as_they_are():
    dataset = ImageDataset(IMAGES, LABELS)
    assert as_examples(dataset) is dataset


def pixels_changed():
    images = IMAGES.clone()
    images[3, 2, 6, 4] ^= 1
    return images


@pytest.mark.parametrize(
    "other",
    [
        ImageDataset(pixels_changed(), LABELS),
        ImageDataset(IMAGES.reshape(10, 3, 5, 7), LABELS),
        ImageDataset(IMAGES.flip(0), LABELS),
        ImageDataset(IMAGES, LABELS.flip(0)),
        ImageDataset(IMAGES[:9], LABELS[:9]),
        ImageDataset(IMAGES, LABELS, View(mean=(0.5,))),
        ImageDataset(IMAGES, LABELS, View(std=(0.5,))),
        ImageDataset(IMAGES, LABELS, View(crop=4)),
        ImageDataset(IMAGES, LABELS, View(resize=4)),
    ],
)
def test_the_fingerprint_changes_with_pixels_labels_and_what_a_network_sees(other):
    assert other.fingerprint() != ImageDataset(IMAGES, LABELS).fingerprint()


def test_the_fingerprint_knows_nothing_of_augmentation_or_of_where_and_how_images_are_read():
    told = ImageDataset(IMAGES, LABELS, View(mean=(0.5,))).fingerprint()
    stored = IMAGES.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    for other in (
        ImageDataset(IMAGES, LABELS, View(mean=(0.5,), pad=4, flip=True)),
        ImageDataset(stored, LABELS.int(), View(mean=(0.5,))),
        ImageDataset(IMAGES, LABELS).viewed(View(mean=(0.5,))),
    ):
        assert other.fingerprint() == told
        list(in_order(other, 3))
        assert other.fingerprint() == told
    cropped = [ImageDataset(IMAGES, LABELS, View(crop=4, flip=flip)).fingerprint() for flip in (False, True)]
    assert cropped[0] == cropped[1]


@pytest.mark.parametrize(
    ("images", "labels", "view", "message"),
    [
        (IMAGES.float(), LABELS, None, r"images must be uint8 of shape \(N, C, H, W\), got torch.float32 \(10, 3, 7"),
        (IMAGES[0], LABELS, None, r"got torch.uint8 \(3, 7, 5\)"),
        (IMAGES, LABELS[:9], None, "one length, got 10 and 9"),
        (IMAGES, LABELS.float(), None, "labels must be integers"),
        (IMAGES[:0], LABELS[:0], None, "at least one example"),
        (IMAGES[:, :1], LABELS, View(mean=(1, 1, 1)), "mean has 3 numbers, the images have 1 channels"),
        (IMAGES, LABELS, View(crop=6), "crop 6 is larger than images of 7 x 5"),
    ],
)
def test_what_does_not_fit_together_is_refused_at_once(images, labels, view, message):
    with pytest.raises(ValueError, match=message):
        ImageDataset(images, labels, view)
