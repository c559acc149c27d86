"""One run from start to end, with or without a folder: resumed where it stopped, untouched once it is done."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from evendistill.distillation.problem import Problem
from evendistill.models.ranks import Ranks
from evendistill.storage.files import digest, json_bytes, read_json
from evendistill.training.evaluation import scores_of
from evendistill.training.evidence import findings
from evendistill.training.folder import RunFolder, WrongStartError, finish_once, model_bytes
from evendistill.training.loop import fit, multipliers
from evendistill.training.recipe import Recipe
from evendistill.training.result import Result
from evendistill.training.turns import Turns


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
    on_epoch: Callable[[list[dict[str, Any]]], None] = lambda history: None,
    more: Callable[[Result], Mapping[str, bytes]] = lambda result: {},
) -> Turns[Result]:
    """Train a network in a folder, a step at a time, or take the result from there if the run is done.

    Args:
        network: trained in place.
        problem: what to optimise.
        recipe: how.
        seed: of all that is drawn at random.
        folder: where the run lives; None keeps nothing.
        spec: what the run is told, in plain JSON types; a folder that was told something else is refused.
        robust_k: see :func:`fit`.
        on_step: called with steps done and steps in all.
        on_epoch: called with the history so far, after each epoch and before the first step; not if the run is done.
        more: further result files to be written before the run counts as done.

    Returns:
        The result.

    Raises:
        ValueError: if the folder belongs to another run.
        WrongStartError: if there are not as many processes as the recipe asks for, or they are told different runs.
        BlockingIOError: if another process is training in the folder.
        FloatingPointError: if the loss diverges.
    """
    ranks = Ranks.here()
    if folder is None or not ranks.agreed(folder.finished):
        _check_processes(ranks, recipe, spec)
    told: dict[str, Any] = {"seed": seed, "device": problem.task.device, "robust_k": robust_k, "ranks": ranks}
    if folder is None:
        return (yield from fit(network, problem, recipe, on_step=on_step, on_epoch=on_epoch, **told))
    results: list[Result] = []
    checkpoint = folder.checkpoint(every=recipe.checkpoint_every)

    def work() -> Turns[Mapping[str, bytes]]:
        ranks.agreed(True)  # the folder is ours and there is work: now the others begin
        both = {"on_step": _in_turn(folder.tell, on_step), "on_epoch": _in_turn(folder.log, on_epoch)}
        result = yield from fit(network, problem, recipe, checkpoint=checkpoint, **both, **told)
        results.append(result)
        return {"model.safetensors": model_bytes(result.model), **_validation(result, problem), **more(result)}

    if ranks.is_first:
        if not (yield from finish_once(folder, spec, work)):
            ranks.agreed(False)
    elif ranks.agreed(False):
        results.append((yield from fit(network, problem, recipe, checkpoint=checkpoint, **told)))
    ranks.all(True)  # the first has written its results
    return results[0] if results else _stored(folder, network, problem)


def _in_turn(*functions: Callable[..., object]) -> Callable[..., None]:
    def call(*told: object) -> None:
        for function in functions:
            function(*told)

    return call


def _check_processes(ranks: Ranks, recipe: Recipe, spec: Mapping[str, Any]) -> None:
    """Before a folder is touched: a run that has come far must not fail for having been started in the wrong way."""
    if ranks.size != recipe.processes:
        raise WrongStartError(
            f"the recipe asks for {recipe.processes} processes, running are {ranks.size}; "
            f"torchrun --nproc-per-node {recipe.processes} starts as many"
        )
    told = digest(json_bytes(spec))
    if not ranks.all(ranks.agreed(told) == told):
        raise WrongStartError(
            "the processes are told different runs; data, networks and settings must be the same in each"
        )


def _validation(result: Result, problem: Problem) -> dict[str, bytes]:
    validation = problem.task.validation
    if validation is None:
        return {}
    scores = scores_of(result.model, validation).chunk(problem.objective.heads, dim=1)
    found = [findings(part, validation, problem.task) for part in scores]
    told = found[0] if len(found) == 1 else {"frontier": found}
    return {"validation.json": json_bytes(told | {"multipliers": result.multipliers.tolist()})}


def _stored(folder: RunFolder, network: nn.Module, problem: Problem) -> Result:
    weights = multipliers(problem.objective)
    path = folder.path / "validation.json"
    if path.is_file():
        weights = torch.tensor(read_json(path)["multipliers"], dtype=weights.dtype)
    return Result(folder.load_model(network), folder.history(), weights)
