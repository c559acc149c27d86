"""The loop: one for teacher and student, for every objective."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from evendistill.data.examples import ArrayDataset, Examples
from evendistill.distillation.problem import Problem
from evendistill.maths.metrics import Metrics, class_counts, worst_k
from evendistill.models.average import AverageOfScores
from evendistill.training import randomness
from evendistill.training.checkpoint import Checkpoint
from evendistill.training.evaluation import scores_of
from evendistill.training.heldout import HeldOut
from evendistill.training.recipe import Recipe
from evendistill.training.result import Result
from evendistill.training.state import State


def fit(
    network: nn.Module,
    problem: Problem,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device,
    checkpoint: Checkpoint | None = None,
    robust_k: int = 1,
    on_step: Callable[[int, int], None] = lambda done, total: None,
    on_epoch: Callable[[list[dict[str, Any]]], None] = lambda history: None,
) -> Result:
    """Train a network on a problem.

    Args:
        network: trained in place, moved to ``device``.
        problem: what to optimise.
        recipe: how.
        seed: of the order of examples, of held-out subsets, and of what the network or the data draw at random.
        device: to train on.
        checkpoint: to resume from and to save to.
        robust_k: the best iterate has the largest mean of the ``robust_k`` least validation recalls.
        on_step: called with steps done and steps in all, after each.
        on_epoch: called with the history so far, after each epoch and after resuming.

    Returns:
        The iterate that the recipe asks for, with its history.

    Raises:
        FloatingPointError: if the loss is no longer finite, saying where.
        ValueError: if the best iterate is asked for without a validation set.
    """
    network.to(device)
    train, held_out = _on_device(problem.task.train, device), _held_out(problem, recipe, device)
    if recipe.iterate == "best" and problem.task.validation is None:
        raise ValueError("iterate 'best' needs a validation set, got None")
    with randomness.isolated(randomness.derive_seed(seed, "noise"), device):
        state = State(network, problem, recipe, seed=seed, device=device)
        if checkpoint and (saved := checkpoint.load()) is not None:
            state.load_state_dict(saved)
        on_epoch(state.history)
        while state.step < state.total_steps:
            for _ in _steps(state, problem, train, held_out, seed=seed):
                if state.step % state.steps_per_epoch == 0:
                    _end_epoch(state, problem, robust_k)
                    on_epoch(state.history)
                if checkpoint:
                    checkpoint.save_if_due(state.state_dict)
                on_step(state.step, state.total_steps)
        return Result(_iterate(state), state.history, state.objective.weights.cpu())


def _steps(state: State, problem: Problem, train: Examples, held_out: HeldOut | None, *, seed: int):  # noqa: ANN202
    """The training steps from here to the end of the epoch; yields after each."""
    rows = _order(len(train), seed, state.epoch).split(state.batch_size)
    rest = rows[state.step % state.steps_per_epoch : state.steps_per_epoch]
    state.network.train()
    for batch, inputs in zip(rest, train.batches(rest), strict=True):
        if held_out is not None and state.update_is_due:
            state.gains = held_out.gains(state.network, state.generator)
            state.objective.ascend(state.gains)
        loss = _descend(state, problem, batch.to(state.device), inputs.to(state.device, non_blocking=True))
        state.losses.append(loss)
        state.step += 1
        state.keep_iterate()
        yield


def _descend(state: State, problem: Problem, rows: Tensor, inputs: Tensor) -> Tensor:
    state.set_learning_rate()
    with state.precision():
        scores = state.network(inputs)
    loss = state.objective(scores, problem.labeller.targets(rows, inputs))
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    state.optimiser.step()
    return loss.detach()


def _end_epoch(state: State, problem: Problem, robust_k: int) -> None:
    """Look at the losses of the epoch, which is the only time that the host waits for them, and write them down."""
    losses = torch.stack(state.losses).tolist()
    state.losses = []
    for position, loss in enumerate(losses):
        if not math.isfinite(loss):
            step = state.step - state.steps_per_epoch + position
            advice = f"a learning_rate below {state.peak_rates[0]:g} or a longer warm-up may help"
            if step == 0:
                advice = "no step was taken before, so look into the inputs and the initial weights"
            raise FloatingPointError(
                f"the loss became {loss} at training step {step} (epoch {state.epoch} of {state.recipe.epochs}); "
                f"{advice}"
            )
    record: dict[str, Any] = {"epoch": state.epoch, "step": state.step, "loss": sum(losses) / len(losses)}
    record["learning_rate"] = state.optimiser.param_groups[0]["lr"]
    if state.gains is not None:
        record |= _adversary(state.objective.weights, state.gains)
    if state.recipe.iterate == "best" and problem.task.validation is not None:
        scores = scores_of(state.network, problem.task.validation)
        metrics = Metrics(*class_counts(scores, problem.task.validation.labels))
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


def _held_out(problem: Problem, recipe: Recipe, device: torch.device) -> HeldOut | None:
    if problem.task.validation is None or problem.validation_targets is None:
        return None
    return HeldOut(
        _on_device(problem.task.validation, device),
        problem.validation_targets.to(device),
        most=recipe.update_examples,
        gain=recipe.gain,
        device=device,
        bf16=recipe.precision == "bf16",
    )


def _on_device(examples: Examples, device: torch.device) -> Examples:
    return examples.to(device) if isinstance(examples, ArrayDataset) else examples


def _order(count: int, seed: int, epoch: int) -> Tensor:
    """The order of the examples in one epoch: a function of the seed and the epoch, so that resuming needs no state."""
    return torch.randperm(count, generator=randomness.generator(seed, "order", epoch))
