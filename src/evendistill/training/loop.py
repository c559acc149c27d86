"""The loop: one for teacher and student, for every objective."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from evendistill.data.examples import Examples
from evendistill.data.sampling import epoch_order
from evendistill.distillation.problem import Problem
from evendistill.maths.metrics import worst_k
from evendistill.models.average import AverageOfScores
from evendistill.models.ranks import Ranks
from evendistill.objectives.objective import Objective
from evendistill.training import randomness
from evendistill.training.checkpoint import Checkpoint
from evendistill.training.divergence import divergence
from evendistill.training.evaluation import group_metrics, scores_of
from evendistill.training.heldout import HeldOut
from evendistill.training.recipe import Recipe
from evendistill.training.result import Result
from evendistill.training.state import State
from evendistill.training.step import Step, make_step
from evendistill.training.turns import Turns


def fit(
    network: nn.Module,
    problem: Problem,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device,
    checkpoint: Checkpoint | None = None,
    robust_k: int = 1,
    ranks: Ranks = Ranks(),  # noqa: B008 - frozen
    on_step: Callable[[int, int], None] = lambda done, total: None,
    on_epoch: Callable[[list[dict[str, Any]]], None] = lambda history: None,
) -> Turns[Result]:
    """Train a network on a problem, a step at a time; closing it saves a checkpoint.

    Args:
        network: trained in place, moved to ``device``.
        problem: what to optimise.
        recipe: how.
        seed: of the order of examples, of held-out subsets, and of what the network or the data draw at random.
        device: to train on.
        checkpoint: to resume from and to save to.
        robust_k: the best iterate has the largest mean of the ``robust_k`` least validation recalls.
        ranks: the processes that train it together, each with its share of every batch.
        on_step: called with steps done and steps in all, after each.
        on_epoch: called with the history so far, after each epoch and after resuming.

    Returns:
        The iterate that the recipe asks for, with its history.

    Raises:
        FloatingPointError: if the loss is no longer finite, saying where.
        ValueError: if the best iterate is asked for without a validation set or of a frontier, a batch has fewer
            examples than there are processes, or features are to be matched and the network has no last linear layer.
        OSError: if processes resume from different steps.
    """
    network.to(device)
    train, held_out = problem.task.train.to(device), _held_out(problem, recipe, device, ranks)
    _check_iterate(problem, recipe)
    with randomness.isolated(randomness.derive_seed(seed, "noise"), device), problem.learner(network) as learner:
        state = State(network, learner, problem, recipe, seed=seed, device=device, ranks=ranks)
        if checkpoint and (saved := checkpoint.load()) is not None:
            state.load_state_dict(saved)
        if not ranks.all(ranks.agreed(state.step) == state.step):  # and nobody saves before all have read
            raise OSError("the processes do not see one checkpoint; the folder must be one that all of them share")
        step = make_step(state, problem)
        on_epoch(state.history)
        while state.step < state.total_steps:
            for _ in _steps(state, step, problem, train, held_out, seed=seed):
                if state.step % state.steps_per_epoch == 0:
                    _end_epoch(state, problem, robust_k)
                    on_epoch(state.history)
                if checkpoint and ranks.is_first:
                    checkpoint.save_if_due(state.state_dict)
                on_step(state.step, state.total_steps)
                yield from _pause(state, checkpoint)
    return Result(_iterate(state), state.history, multipliers(problem.objective))


def multipliers(objective: Objective) -> Tensor:
    """Where they stand, ``(G,)``, or ``(K, G)`` of several objectives; on the CPU."""
    weights = objective.weights.cpu()
    return weights if objective.heads == 1 else weights.view(objective.heads, -1)


def _check_iterate(problem: Problem, recipe: Recipe) -> None:
    if recipe.iterate == "best" and problem.task.validation is None:
        raise ValueError("iterate 'best' needs a validation set, got None")
    if recipe.iterate != "last" and problem.objective.heads > 1:
        raise ValueError(f"a frontier is its last iterate; iterate must be 'last', got {recipe.iterate!r}")


def _pause(state: State, checkpoint: Checkpoint | None) -> Turns[None]:
    try:
        yield
    except GeneratorExit:
        if checkpoint and state.ranks.is_first:
            checkpoint.save(state.state_dict())
        raise


def _steps(
    state: State, step: Step, problem: Problem, train: Examples, held_out: HeldOut | None, *, seed: int
) -> Iterator[None]:
    """The training steps from here to the end of the epoch; yields after each."""
    rows, draws = _epoch(state, problem, train, seed)
    state.network.train()
    state.seed_noise()
    for batch, inputs in zip(rows, train.batches(rows, draws), strict=True):
        if held_out is not None and state.update_is_due:
            state.gains = held_out.gains(state.network, state.generator)
            state.objective.ascend(state.gains)
        state.set_learning_rate()
        state.losses.append(state.ranks.mean(step(batch, inputs.to(state.device, non_blocking=True))))
        state.step += 1
        state.keep_iterate()
        yield
        state.seed_noise()


def _end_epoch(state: State, problem: Problem, robust_k: int) -> None:
    """Look at the losses of the epoch, which is the only time that the host waits for them, and write them down."""
    losses = torch.stack(state.losses).tolist()
    state.losses = []
    state.ranks.share_buffers(state.network)
    for position, loss in enumerate(losses):
        if not math.isfinite(loss):
            step = state.step - state.steps_per_epoch + position
            raise FloatingPointError(
                divergence(
                    loss,
                    step,
                    epoch=f"{state.epoch} of {state.recipe.epochs}",
                    learning_rate=state.peak_rates[0],
                    train=problem.task.train,
                )
            )
    record: dict[str, Any] = {"epoch": state.epoch, "step": state.step, "loss": sum(losses) / len(losses)}
    record["learning_rate"] = float(state.optimiser.param_groups[0]["lr"])
    if state.gains is not None:
        parts = zip(
            *(each.chunk(problem.objective.heads) for each in (state.objective.weights, state.gains)), strict=True
        )
        told = [_adversary(*part) for part in parts]
        record |= told[0] if len(told) == 1 else {name: [each[name] for each in told] for name in told[0]}
    if state.recipe.iterate == "best" and problem.task.validation is not None:
        scores = scores_of(state.network, problem.task.validation, state.ranks)
        metrics = group_metrics(scores, problem.task.validation, problem.task)
        state.keep_best((worst_k(metrics.recalls, robust_k), metrics.average_accuracy))
        record["validation_average_accuracy"] = metrics.average_accuracy
        record["validation_worst_class_accuracy"] = metrics.worst_class_accuracy
    state.history.append(record)


def _adversary(weights: Tensor, gains: Tensor) -> dict[str, Any]:
    """Multipliers and the errors that moved them last; the gap is what the adversary could still gain."""
    weights, gains = weights.cpu().double(), gains.cpu().double()
    present = ~gains.isnan()
    gap = gains[present].max() - weights[present] @ gains[present] / weights[present].sum()
    shown = [None if math.isnan(gain) else gain for gain in gains.tolist()]
    return {"multipliers": weights.tolist(), "class_errors": shown, "gap": gap.item()}


def _iterate(state: State) -> nn.Module:
    if state.recipe.iterate == "averaged":
        return AverageOfScores(state.network, state.iterates).to(state.device).eval()
    if state.recipe.iterate == "best" and state.best is not None:
        state.network.load_state_dict(state.best["network"])
    return state.network.eval()


def _held_out(problem: Problem, recipe: Recipe, device: torch.device, ranks: Ranks) -> HeldOut | None:
    if problem.task.validation is None or problem.validation_targets is None:
        return None
    return HeldOut(
        problem.task.validation.to(device),
        problem.validation_targets.to(device),
        attributes=problem.task.attributes(problem.task.validation),
        shape=problem.objective.shape,
        heads=problem.objective.heads,
        most=recipe.update_examples,
        gain=recipe.gain,
        device=device,
        bf16=recipe.precision == "bf16",
        ranks=ranks,
    )


def _epoch(state: State, problem: Problem, train: Examples, seed: int) -> tuple[list[Tensor], list[Tensor]]:
    """What is left of this epoch for this process: row numbers on the device, and what augmenting them needs.

    Both are functions of the seed and the epoch, so that resuming needs no state and processes need not talk.
    """
    size, epoch = state.batch_size, state.epoch
    rows = epoch_order(len(train), problem.task.shares, randomness.generator(seed, "order", epoch)).to(state.device)
    draws = train.draws(len(rows), randomness.generator(seed, "augmentation", epoch)).to(state.device)
    rest = slice(state.step % state.steps_per_epoch, state.steps_per_epoch)
    mine = [[state.ranks.share(part) for part in whole.split(size)[rest]] for whole in (rows, draws)]
    return mine[0], mine[1]
