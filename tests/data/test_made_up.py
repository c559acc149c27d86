"""Made-up images are always the same, of the form asked for, and easy to tell apart."""

import pytest
import torch

from evendistill.data.datasets import load_data
from evendistill.data.made_up import is_made_up, made_up_images


@pytest.mark.parametrize(("classes", "channels", "side"), [(2, 1, 8), (10, 3, 32), (12, 1, 15)])
def test_they_have_the_form_asked_for_and_are_always_the_same(classes, channels, side):
    source = f"made-up:{classes}x{channels}x{side}"
    before = torch.get_rng_state()
    train, labels, test, test_labels = made_up_images(source)
    assert train.dtype == test.dtype == torch.uint8
    assert train.shape == (24 * classes, channels, side, side)
    assert test.shape == (12 * classes, channels, side, side)
    assert labels.bincount().tolist() == [24] * classes
    assert test_labels.bincount().tolist() == [12] * classes
    assert all(torch.equal(*pair) for pair in zip((train, test), made_up_images(source)[::2], strict=True))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_nearest_class_mean_of_the_training_images_names_every_test_image():
    train, labels, test, test_labels = (part.float() for part in made_up_images("made-up:10x3x32"))
    means = torch.stack([train[labels == label].mean(dim=0) for label in range(10)])
    assert torch.equal(torch.cdist(test.flatten(1), means.flatten(1)).argmin(dim=1).float(), test_labels)
    assert not torch.equal(train[:10], test[:10])


def test_they_load_like_any_other_source_with_a_tail_if_asked():
    data = load_data("made-up:4x1x9", imbalance=8)
    assert data.train.labels.bincount().tolist() == [24, 12, 6, 3]
    assert (len(data.validation), len(data.test)) == (24, 24)
    assert data.class_names == ("0", "1", "2", "3")
    assert data.train.fingerprint() == load_data("made-up:4x1x9", imbalance=8).train.fingerprint()


@pytest.mark.parametrize(
    "source", ["made-up", "made-up:10x3", "made-up:10x3x32x2", "made-up: 10x3x32", "made-up:-1x3x32"]
)
def test_another_form_is_refused(source):
    assert is_made_up(source)
    with pytest.raises(
        ValueError, match=r"made-up images are 'made-up:CLASSESxCHANNELSxSIDE', such as .*, got 'made-up"
    ):
        load_data(source)


@pytest.mark.parametrize("source", ["made-up:1x3x32", "made-up:10x2x32", "made-up:10x3x7"])
def test_numbers_out_of_range_are_refused(source):
    with pytest.raises(ValueError, match="2 classes, 1 or 3 channels and a side of 8 at least, got 'made-up:1"):
        made_up_images(source)
