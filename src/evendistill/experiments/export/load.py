"""An exported folder, read back into torch."""

import copy
from pathlib import Path
from typing import Any

from torch import nn

from evendistill.data.view import View
from evendistill.experiments.export.place import read_config
from evendistill.experiments.export.served import Served
from evendistill.experiments.export.structure import put_together
from evendistill.models.loading import filled
from evendistill.storage.files import digest
from evendistill.storage.tensors import read_tensors

WEIGHTS = "model.safetensors"


def load_exported(folder: Path | str, *, network: nn.Module | None = None) -> nn.Module:
    """The network of an exported folder, in eval mode on the CPU; no code that the folder names is run.

    Args:
        folder: made by ``evendistill export``.
        network: where it is no network of this package: one that the weights fit into. It is copied.

    Returns:
        A network from inputs as :func:`evendistill.data.datasets.load_data` gives them to scores ``(B, C)``.

    Raises:
        ValueError: if the folder is not what was exported, or it needs a network and none is given.
    """
    folder = Path(folder)
    config = read_config(folder)

    def other() -> nn.Module:
        if network is None:
            raise ValueError(f"{folder}: its network is none of this package; make it, and give it as network=")
        return copy.deepcopy(network)

    try:
        return _loaded(folder, config, other)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder / 'config.json'} does not tell of an export: {error!r}") from None


def _loaded(folder: Path, config: dict[str, Any], other: Any) -> nn.Module:  # noqa: ANN401
    path = folder / WEIGHTS
    if digest(path.read_bytes()) != config["files"][WEIGHTS]:
        raise ValueError(f"{path} is not what was exported")
    told = config["inputs"]
    view = None if config["view"] is None else View(**config["view"])
    made = put_together(config["network"], len(config["class_names"]), tuple(told["seen_shape"]), other)
    return Served(filled(made, read_tensors(path)), view, tuple(told["shape"])).eval()
