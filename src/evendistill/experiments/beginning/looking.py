"""A look at a data set, wherever it is kept, as a run would load it."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from evendistill.data.datasets import DIGITS_SHARES, ONE_SPLIT_SHARES, Data, Loaded, load_data
from evendistill.data.examples import ArrayDataset
from evendistill.data.images import ImageDataset
from evendistill.data.made_up import is_made_up
from evendistill.data.sources import Split, read_source
from evendistill.data.streamed import StreamedImages
from evendistill.experiments.beginning.found import Found, Inputs, Part
from evendistill.experiments.beginning.pixels import common_size, statistics
from evendistill.experiments.processes import cores

MOST_WORKERS = 8


def look(
    source: str,
    *,
    image_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    imbalance: float | None = None,
    image_size: int | None = None,
) -> Found:
    """Load a data set as a run would, and say what it holds.

    Args:
        source: whatever :func:`evendistill.data.datasets.load_data` takes.
        image_column: see there.
        label_column: see there.
        group_column: see there.
        imbalance: see there.
        image_size: see there; if None, images of several sizes, and large ones, are brought to a usual one.

    Raises:
        ValueError: if it cannot be loaded, or nothing could be trained on it.
    """
    columns = {"image_column": image_column, "label_column": label_column, "group_column": group_column}
    size, origins = _before(source, columns)
    told = {"source": _lasting(source), "imbalance": imbalance, **columns, "image_size": image_size or size}
    told = {name: value for name, value in told.items() if value is not None}
    data = load_data(**told)
    data.check_shapes()
    parts = {
        name: _part(origin, examples, data)
        for (name, examples), origin in zip(_examples(data).items(), origins, strict=True)
    }
    _check(source, data, parts["train"])
    held = "stream" if isinstance(data.train, StreamedImages) else "memory"
    more = {"workers": min(MOST_WORKERS, cores())} if held == "stream" else {}
    return Found(told | more, data.class_names, data.group_names, parts, _inputs(data), held, _bytes(data))


def _splits(source: str, columns: dict[str, str | None]) -> dict[str, Split]:
    """The splits of a source as its files have them; none of what is made here."""
    if source == "digits" or is_made_up(source):
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # loading will say it again
        return read_source(source, **columns)


def _before(source: str, columns: dict[str, str | None]) -> tuple[int | None, tuple[str, str, str]]:
    """The side that images should be brought to, and how the splits will be made; nothing is held any longer."""
    splits = _splits(source, columns)
    encoded = [split.inputs for split in splits.values() if not isinstance(split.inputs, Tensor)]
    return common_size(encoded) if encoded else None, _origins(source, list(splits))


def _lasting(source: str) -> str:
    """The source as it can be found from any folder."""
    if source == "digits" or is_made_up(source) or not Path(source).expanduser().exists():
        return source
    path = Path(source).expanduser()
    plain = os.path.abspath(path)  # without dots, unless a link makes them mean another place
    lasting = plain if os.path.exists(plain) and os.path.samefile(plain, path) else str(path.resolve())
    if any(0xD800 <= ord(letter) < 0xE000 for letter in lasting):
        raise ValueError(f"{lasting}: a path in a recipe must be valid Unicode; rename it, or link to it")
    return lasting


def _origins(source: str, splits: Sequence[str]) -> tuple[str, str, str]:
    """How train, validation and test are made, as :func:`load_data` makes them."""
    if source == "digits" or len(splits) == 1:
        shares = DIGITS_SHARES if source == "digits" else ONE_SPLIT_SHARES
        train, validation, test = (f"{share:.0%}".removesuffix("%") for share in shares)
        cut = "of the only split, drawn class by class with split_seed 0"
        return f"{train} % {cut}", f"{validation} % {cut}", f"{test} % {cut}"
    own = "the source's own split {!r}"
    if "validation" in splits and "test" in splits:
        return own.format("train"), own.format("validation"), own.format("test")
    judged = "validation" if "validation" in splits else "test"
    half = f"random half of the source's split {judged!r}, drawn with split_seed 0"
    return own.format("train"), f"one {half}", f"the other {half}"


def _examples(data: Data) -> dict[str, Loaded]:
    return {"train": data.train, "validation": data.validation, "test": data.test}


def _part(origin: str, examples: Loaded, data: Data) -> Part:
    counts = examples.labels.bincount(minlength=data.num_classes)
    cells: list[int] = []
    if examples.groups is not None:
        numbers = examples.groups * data.num_classes + examples.labels
        cells = numbers.bincount(minlength=data.num_classes * len(data.group_names)).tolist()
    return Part(origin, tuple(counts.tolist()), tuple(cells))


def _inputs(data: Data) -> Inputs:
    train = data.train
    if isinstance(train, ArrayDataset):
        scale = float(train.inputs.double().square().mean().sqrt())
        return Inputs("arrays", tuple(train.inputs.shape[1:]), scale=scale)
    height, width, channels = _size(train)
    mean, std, has_colours = statistics(train)
    return Inputs("images", (channels, height, width), mean, std, has_colours)


def _size(images: ImageDataset | StreamedImages) -> tuple[int, ...]:
    if isinstance(images, ImageDataset):
        return (*images.images.shape[2:], images.images.shape[1])
    return tuple(images.reader.read(0).shape)


def _bytes(data: Data) -> int:
    total = 0
    for examples in _examples(data).values():
        if isinstance(examples, ArrayDataset):
            total += examples.inputs.numel() * examples.inputs.element_size()
        else:
            height, width, channels = _size(examples)
            total += len(examples) * height * width * channels
    return total


def _check(source: str, data: Data, train: Part) -> None:
    """Refuse what no run could be trained on."""
    if data.num_classes < 2:
        raise ValueError(f"{source}: there is one class, {data.class_names[0]!r}; it takes two to tell apart")
    if absent := [name for name, count in zip(data.class_names, train.counts, strict=True) if not count]:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise ValueError(f"{source}: class {absent[0]!r}{more} has no training example; add some, or drop the class")
    for name, examples in _examples(data).items():
        if isinstance(examples, ArrayDataset) and examples.inputs.dtype != torch.float32:
            kind, shape = examples.inputs.dtype, tuple(examples.inputs.shape[1:])
            raise ValueError(
                f"{source}: inputs of {name} are {kind} of shape {shape}, no images of bytes; "
                "networks take float32, scaled to about one"
            )
