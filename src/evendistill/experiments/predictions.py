"""The class that a finished run gave each test example, read from its folder."""

from pathlib import Path

import torch
from torch import Tensor

from evendistill.experiments.results import as_written, is_finished
from evendistill.experiments.spec import RunSpec
from evendistill.storage.files import read_json
from evendistill.storage.tensors import tensors_in

PREDICTIONS = "test-predictions.safetensors"
WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def keeps_predictions(spec: RunSpec, runs: Path) -> bool:
    """Whether a finished run kept the class that it gave each test example; earlier versions did not."""
    told = read_json(runs / spec.folder_name / "DONE")
    return isinstance(told, dict) and PREDICTIONS in told


def read_predictions(spec: RunSpec, runs: Path) -> tuple[Tensor, Tensor]:
    """The class that a finished run gave each test example, and the true one, ``(N,)`` each.

    Raises:
        ValueError: if the run is not finished, kept no predictions, or its file is damaged.
    """
    if is_finished(spec, runs) and not keeps_predictions(spec, runs):
        folder = runs / spec.folder_name
        raise ValueError(f"{folder} is of an earlier version that kept no predictions; delete it and run again")
    payload = as_written(spec, runs, PREDICTIONS)
    try:
        told = tensors_in(payload)
        return _as_classes(told.get("predictions")), _as_classes(told.get("labels"))
    except ValueError as error:
        raise ValueError(f"{runs / spec.folder_name / PREDICTIONS} says nothing of results: {error}") from None


def _as_classes(values: Tensor | None) -> Tensor:
    """Numbers of classes ``(N,)``.

    Raises:
        ValueError: if they are none.
    """
    if values is None or values.dtype not in WHOLE or values.ndim != 1 or not len(values) or int(values.min()) < 0:
        raise ValueError("there are no numbers of classes, one for each example")
    return values.long()
