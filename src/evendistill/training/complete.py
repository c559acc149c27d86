"""One run from start to end, with or without a folder: resumed where it stopped, untouched once it is done."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from evendistill.distillation.problem import Problem
from evendistill.storage.files import json_bytes, read_json
from evendistill.training.evaluation import evaluate, scores_of
from evendistill.training.evidence import evidence
from evendistill.training.folder import RunFolder, finish_once, model_bytes
from evendistill.training.loop import fit
from evendistill.training.recipe import Recipe
from evendistill.training.result import Result


def complete(
    network: nn.Module,
    problem: Problem,
    recipe: Recipe,
    *,
    seed: int,
    folder: RunFolder | None,
    spec: Mapping[str, Any],
    robust_k: int = 1,
    on_step: Callable[[int, int], None] = lambda done, total: None,
    more: Callable[[Result], Mapping[str, bytes]] = lambda result: {},
) -> Result:
    """Train a network in a folder, or take the result from there if the run is done.

    Args:
        network: trained in place.
        problem: what to optimise.
        recipe: how.
        seed: of all that is drawn at random.
        folder: where the run lives; None keeps nothing.
        spec: what the run is told, in plain JSON types; a folder that was told something else is refused.
        robust_k: see :func:`fit`.
        on_step: called with steps done and steps in all.
        more: further result files to be written before the run counts as done.

    Returns:
        The result.

    Raises:
        ValueError: if the folder belongs to another run.
        BlockingIOError: if another process is training in the folder.
        FloatingPointError: if the loss diverges.
    """
    device = problem.task.device
    if folder is None:
        return fit(network, problem, recipe, seed=seed, device=device, robust_k=robust_k, on_step=on_step)
    results: list[Result] = []

    def work() -> Mapping[str, bytes]:
        result = fit(
            network,
            problem,
            recipe,
            seed=seed,
            device=device,
            checkpoint=folder.checkpoint(every=recipe.checkpoint_every),
            robust_k=robust_k,
            on_step=on_step,
            on_epoch=folder.log,
        )
        results.append(result)
        return {"model.safetensors": model_bytes(result.model), **_validation(result, problem), **more(result)}

    finish_once(folder, spec, work)
    return results[0] if results else _stored(folder, network, problem)


def _validation(result: Result, problem: Problem) -> dict[str, bytes]:
    validation = problem.task.validation
    if validation is None:
        return {}
    metrics = evaluate(scores_of(result.model, validation), validation.labels)
    return {"validation.json": json_bytes(evidence(metrics) | {"multipliers": result.multipliers.tolist()})}


def _stored(folder: RunFolder, network: nn.Module, problem: Problem) -> Result:
    multipliers = problem.objective.weights.cpu()
    path = folder.path / "validation.json"
    if path.is_file():
        multipliers = torch.tensor(read_json(path)["multipliers"], dtype=multipliers.dtype)
    return Result(folder.load_model(network), folder.history(), multipliers)
