"""From a finished run to a folder that others can use, checked before it is there."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from evendistill.data.images import ImageDataset
from evendistill.data.streamed import StreamedImages
from evendistill.data.view import View
from evendistill.experiments.export.agreement import (
    Agreement,
    DisagreementError,
    in_batches,
    inputs_at,
    some_rows,
    torch_scores,
)
from evendistill.experiments.export.card import card
from evendistill.experiments.export.finished import Finished, read_finished
from evendistill.experiments.export.folding import folded
from evendistill.experiments.export.load import WEIGHTS
from evendistill.experiments.export.onnxfile import INPUTS, SCORES, check_packages, onnx_bytes
from evendistill.experiments.export.origin import recipe_without_paths, without_paths
from evendistill.experiments.export.place import check_place
from evendistill.experiments.export.served import Served
from evendistill.experiments.export.structure import OTHERS, structure
from evendistill.experiments.export.writing import CARD, ONNX, Asked, Exported, write_exported
from evendistill.experiments.networks import fresh_network
from evendistill.experiments.recorded import contradiction
from evendistill.storage.tensors import tensor_bytes


def export_run(folder: Path, to: Path, *, source: str | None = None, license_name: str = "other") -> Exported:
    """Write weights, ONNX, configuration and card of a finished run; all of them or none.

    Args:
        folder: of the run.
        to: folder to write; an earlier export there is replaced, anything else is left alone.
        source: where the run's data lie now; None takes them from where the run had them.
        license_name: for the card, as the Hugging Face hub calls it.

    Raises:
        ValueError: if the run is not finished or damaged, packages are not there, the network cannot be written as
            ONNX, or the folder holds something else.
        DisagreementError: if the network puts examples into other classes than the run did, or a file gives other
            scores than the network.
    """
    check_packages()
    check_place(to)
    run = read_finished(folder, source)
    test = run.seen.test
    if said := contradiction(run.spec, run.network, test, folder.parent, in_batches(some_rows(test))):
        raise DisagreementError(f"{said} Nothing was exported")
    spec, stored = run.spec, run.stored.validation
    two = torch.arange(2) % len(stored)
    first = next(stored.batches([two])).contiguous()
    seen = next(run.seen.validation.batches([two]))
    network = folded(run.network, seen)
    view = None if spec.view is None else View(**spec.view.model_dump())
    served = Served(network, view, tuple(first.shape[1:])).eval()
    models = {
        WEIGHTS: tensor_bytes(network.state_dict()),
        ONNX: onnx_bytes(served, first, class_names=run.seen.class_names),
    }

    def texts(config: dict[str, Any], agreement: Agreement) -> dict[str, bytes]:
        recipe = run.recipe and recipe_without_paths(run.recipe, spec.data.source)
        told = {CARD: card(run, config, agreement, license_name=license_name).encode()}
        return told | ({"recipe.yaml": recipe} if recipe else {})

    return write_exported(to, models, _config(run, network, first, seen), _asked(run), texts=texts)


def _config(run: Finished, network: nn.Module, stored: Tensor, seen: Tensor) -> dict[str, Any]:
    spec = run.spec
    are_pixels = isinstance(run.stored.validation, ImageDataset | StreamedImages) or spec.data.source == "digits"
    return {
        "evendistill": version("evendistill"),
        "run": spec.hash,
        "spec": without_paths(spec.canonical()),
        "network": structure(network, spec),
        "class_names": list(run.seen.class_names),
        "inputs": {
            "name": INPUTS,
            "shape": list(stored.shape[1:]),
            "dtype": str(stored.dtype).removeprefix("torch."),
            "range": [0, 1] if are_pixels else None,
            "seen_shape": list(seen.shape[1:]),
        },
        "outputs": {"name": SCORES},
        "view": None if spec.view is None else spec.view.model_dump(mode="json"),
        "temperature": None if spec.trained.listening is None else spec.trained.listening.temperature,
        "fingerprint": run.seen.fingerprint,
    }


def _asked(run: Finished) -> Asked:
    """The same examples as they are stored, and what the run's own network says of them."""
    rows = some_rows(run.seen.validation)
    expected = torch_scores(run.network, inputs_at(run.seen.validation, rows))
    other = fresh_network(run.spec, run.seen) if run.spec.network.kind in OTHERS else None
    return Asked(inputs_at(run.stored.validation, rows), expected, other)
