"""A network with its view built in sees what the network of the run sees."""

import pytest
import torch
from torch import nn

from evendistill.data.images import ImageDataset
from evendistill.data.view import View
from evendistill.experiments.export.served import Served

VIEWS = [
    View(),
    View(mean=(0.3,), std=(0.2,)),
    View(mean=(0.1, 0.5, 0.9), std=(0.2, 0.3, 0.4), pad=2, flip=True),
    View(mean=(0.5,), pad=3, crop=12),
    View(pad=1, crop=7),
    View(std=(0.5,), resize=5),
    View(mean=(0.4,), resize=17),
    View(mean=(0.4, 0.5, 0.6), std=(0.2,), pad=2, crop=11, flip=True, resize=8),
]


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_it_sees_what_the_view_shows_of_images_that_are_not_augmented(view):
    images = torch.randint(0, 256, (6, 3, 9, 10), dtype=torch.uint8)
    stored, labels = ImageDataset(images, torch.zeros(6, dtype=torch.long)), [torch.arange(6)]
    expected = next(stored.viewed(view).batches(labels))
    served = Served(nn.Identity(), view, (3, 9, 10))
    torch.testing.assert_close(served(next(stored.batches(labels))), expected, rtol=0, atol=1e-5)


def test_without_a_view_inputs_go_in_as_they_are():
    inputs = torch.randn(4, 3)
    assert torch.equal(Served(nn.Identity(), None, (3,))(inputs), inputs)


def test_a_view_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="mean has 3 numbers, the images have 1 channels"):
        Served(nn.Identity(), View(mean=(0.1, 0.2, 0.3)), (1, 8, 8))
