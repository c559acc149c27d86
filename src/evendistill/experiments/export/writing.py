"""An exported folder: written whole, read back and compared before it is there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from evendistill.experiments.export.agreement import Agreement, compare, onnx_scores, torch_scores
from evendistill.experiments.export.load import WEIGHTS, load_exported
from evendistill.experiments.export.place import CONFIG, written_whole
from evendistill.storage.files import digest, json_bytes, write_bytes

ONNX = "model.onnx"
CARD = "README.md"


@dataclass(frozen=True)
class Exported:
    """What was exported.

    Attributes:
        folder: absolute.
        files: their names and sizes in bytes.
        onnx: how far the ONNX file's scores are from those of the network.
        weights: the same for the weights, read back into torch.
        config: what the folder says of itself.
    """

    folder: Path
    files: dict[str, int]
    onnx: Agreement
    weights: Agreement
    config: dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What both files are asked, and what they should answer.

    Attributes:
        inputs: batches ``(B, ...)``, as the user of the folder feeds them.
        expected: ``(N, C)`` scores.
        network: to read the weights into, where the folder does not say how to make it.
    """

    inputs: Sequence[Tensor]
    expected: Tensor
    network: nn.Module | None


def write_exported(
    to: Path,
    models: dict[str, bytes],
    config: dict[str, Any],
    asked: Asked,
    *,
    texts: Callable[[dict[str, Any], Agreement], dict[str, bytes]],
) -> Exported:
    """Write a folder, or leave none.

    Args:
        to: folder to write; an earlier export there is replaced.
        models: the weights and the ONNX file, by name; their digests go into the configuration.
        config: what the folder says of itself.
        asked: to compare both files on.
        texts: the model card and what else is read by people, by name, given configuration and agreement of the ONNX
            file.

    Raises:
        DisagreementError: if a file gives other scores than expected.
    """
    told = config | {"files": {name: digest(payload) for name, payload in models.items()}}
    with written_whole(to) as temporary:
        _write(temporary, models | {CONFIG: json_bytes(told)})
        onnx = compare(onnx_scores(temporary / ONNX, asked.inputs), asked.expected, ONNX)
        again = load_exported(temporary, network=asked.network)
        weights = compare(torch_scores(again, asked.inputs), asked.expected, WEIGHTS)
        _write(temporary, texts(told, onnx))
        sizes = {path.name: path.stat().st_size for path in sorted(temporary.iterdir())}
    return Exported(to.resolve(), sizes, onnx, weights, told)


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for name, payload in files.items():
        write_bytes(folder / name, payload)
