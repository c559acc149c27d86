"""Teachers from files of anyone's making, diagnosed and, if there are several, compared on one reference."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from evendistill.distillation.diagnose import Diagnosis, diagnose
from evendistill.distillation.reference import cross_fitted
from evendistill.experiments.arrays import read_scores

JOINT = "all teachers' scores jointly"


def diagnose_files(
    paths: Sequence[Path], labels: Path | None, *, probabilities: bool, temperature: float
) -> dict[str, Any]:
    """Diagnose each teacher, as plain values; of several, all on the same examples, also rank them.

    Args:
        paths: of scores, each as :func:`evendistill.experiments.arrays.read_scores` takes them.
        labels: of labels, if they are not in the files.
        probabilities: whether the files hold probabilities in the place of raw scores.
        temperature: divides raw scores.

    Raises:
        ValueError: if a file is not right, or the files do not hold the same examples; names the file.
    """
    read = [read_scores(path, labels) for path in paths]
    for path, (scores, truth) in zip(paths, read, strict=True):
        if not torch.equal(truth, read[0][1]) or scores.shape != read[0][0].shape:
            raise ValueError(f"{path}: not the examples and classes of {paths[0]}; teachers are compared on one set")
    told: dict[str, Any] = {"probabilities": probabilities, "temperature": temperature}
    found = []
    for path, (scores, truth) in zip(paths, read, strict=True):
        try:
            found.append({"file": str(path), **_plain(diagnose(scores, truth, **told))})
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    if len(paths) == 1:
        return {"teachers": found}
    reference = _joint([scores for scores, _ in read], read[0][1], probabilities=probabilities)
    for entry, (scores, truth) in zip(found, read, strict=True):
        shared = diagnose(scores, truth, reference=reference, **told)
        entry["joint"] = {"calibration_error": shared.calibration_error.tolist(), "worst": shared.worst}
    by_worst = sorted(found, key=lambda entry: entry["joint"]["worst"])
    return {"teachers": found, "ranking": [entry["file"] for entry in by_worst], "ranked_on": JOINT}


def _joint(scores: Sequence[Tensor], labels: Tensor, *, probabilities: bool) -> Tensor:
    """What all teachers together know, each example judged by a model that has not seen its label."""
    tiny = torch.finfo(torch.float64).tiny
    logs = [each.clamp_min(tiny).log() if probabilities else F.log_softmax(each, dim=1) for each in scores]
    return cross_fitted(torch.cat(logs, dim=1), labels)


def _plain(found: Diagnosis) -> dict[str, Any]:
    classes = {
        name: getattr(found, name).tolist()
        for name in ("recalls", "priors", "marginals", "calibration_error", "lower", "upper", "expected_error")
    }
    return {
        **classes,
        "worst": found.worst,
        "average_accuracy": found.recalls.mean().item(),
        "worst_class_accuracy": found.recalls.min().item(),
        "is_lower_bound": found.is_lower_bound,
        "conditioning": found.conditioning,
        "temperature": found.temperature,
    }
