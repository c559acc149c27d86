"""A teacher's held-out scores from wherever they lie: a file of anyone's making, or the folder of a finished run."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from evendistill.data.datasets import Data, load_data
from evendistill.data.view import View
from evendistill.distillation.teacher import cache_file_name
from evendistill.experiments.arrays import read_scores
from evendistill.experiments.in_python import refuse_folder_of_python
from evendistill.experiments.spec import DataSpec, ViewSpec
from evendistill.storage.files import read_json
from evendistill.storage.tensors import read_sealed


@dataclass(frozen=True, eq=False)
class Source:
    """Scores with their labels.

    Attributes:
        name: for people.
        scores: ``(N, C)``.
        labels: ``(N,)``.
        class_names: one a class.
        class_counts: ``(C,)`` training examples of each class; None where nobody knows them.
    """

    name: str
    scores: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    class_counts: Tensor | None = None


def read_source(path: Path, labels: Path | None) -> Source:
    """Read scores and labels of a teacher.

    Args:
        path: a file as :func:`evendistill.experiments.arrays.read_scores` takes it, or a run folder of a teacher.
        labels: file of labels, if they are not in the file.

    Raises:
        ValueError: if it is neither, or keeps no scores; names it.
    """
    if not path.is_dir():
        scores, truth = read_scores(path, labels)
        return Source(str(path), scores, truth, tuple(map(str, range(scores.shape[1]))))
    if labels is not None:
        raise ValueError(f"{path}: a run folder has labels of its own; leave --labels out")
    check_finished(path)
    return from_run(path, data_of(path))


def from_run(path: Path, data: Data) -> Source:
    """The held-out scores that a finished teacher keeps in its folder; its network is not imported.

    Raises:
        ValueError: if it is not finished, keeps none, or they do not fit the data.
    """
    check_finished(path)
    kept = _kept_scores(path, data)
    scores = read_sealed(kept).get("scores", torch.empty(0))
    labels = data.validation.labels.cpu()
    if scores.shape != (len(labels), data.num_classes):
        raise ValueError(f"{kept}: scores are {tuple(scores.shape)}, the data have {len(labels)} x {data.num_classes}")
    counts = data.train.labels.bincount(minlength=data.num_classes).cpu()
    return Source(str(path), scores, labels, data.class_names, counts)


def _kept_scores(path: Path, data: Data) -> Path:
    """The file of scores that fits weights and data; where the data were seen through a view, the newest."""
    weights = path / "model.safetensors"
    if weights.is_file():
        exact = path / cache_file_name("scores", "validation", weights.read_bytes(), data.validation.fingerprint())
        if exact.is_file():
            return exact
    kept = sorted(path.glob("scores-validation-*.safetensors"), key=lambda file: file.stat().st_mtime)
    if not kept:
        raise ValueError(f"{path}: keeps no held-out scores; those of teachers do")
    return kept[-1]


def data_of(path: Path) -> Data:
    """The data that a run was told.

    Raises:
        ValueError: if its spec is damaged, naming the file.
    """
    told = read_json(path / "spec.json")
    try:
        spec = DataSpec.model_validate(told["data"])
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{path / 'spec.json'}: does not say which data the run was told") from None
    return loaded(spec)


def check_finished(path: Path) -> None:
    """Refuse what is not the folder of a finished run; ``ValueError`` names it."""
    refuse_folder_of_python(path, "ed.diagnose(result.scores(held_out), labels)")
    if not (path / "spec.json").is_file() or not (path / "DONE").is_file():
        raise ValueError(f"{path}: not the folder of a finished run")


def loaded(spec: DataSpec) -> Data:
    """The data of a spec."""
    return _loaded(spec.model_dump_json())


def seen(spec: DataSpec, view: ViewSpec | None) -> Data:
    """The data of a spec as a network sees them; nobody keeps them.

    Raises:
        ValueError: if they cannot be loaded, are no images and there is a view, or splits differ in shape.
    """
    data = load_data(**spec.model_dump())
    data = data if view is None else data.viewed(View(**view.model_dump()))
    data.check_shapes()
    return data


@lru_cache(maxsize=1)  # teachers that are compared share their data
def _loaded(spec: str) -> Data:
    return load_data(**DataSpec.model_validate_json(spec).model_dump())
