"""Teachers from run folders or files of anyone's making, diagnosed and, if there are several, ranked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from evendistill.distillation.diagnose import Diagnosis, diagnose
from evendistill.distillation.predictors import largest, shifted_risks
from evendistill.distillation.reference import joint_reference, log_probabilities
from evendistill.distillation.temperatures import temperatures
from evendistill.distillation.terms import ASSUMED
from evendistill.experiments.sources import Source, read_source

JOINT = "all teachers' scores jointly"
MOST_SEARCHED = 2_000_000  # scores; above, ten temperatures would take longer than all else


def diagnosed(
    paths: Sequence[Path], labels: Path | None, *, probabilities: bool, temperature: float
) -> tuple[list[Source], list[Diagnosis], dict[str, Any]]:
    """Diagnose each teacher; of several, all on the same examples, also rank them.

    They are ranked by the largest calibration term, on one conditioning that they share; the robust risk after the best
    shift stands beside it. What either was worth where it was measured, decision record 34 says.

    Args:
        paths: run folders of teachers, or files as :func:`evendistill.experiments.sources.read_source` takes them.
        labels: of labels, if they are not in the files.
        probabilities: whether the files hold probabilities in the place of raw scores.
        temperature: divides raw scores.

    Returns:
        What was read, what was found, and the latter with the ranking as plain values.

    Raises:
        ValueError: if a teacher is not right, or they are not judged on the same examples; names it.
    """
    read = [read_source(path, labels) for path in paths]
    first = read[0]
    for path, each in zip(paths, read, strict=True):
        if not torch.equal(each.labels, first.labels) or each.scores.shape != first.scores.shape:
            raise ValueError(f"{path}: not the examples and classes of {paths[0]}; teachers are compared on one set")
    told: dict[str, Any] = {"probabilities": probabilities, "temperature": temperature}
    found = []
    for path, each in zip(paths, read, strict=True):
        size = None if each.class_counts is None else int(each.class_counts.sum())
        try:
            found.append(diagnose(each.scores, each.labels, train_size=size, **told))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    entries = [_plain(each, source) for each, source in zip(found, read, strict=True)]
    if not probabilities and first.scores.numel() <= MOST_SEARCHED:
        for entry, each in zip(entries, read, strict=True):
            entry["temperatures"] = _best_temperatures(each)
    if len(read) == 1:
        return read, found, {"teachers": entries}
    ranked = _ranked(entries, read, told)
    return read, found, {"teachers": entries, "ranking": ranked, "ranked_by": "calibration", "ranked_on": JOINT}


def _ranked(entries: list[dict[str, Any]], read: list[Source], told: dict[str, Any]) -> list[str]:
    """Names from the best to the worst; what they are ranked by is added to the entries."""
    is_soft = told["probabilities"]
    reference = joint_reference([each.scores for each in read], read[0].labels, are_probabilities=is_soft)
    for entry, each in zip(entries, read, strict=True):
        shared = diagnose(each.scores, each.labels, reference=reference, **told)
        classes = {name: getattr(shared, name).tolist() for name in ("calibration_error", "lower", "upper")}
        entry["joint"] = {**classes, "worst": shared.worst}
        logs = log_probabilities(each.scores, are_probabilities=is_soft)
        entry["shifted_risk"] = largest(shifted_risks(logs, each.labels, temperature=told["temperature"]))
    entries.sort(key=lambda entry: entry["joint"]["worst"])
    return [entry["name"] for entry in entries]


def _best_temperatures(source: Source) -> dict[str, Any]:
    found = temperatures(source.scores, source.labels)
    return {
        "expected_error": found.least_expected_error,
        "calibration_error": found.least_calibration_error,
        "of_each_class": found.of_each_class,
        "tried": list(found.tried),
    }


def _plain(found: Diagnosis, source: Source) -> dict[str, Any]:
    names = ("recalls", "priors", "marginals", "calibration_error", "lower", "upper", "expected_error")
    classes = {name: getattr(found, name).tolist() for name in names}
    terms = {name: getattr(found.terms, name).tolist() for name in ("variance", "one_hot_variance", "estimation")}
    return {
        "name": source.name,
        "class_names": list(source.class_names),
        "class_counts": None if source.class_counts is None else source.class_counts.tolist(),
        **classes,
        **terms,
        "worst": found.worst,
        "average_accuracy": found.recalls.mean().item(),
        "worst_class_accuracy": found.recalls.min().item(),
        "is_lower_bound": found.is_lower_bound,
        "conditioning": found.conditioning,
        "temperature": found.temperature,
        "bound": {
            "value": found.bound,
            "loss_bound": found.terms.loss_bound,
            "train_size": found.terms.train_size,
            "level": found.terms.level,
            "assumed": list(ASSUMED),
        },
    }
