"""One training step: done as it stands, or recorded once on a GPU and replayed."""

from typing import Protocol

import torch
from torch import Tensor

from evendistill.distillation.problem import Problem
from evendistill.training.state import State

WARM_UP_STEPS = 3


class Step(Protocol):
    """Descends on a batch and gives its loss, a scalar that nobody has waited for."""

    def __call__(self, rows: Tensor, inputs: Tensor) -> Tensor:
        """Row numbers ``(B,)`` and inputs ``(B, ...)`` of the batch."""
        ...


def make_step(state: State, problem: Problem) -> Step:
    """The step that recipe and device ask for.

    Raises:
        ValueError: if processes are to share batches that the objective needs whole, or a step that is captured.
    """
    if problem.objective.needs_whole_batch and state.ranks.size > 1:
        raise ValueError(f"this objective weighs whole batches; train it in one process, got {state.ranks.size}")
    if state.recipe.capture and state.device.type == "cuda":
        return CapturedStep(state, problem)
    return EagerStep(state, problem)


class EagerStep:
    """Every operation is launched as it comes.

    Args:
        state: what moves.
        problem: gives targets and loss.
    """

    def __init__(self, state: State, problem: Problem) -> None:
        self._state = state
        self._problem = problem

    def __call__(self, rows: Tensor, inputs: Tensor) -> Tensor:
        """Descend on a batch."""
        self._state.optimiser.zero_grad(set_to_none=True)
        return self.descend(rows, inputs)

    def descend(self, rows: Tensor, inputs: Tensor) -> Tensor:
        """The same, for gradients that are none or may be overwritten."""
        state = self._state
        with state.precision():
            scores = state.forward(inputs)
        loss = self._problem.loss(scores, rows, inputs)
        if state.ranks.size > 1:
            loss = loss * state.ranks.weight(state.batch_size)
        loss.backward()
        state.optimiser.step()
        return loss.detach()


class CapturedStep:
    """The operations of a step as one CUDA graph: a small network is bound by launching its hundreds of kernels.

    The first steps are eager, as capturing needs; the graph then reads rows, inputs and the learning rate from tensors
    that stay where they are. Costs and multipliers do so anyway.

    Args:
        state: what moves; on a GPU, trained by one process.
        problem: gives targets and loss.

    Raises:
        ValueError: if several processes train together.
    """

    def __init__(self, state: State, problem: Problem) -> None:
        if state.ranks.size > 1:
            raise ValueError(f"capture is for one process a GPU, got {state.ranks.size} that train together")
        self._state = state
        self._eager = EagerStep(state, problem)
        self._steps = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        state.hold_learning_rate()

    def __call__(self, rows: Tensor, inputs: Tensor) -> Tensor:
        """Descend on a batch."""
        self._steps += 1
        if self._steps <= WARM_UP_STEPS:
            return self._eager(rows, inputs)
        if self._graph is None:
            self._record(rows, inputs)
        self._rows.copy_(rows)
        self._inputs.copy_(inputs)
        self._replay()
        return self._loss.clone()

    def _record(self, rows: Tensor, inputs: Tensor) -> None:
        self._rows, self._inputs = rows.clone(), inputs.clone()
        self._state.optimiser.zero_grad(set_to_none=True)  # recorded gradients are overwritten, not added to
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):  # records, does not run
            self._loss = self._eager.descend(self._rows, self._inputs)
        self._graph = graph

    def _replay(self) -> None:
        if self._graph is not None:
            self._graph.replay()
