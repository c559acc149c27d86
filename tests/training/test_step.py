"""A recorded step is the eager step; needs a GPU."""

import pytest
import torch

import evendistill as ed
from evendistill.data.images import ImageDataset
from evendistill.data.view import View

pytestmark = pytest.mark.filterwarnings("ignore:the validation examples are the training examples")

IMAGES = torch.randint(0, 256, (64, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(64) % 4


def trained(**told):
    torch.manual_seed(0)
    data = ImageDataset(IMAGES, LABELS, View(mean=(0.5,), pad=2, flip=True))
    recipe = ed.Recipe(epochs=6, batch_size=16, update_every=3, learning_rate=0.01, **told)
    network = ed.models.resnet8(4)
    return ed.train(network, data, data, objective=ed.Robust(), recipe=recipe, num_classes=4, progress=False)


def test_without_a_gpu_capture_says_nothing():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert [record["loss"] for record in trained(capture=True).history] == [
        record["loss"] for record in trained().history
    ]


@pytest.mark.gpu
def test_a_recorded_step_descends_like_an_eager_one():
    eager, recorded = trained(), trained(capture=True)
    for one, other in zip(eager.history, recorded.history, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)
        assert one["learning_rate"] == pytest.approx(other["learning_rate"])
    assert eager.multipliers == pytest.approx(recorded.multipliers, abs=0.05)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")  # torch warns of itself while importing
def test_a_compiled_network_descends_like_a_plain_one():
    for one, other in zip(trained().history, trained(compile=True, capture=True).history, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-2)
