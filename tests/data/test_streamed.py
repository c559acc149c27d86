"""Streamed images are the images in memory, bit for bit, and draw nothing from anyone's generators."""

import random

import numpy as np
import pytest
import torch
from PIL import Image

import evendistill as ed
from evendistill.data import streamed
from evendistill.data.datasets import Hold, load_data
from evendistill.data.decoding import decode_all
from evendistill.data.imagefolder import FileImages
from evendistill.data.images import ImageDataset
from evendistill.data.streamed import EncodedImages, StreamedImages
from evendistill.data.view import View
from evendistill.models import convnet

VIEW = View(mean=(0.5,), std=(0.25,), pad=2, flip=True, resize=8)
LABELS = torch.arange(9) % 2


def write(folder, count, *, size=(10, 9), mode="RGB", seed=0):
    """Images of noise ``<folder>/<number>.png``, and a loader of them."""
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number:03}.png" for number in range(count)]
    for name in names:
        pixels = generator.integers(256, size=(*size, 3) if mode == "RGB" else size, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return FileImages(folder, names)


def write_set(root, **told):
    """A data set of two splits and three classes."""
    for seed, (split, count) in enumerate({"train": 8, "test": 6}.items()):
        for label in range(3):
            write(root / split / f"class-{label}", count, seed=10 * seed + label, **told)
    return str(root)


def global_draws():
    numbers = np.random.get_state(legacy=False)  # noqa: NPY002
    return str((random.getstate(), [*numbers.items()], torch.get_rng_state().tolist()))


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("view", [View(), VIEW, View(crop=5, flip=True)])
@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_batches_are_those_of_memory_bit_for_bit(tmp_path, mode, view, workers):
    encoded = write(tmp_path, 9, mode=mode)
    held = ImageDataset(decode_all(encoded), LABELS, view)
    stream = StreamedImages(EncodedImages(encoded), LABELS, view, workers=workers)
    assert repr(stream) == repr(held).replace("ImageDataset", "StreamedImages")
    rows = [torch.tensor([4, 0, 8]), torch.tensor([4, 4, 1]), torch.tensor([7])]
    for one, other in zip(held.batches(rows), stream.batches(rows), strict=True):
        assert torch.equal(one, other)
        assert other.is_contiguous(memory_format=torch.channels_last)
    draws = held.draws(7, torch.Generator().manual_seed(1)).split(3)
    assert torch.equal(torch.cat(draws), stream.draws(7, torch.Generator().manual_seed(1)))
    for one, other in zip(held.batches(rows, draws), stream.batches(rows, draws), strict=True):
        assert torch.equal(one, other)


def test_a_streamed_item_is_one_of_memory_and_takes_no_process(tmp_path, monkeypatch):
    encoded = write(tmp_path, 9)
    held = ImageDataset(decode_all(encoded), LABELS, VIEW)
    stream = StreamedImages(EncodedImages(encoded), LABELS, VIEW, workers=2)
    monkeypatch.setattr(streamed, "DataLoader", None)
    for row in range(9):
        assert torch.equal(stream[row][0], held[row][0])
        assert (type(stream[row][1]), stream[row][1]) == (int, LABELS[row])
    assert torch.equal(stream[-2][0], held[7][0])
    for row in (9, -10):
        with pytest.raises(IndexError):  # so that a loop over the items ends
            stream[row]


@pytest.mark.parametrize("workers", [0, 2])
def test_streaming_draws_nothing_from_global_generators(tmp_path, workers):
    stream = StreamedImages(EncodedImages(write(tmp_path, 9)), LABELS, VIEW, workers=workers)
    before = global_draws()
    draws = stream.draws(4, torch.Generator().manual_seed(1))
    for _ in range(2):
        list(stream.batches([torch.arange(4)], [draws]))
    assert global_draws() == before


@pytest.mark.parametrize("workers", [0, 2])
def test_memory_and_stream_train_to_the_same_weights(tmp_path, workers):
    """Augmented, with a validation set that is read before the first step and every third."""
    source, results = write_set(tmp_path, size=(8, 8)), []
    recipe = ed.Recipe(epochs=2, batch_size=8, update_every=4, warmup_epochs=0)
    kinds: dict[Hold, type] = {"memory": ImageDataset, "stream": StreamedImages}
    for hold, kind in kinds.items():
        data = load_data(source, hold=hold, workers=workers).viewed(View(mean=(0.5,), std=(0.25,), pad=1, flip=True))
        assert isinstance(data.train, kind)
        torch.manual_seed(5)
        model = convnet(3, 3, width=2)
        results.append(
            ed.train(model, data.train, data.validation, objective=ed.Robust(), recipe=recipe, progress=False)
        )
    held, stream = (result.model.state_dict() for result in results)
    assert all(torch.equal(held[name], tensor) for name, tensor in stream.items())
    assert torch.equal(results[0].multipliers, results[1].multipliers)
    assert not torch.equal(results[0].multipliers, torch.full((3,), 1 / 3))


@pytest.mark.parametrize("hold", ["memory", "stream"])
def test_image_size_resizes_each_image_as_it_is_read(tmp_path, hold):
    write(tmp_path / "train" / "a", 3, size=(12, 6))
    write(tmp_path / "train" / "b", 3, size=(9, 30))
    write(tmp_path / "test" / "a", 2, size=(5, 5))
    with pytest.raises(ValueError, match=r"b/000.png: .*image_size"):
        list(load_data(str(tmp_path), hold=hold).train.batches([torch.arange(6)]))
    data = load_data(str(tmp_path), image_size=6, hold=hold)
    (inputs,) = data.train.batches([torch.arange(6)])
    assert inputs.shape == (6, 3, 6, 6)
    # the shorter side is six already, so the middle of the first is as it was
    middle = np.asarray(Image.open(tmp_path / "train" / "a" / "000.png"))[3:9].astype(np.float32) / 255
    torch.testing.assert_close(inputs[0], torch.from_numpy(middle).permute(2, 0, 1))


def test_auto_streams_what_would_not_fit(tmp_path, monkeypatch):
    source = write_set(tmp_path)  # 24 images to train, 9 to validate, of 10 x 9 pixels of three bytes
    monkeypatch.setattr("evendistill.data.datasets.MOST_HELD_BYTES", 24 * 10 * 9 * 3 - 1)
    data = load_data(source)
    assert isinstance(data.train, StreamedImages)
    assert isinstance(data.validation, ImageDataset)
    monkeypatch.setattr("evendistill.data.datasets.MOST_HELD_BYTES", 24 * 10 * 9 * 3)
    assert isinstance(load_data(source).train, ImageDataset)
    with pytest.raises(ValueError, match="hold must be 'auto', 'memory' or 'stream', got 'disk'"):
        load_data(source, hold="disk")  # type: ignore[arg-type]


def test_an_image_of_another_size_is_named(tmp_path):
    write(tmp_path / "all", 3)
    write(tmp_path / "odd", 1, size=(10, 8))
    encoded = FileImages(tmp_path, ["all/000.png", "odd/000.png"])
    stream = StreamedImages(EncodedImages(encoded), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"odd/000.png: 10 x 8 pixels, the first has 10 x 9; image_size resizes"):
        list(stream.batches([torch.arange(2)]))


@pytest.mark.parametrize("hold", ["memory", "stream"])
@pytest.mark.parametrize("grey", ["train", "test"])
def test_a_chance_grey_image_at_the_head_of_a_part_does_not_make_it_grey(tmp_path, hold, grey):
    source = write_set(tmp_path, size=(8, 8))
    for path in sorted((tmp_path / grey).rglob("*.png"))[:6]:
        Image.open(path).convert("L").save(path)
    data = load_data(source, hold=hold)
    shapes = {next(part.batches([torch.arange(2)])).shape for part in (data.train, data.validation, data.test)}
    assert shapes == {(2, 3, 8, 8)}


def test_the_fingerprint_is_stable_and_decodes_nothing(tmp_path, monkeypatch):
    source = write_set(tmp_path)
    told = load_data(source, hold="stream").fingerprint
    data = load_data(source, hold="stream", workers=2)
    plain = data.train.fingerprint()
    monkeypatch.setattr(EncodedImages, "read", None)
    assert data.fingerprint == told
    monkeypatch.undo()
    assert data.viewed(View(pad=4, flip=True)).train.fingerprint() == plain
    assert data.to(torch.device("cpu")).train.fingerprint() == plain
    next(data.train.batches([torch.arange(2)]))
    assert data.train.fingerprint() == plain


def test_the_fingerprint_changes_with_files_labels_size_and_view(tmp_path):
    encoded = write(tmp_path, 9)
    images = EncodedImages(encoded)
    told = [
        StreamedImages(images, LABELS),
        StreamedImages(images, LABELS.flip(0) + 1),
        StreamedImages(images, LABELS, View(mean=(0.5,))),
        StreamedImages(images, LABELS, View(resize=4)),
        StreamedImages(images, LABELS, View(crop=4)),
        StreamedImages(EncodedImages(encoded, size=9), LABELS),
        StreamedImages(EncodedImages(encoded.subset(torch.arange(9).flip(0))), LABELS),
        StreamedImages(EncodedImages(encoded.subset(torch.arange(8))), LABELS[:8]),
    ]
    assert len({stream.fingerprint() for stream in told}) == len(told)


def test_what_does_not_fit_together_is_refused_at_once(tmp_path):
    images = EncodedImages(write(tmp_path, 9, mode="L"))
    for labels, view, message in (
        (LABELS[:8], None, "one length, got 9 and 8"),
        (LABELS, View(std=(1, 1, 1)), "std has 3 numbers, the images have 1 channels"),
        (LABELS, View(crop=11), "crop 11 is larger than images of 10 x 9"),
    ):
        with pytest.raises(ValueError, match=message):
            StreamedImages(images, labels, view)
