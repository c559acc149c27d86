"""A network that is at hand, as a folder that others can use: what ``train`` and ``distill`` gave, or any other."""

import copy
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from evendistill.data.examples import as_examples, in_order
from evendistill.experiments.export.agreement import Agreement, inputs_at, some_rows, torch_scores
from evendistill.experiments.export.given_card import given_card
from evendistill.experiments.export.load import WEIGHTS
from evendistill.experiments.export.onnxfile import INPUTS, SCORES, check_packages, onnx_bytes
from evendistill.experiments.export.place import check_place
from evendistill.experiments.export.writing import CARD, ONNX, Asked, Exported, write_exported
from evendistill.maths.metrics import check_labels
from evendistill.models.average import AverageOfScores
from evendistill.models.conditioned import Conditioned
from evendistill.models.inference import scores_of_trial
from evendistill.storage.tensors import tensor_bytes
from evendistill.training.evaluation import evaluate, scores_of
from evendistill.training.evidence import evidence
from evendistill.training.result import Result

CPU = torch.device("cpu")


def export(
    network: nn.Module | Result,
    examples: object,
    *,
    to: str | Path,
    class_names: Sequence[str] | None = None,
    license_name: str = "other",
) -> Exported:
    """Write a trained network as safetensors, ONNX checked against it, and a short model card; all of them or none.

    Args:
        network: from inputs ``(B, ...)`` to scores ``(B, C)``, or what ``train`` or ``distill`` gave. Your own is not
            touched.
        examples: held-out data set of ``(x, y)`` or pair of arrays. They show which inputs the network takes, the
            files are checked on up to 512 of them, and the card tells the recall of each class on all.
        to: folder to write; an earlier export there is replaced, anything else is left alone.
        class_names: one for each score, in their order; their numbers if None.
        license_name: for the card, as the Hugging Face hub calls it.

    Returns:
        Where it lies, what is in it, and how well the files agree with the network.

    Raises:
        ValueError: if packages are not there (extra ``onnx``), network, examples and names do not fit together, the
            network cannot be written as ONNX, or the folder holds something else.
        DisagreementError: if a file gives other scores than the network.
    """
    check_packages()
    check_place(Path(to))
    model, held_out = _plain(network), as_examples(examples)
    first = next(in_order(held_out, 2))
    first = first.repeat(2, *[1] * (first.ndim - 1))[:2].contiguous()
    names = _names(class_names, scores_of_trial(model, first, CPU).shape[1])
    check_labels(held_out.labels, len(held_out), len(names))
    found = evidence(evaluate(scores_of(model, held_out), held_out.labels))
    models = {WEIGHTS: tensor_bytes(model.state_dict()), ONNX: onnx_bytes(model, first, class_names=names)}
    inputs = inputs_at(held_out, some_rows(held_out))

    def texts(config: dict[str, Any], agreement: Agreement) -> dict[str, bytes]:
        return {CARD: given_card(found, config, agreement, license_name=license_name).encode()}

    asked = Asked(inputs, torch_scores(model, inputs), _member(model))
    return write_exported(Path(to), models, _config(model, first, names), asked, texts=texts)


def _plain(network: object) -> nn.Module:
    """A copy on the CPU, in eval mode."""
    model = network.model if isinstance(network, Result) else network
    if isinstance(model, Conditioned) and len(model.alphas) > 1:
        raise ValueError("a frontier is several networks; export one of them: ed.export(result.at(alpha), ...)")
    if not isinstance(model, nn.Module):
        given = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise ValueError(f"export needs a torch.nn.Module or what train and distill give, got {given}")
    return copy.deepcopy(model).to(CPU).eval()


def _names(told: Sequence[str] | None, width: int) -> list[str]:
    if told is None:
        return [str(label) for label in range(width)]
    if isinstance(told, str) or len(told) != width:
        count = "one text" if isinstance(told, str) else len(told)
        raise ValueError(f"class_names must be one for each of the network's {width} scores, got {count}")
    return [str(name) for name in told]


def _member(model: nn.Module) -> nn.Module:
    return model.networks[0] if isinstance(model, AverageOfScores) else model


def _config(model: nn.Module, first: Tensor, names: list[str]) -> dict[str, Any]:
    """What the folder says of itself, as that of a run does, but that no run is behind it."""
    network: dict[str, Any] = {"kind": "own"}
    if isinstance(model, AverageOfScores):
        network = {"kind": "average-of-scores", "count": len(model.networks), "of": network}
    shape = list(first.shape[1:])
    return {
        "evendistill": version("evendistill"),
        "run": None,
        "network": network,
        "class_names": names,
        "inputs": {
            "name": INPUTS,
            "shape": shape,
            "dtype": str(first.dtype).removeprefix("torch."),
            "range": None,
            "seen_shape": shape,
        },
        "outputs": {"name": SCORES},
        "view": None,
    }
