"""A finished run, read back whole: what it was told, its data, its network, and what it found."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from evendistill.data.datasets import Data
from evendistill.data.view import View
from evendistill.experiments.grid import every_run
from evendistill.experiments.in_python import refuse_folder_of_python
from evendistill.experiments.networks import finished_network
from evendistill.experiments.objectives import FrontierSpec
from evendistill.experiments.recipe import read_recipe
from evendistill.experiments.results import read_split
from evendistill.experiments.sources import loaded
from evendistill.experiments.spec import SCHEMA_VERSION, OwnSpec, RunSpec
from evendistill.models.own import imported
from evendistill.storage.files import json_bytes, read_json
from evendistill.storage.intact import damage

NEEDED = ("data.json", "model.safetensors", "test.json", "validation.json")
HOLDS = ("auto", "stream", "memory")  # a spec leaves out how images were held; the fingerprint tells


@dataclass(frozen=True, eq=False)
class Finished:
    """One finished run.

    Attributes:
        spec: what it was told.
        stored: its data as :func:`evendistill.data.datasets.load_data` gives them.
        seen: the same as its network sees them, not augmented.
        network: the trained one, in eval mode on the CPU.
        validation: what it found there.
        test: what it found there.
        training_examples: of each class.
        recipe: the recipe beside the runs that asks for it; None if there is none.
    """

    spec: RunSpec
    stored: Data
    seen: Data
    network: nn.Module
    validation: dict[str, Any]
    test: dict[str, Any]
    training_examples: tuple[int, ...]
    recipe: bytes | None


def read_finished(folder: Path, source: str | None = None) -> Finished:
    """Read a finished run; a network of the user's own is imported, and so is timm, to read the weights into.

    Args:
        folder: of the run.
        source: where the data lie now; None takes them from where the run had them.

    Raises:
        ValueError: if the run is not finished or damaged, its teachers are not beside it where it is made of them, or
            the data are not those that it was trained on; one line that names the place.
    """
    folder = Path(os.path.abspath(folder))  # its name counts, so links in it are left as they are
    spec = read_spec(folder)
    if not (folder / "DONE").is_file():
        raise ValueError(f"{folder}: the run is not finished; run its recipe first")
    if isinstance(spec.objective, FrontierSpec):
        raise ValueError(f"{folder}: this run trained several trade-offs; say with --alpha which of them")
    bad = damage(folder)
    if bad is None and (lacking := [name for name in NEEDED if name not in read_json(folder / "DONE")]):
        raise ValueError(f"{folder}: the run kept no {lacking[0]}; delete the folder and run again")
    if bad is not None:
        raise ValueError(f"{folder / bad} is not what the run wrote; run the recipe again, which makes it anew")
    if isinstance(spec.network, OwnSpec):
        imported(spec.network.path)  # before data are read, which may take a while
    told = read_json(folder / "data.json")
    stored, seen = _data(spec, source or spec.data.source, told["fingerprint"])
    return Finished(
        spec,
        stored,
        seen,
        finished_network(spec, seen, folder.parent),
        read_split(spec, folder.parent, "validation"),
        read_split(spec, folder.parent, "test"),
        tuple(told["training_examples"]),
        _recipe(spec, folder.parent),
    )


def read_spec(folder: Path) -> RunSpec:
    """What the run of a folder was told.

    Raises:
        ValueError: if the folder is no run's, or its spec is not the one that its name stands for.
    """
    path = folder / "spec.json"
    if not path.is_file():
        raise ValueError(f"{folder}: not the folder of a run")
    refuse_folder_of_python(folder, "ed.export(result, held_out, to=...)")
    told = read_json(path)
    try:
        if told.pop("schema_version") != SCHEMA_VERSION:
            raise ValueError("it is of another version")
        spec = RunSpec.model_validate_json(json_bytes(told))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not tell a run: {str(error).splitlines()[0]}") from None
    if folder.name != spec.folder_name:
        raise ValueError(f"{folder}: its spec.json tells of another run, {spec.folder_name}")
    return spec


def _data(spec: RunSpec, source: str, fingerprint: str) -> tuple[Data, Data]:
    """The data of a run, as they are stored and as its network sees them."""
    for hold in HOLDS:
        stored = loaded(spec.data.model_copy(update={"source": source, "hold": hold}))
        seen = stored if spec.view is None else stored.viewed(View(**spec.view.model_dump()))
        if seen.fingerprint == fingerprint:
            return stored, seen
    raise ValueError(f"{source}: not the data of the run {spec.folder_name}: their fingerprint is another")


def _recipe(spec: RunSpec, runs: Path) -> bytes | None:
    """The first of the recipes kept beside the runs that asks for this one; others are nobody's business here."""
    for path in sorted((runs / "recipes").glob("*.yaml")):
        try:
            if spec.hash in every_run(read_recipe(path)):
                return path.read_bytes()
        except (ValueError, OSError):
            continue
    return None
