"""What finished runs found, read from their folders; validation and test stay apart."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evendistill.experiments.engines.engine import INPUT_KINDS
from evendistill.experiments.evidence import as_evidence
from evendistill.experiments.spec import RunSpec
from evendistill.maths.least import WorstClassInterval, worst_class_interval
from evendistill.storage.files import digest, read_bytes, read_json

Split = Literal["validation", "test"]
FRONTIER = "frontier.json"


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its standard error.

    Attributes:
        mean: over the seeds.
        se: standard deviation over the root of their number; None for a single seed.
    """

    mean: float
    se: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate":
        """Mean and standard error of one value a seed."""
        se = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
        return cls(statistics.fmean(values), se)

    def percent(self) -> str:
        """As people read it: ``81.2 ± 0.3``."""
        return f"{100 * self.mean:.1f}" + ("" if self.se is None else f" ± {100 * self.se:.1f}")


def is_finished(spec: RunSpec, runs: Path) -> bool:
    """Whether a run has ended well."""
    return (runs / spec.folder_name / "DONE").is_file()


@dataclass(frozen=True)
class Failure:
    """Why a run failed.

    Attributes:
        error: one line.
        is_input: whether that lies in what was asked for, not in the machine.
    """

    error: str
    is_input: bool


def failure_of(spec: RunSpec, runs: Path) -> Failure | None:
    """Why a run failed when it was last tried; None if it did not."""
    try:
        told = read_json(runs / spec.folder_name / "FAILED")
        return Failure(" ".join(str(told["error"]).split()), told["kind"] in INPUT_KINDS)
    except (OSError, ValueError, KeyError, TypeError):  # no mark, or a damaged one, says nothing; the run is tried
        return None


def read_split(spec: RunSpec, runs: Path, split: Split) -> dict[str, Any]:
    """What a finished run found on one split.

    Raises:
        ValueError: if the run is not finished, or its file is damaged.
    """
    payload = as_written(spec, runs, f"{split}.json")
    try:
        return as_evidence(json.loads(payload), is_named=split == "test")
    except (ValueError, RecursionError) as error:  # a folder that others sent may have its checksums forged
        raise ValueError(f"{runs / spec.folder_name / split}.json says nothing of results: {error}") from None


def read_frontier(spec: RunSpec, runs: Path) -> dict[str, Any]:
    """What a finished run of several trade-offs found at each ``alphas``: lists ``validation`` and ``test``.

    Raises:
        ValueError: if the run is not finished, or its file is damaged.
    """
    payload = as_written(spec, runs, FRONTIER)
    try:
        told = json.loads(payload)
        alphas, splits = told["alphas"], [told["validation"], told["test"]]
        if not all(len(split) == len(alphas) for split in splits) or not all(0 <= float(each) <= 1 for each in alphas):
            raise ValueError("there is not one finding for each alpha")
        for split in splits:
            for found in split:
                as_evidence(found)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{runs / spec.folder_name / FRONTIER} says nothing of results: {error}") from None
    return told


def as_written(spec: RunSpec, runs: Path, name: str) -> bytes:
    """A result file of a finished run that is what the run wrote."""
    folder = f"{runs}/{spec.folder_name}"  # tens of thousands of these are read for one report; Path is slower
    try:
        told, payload = read_json(f"{folder}/DONE"), read_bytes(f"{folder}/{name}")
    except FileNotFoundError:
        raise ValueError(f"the run {spec.folder_name} is not finished; run the recipe first") from None
    if not isinstance(told, dict) or digest(payload) != told.get(name):
        raise ValueError(f"{folder}/{name} is not what the run wrote; run the recipe again, which makes it anew")
    return payload


def robust_metric(found: dict[str, Any], k: int) -> float:
    """Mean of the k least recalls, of groups where there are some; absent ones are never among them.

    Raises:
        ValueError: if fewer than k are present.
    """
    recalls = sorted(recall for recall in judged(found)["recalls"] if recall is not None)
    if k > len(recalls):
        kind = "groups" if "groups" in found else "classes"
        raise ValueError(f"robust_k is {k}, but only {len(recalls)} {kind} are present")
    return statistics.fmean(recalls[:k])


def judged(found: dict[str, Any]) -> dict[str, Any]:
    """The evidence that counts: on groups where groups are not classes, on classes else."""
    return found.get("groups", found)


def interval_of(found: dict[str, Any]) -> WorstClassInterval | None:
    """Bootstrap interval of the least recall; None where the counts were not kept."""
    if "correct" not in found:
        return None
    return worst_class_interval(found["correct"], found["total"])


@dataclass(frozen=True)
class Found:
    """One split's summary of a cell.

    Attributes:
        average: average accuracy over the seeds.
        robust: worst-class accuracy (or worst-k) over the seeds.
        recalls: mean recall of each class or group; NaN for absent ones.
        averages: average accuracy of each seed.
        robusts: worst-class accuracy (or worst-k) of each seed.
        by_seed: recalls of each seed; NaN for absent ones.
        total: examples of each class or group; empty where a run did not keep them.
    """

    average: Estimate
    robust: Estimate
    recalls: tuple[float, ...]
    averages: tuple[float, ...] = ()
    robusts: tuple[float, ...] = ()
    by_seed: tuple[tuple[float, ...], ...] = ()
    total: tuple[int, ...] = ()


def summarise(specs: Sequence[RunSpec], runs: Path, split: Split, *, robust_k: int) -> Found:
    """Average a cell's runs on one split."""
    found = [read_split(spec, runs, split) for spec in specs]
    columns = zip(*(judged(run)["recalls"] for run in found), strict=True)
    recalls = tuple(math.nan if None in column else statistics.fmean(column) for column in columns)
    averages = tuple(judged(run)["average_accuracy"] for run in found)
    robusts = tuple(robust_metric(run, robust_k) for run in found)
    by_seed = tuple(tuple(math.nan if each is None else each for each in judged(run)["recalls"]) for run in found)
    return Found(Estimate.of(averages), Estimate.of(robusts), recalls, averages, robusts, by_seed, _total(found))


def _total(found: Sequence[dict[str, Any]]) -> tuple[int, ...]:
    """Examples of each class; of runs that were tested on different ones the fewest."""
    counts = [judged(run).get("total", ()) for run in found]
    return tuple(map(min, zip(*counts, strict=True))) if all(counts) else ()
