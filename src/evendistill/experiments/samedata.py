"""Whether the data of a run still are those that the finished runs beside it were trained on."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from evendistill.data.datasets import Data
from evendistill.experiments.results import is_finished
from evendistill.experiments.spec import RunSpec
from evendistill.storage.files import read_json
from evendistill.training.folder import WrongStartError

MOST_LOOKED_AT = 100  # runs, of which one that is finished is looked for: shared file systems are slow


def check_same_data(spec: RunSpec, data: Data, runs: Path, *, beside: Iterable[RunSpec] = ()) -> None:
    """Compare the data with what the inputs of a run saw, and the first finished run of those beside it.

    One is enough: each of them was compared with one that was finished before. Files may come and go behind a path,
    which is all that a spec names. Fingerprints differ by how images are held, so classes and examples are compared.

    Args:
        spec: of the run to train.
        data: as it sees them.
        runs: folder of all runs.
        beside: further runs of the same table.

    Raises:
        WrongStartError: if the classes have other names, or there are more or fewer training examples of one.
    """
    finished = (each for each in islice(beside, MOST_LOOKED_AT) if is_finished(each, runs))
    for each in (*spec.inputs, *islice(finished, 1)):
        if (each.data, each.view) == (spec.data, spec.view) and (said := _difference(runs / each.folder_name, data)):
            raise WrongStartError(
                f"{each.folder_name} {said}: the data are not what they were; bring them back, or begin anew with --out"
            )


def _difference(folder: Path, data: Data) -> str | None:
    told = read_json(folder / "data.json") if (folder / "data.json").is_file() else {}
    names, then = told.get("class_names", list(data.class_names)), told.get("training_examples")
    if then is None:  # of an earlier version
        return None
    now = data.train.labels.bincount(minlength=data.num_classes).tolist()
    if len(then) != len(now):
        return f"was trained on {len(then)} classes, now there are {len(now)}"
    for number, (before, name) in enumerate(zip(names, data.class_names, strict=True)):
        if before != name:
            return f"was trained with {before!r} as class {number}, now that is {name!r}"
        if then[number] != now[number]:
            return f"was trained on {then[number]} examples of class {name!r}, now there are {now[number]}"
    return None
