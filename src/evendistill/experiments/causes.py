"""Why a run failed, kept in its folder where the run itself could not do that: before it began, or with its process."""

from dataclasses import replace
from pathlib import Path

from evendistill.experiments.engines.engine import Outcome
from evendistill.experiments.results import failure_of
from evendistill.experiments.spec import RunSpec


def keep_cause(outcome: Outcome, spec: RunSpec, runs: Path) -> Outcome:
    """Have the folder of a run that failed say why, so that it counts as failed from now on.

    Nothing is written of a run that has said so itself, or whose error will pass.

    Args:
        outcome: how the run ended.
        spec: of the run.
        runs: folder of all runs.

    Returns:
        The outcome; its error says so if the folder could not be marked.
    """
    if outcome.end != "failed" or outcome.is_passing:
        return outcome
    from evendistill.training.folder import RunFolder

    error = outcome.error or ""
    try:
        if not _has_said(spec, runs, error):
            cause = ValueError(error) if outcome.is_input else RuntimeError(error)
            RunFolder(runs / spec.folder_name).give_up(spec.canonical(), cause)
    except BlockingIOError:  # another process is at it by now, and says what becomes of it
        return outcome
    except OSError as problem:
        return replace(outcome, error=f"{error}; and it could not be marked: {problem}")
    return outcome


def _has_said(spec: RunSpec, runs: Path, error: str) -> bool:
    """Whether the folder names this error; the outcome may have put a word on the kind of error before it."""
    told = failure_of(spec, runs)
    return told is not None and error.endswith(told.error)
