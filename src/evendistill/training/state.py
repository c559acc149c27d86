"""All that moves during a run: what a checkpoint must hold for the rest to follow bit for bit."""

import copy
import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from evendistill.distillation.problem import Problem
from evendistill.models.ranks import Ranks
from evendistill.training import randomness
from evendistill.training.optimisers import make_optimiser
from evendistill.training.recipe import Recipe
from evendistill.training.schedule import learning_rate_factor

MOST_AVERAGED_BYTES = 4 * 2**30


class State:
    """A network, its optimiser, the multipliers, and how far they have come.

    Args:
        network: on ``device``; trained in place.
        learner: what descends, the network and what it has in training alone; the network itself if it has nothing.
        problem: what to optimise.
        recipe: how.
        seed: of the held-out subsets, and of what processes after the first draw at random.
        device: where the network is.
        ranks: who trains it together.

    Raises:
        ValueError: if a batch is smaller than the number of processes, or the averaged iterate would keep more networks
            than memory should be asked for.
    """

    def __init__(
        self,
        network: nn.Module,
        learner: nn.Module,
        problem: Problem,
        recipe: Recipe,
        *,
        seed: int,
        device: torch.device,
        ranks: Ranks = Ranks(),  # noqa: B008 - frozen
    ) -> None:
        self.network = network
        self.learner = learner
        self.ranks = ranks
        self._seed = seed
        self.objective = problem.objective
        self.recipe = recipe
        self.device = device
        self.optimiser = make_optimiser(learner.parameters(), recipe)
        self.peak_rates = [group["lr"] for group in self.optimiser.param_groups]
        self.generator = randomness.generator(seed, "held-out")
        self.batch_size = min(recipe.batch_size, len(problem.task.train))
        if self.batch_size < ranks.size:
            raise ValueError(f"batch_size must be at least the {ranks.size} processes, got {self.batch_size}")
        self.steps_per_epoch = len(problem.task.train) // self.batch_size
        self.total_steps = recipe.epochs * self.steps_per_epoch
        self.step = 0
        self.losses: list[Tensor] = []  # of this epoch, left on the device: looking at one would wait for it
        self.gains: Tensor | None = None
        self.history: list[dict[str, Any]] = []
        self.iterates: list[dict[str, Tensor]] = []
        self.best: dict[str, Any] | None = None
        self._check_memory()
        # the network is kept and evaluated bare; only training steps go through what wraps it
        self.forward = ranks.wrapped(learner)
        if recipe.compile:
            self.forward = torch.compile(self.forward)

    def precision(self) -> AbstractContextManager[object]:
        """Autocast to bfloat16, or nothing at all: even a disabled autocast costs time."""
        if self.recipe.precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return nullcontext()

    @property
    def epoch(self) -> int:
        """Epochs completed."""
        return self.step // self.steps_per_epoch

    @property
    def update_is_due(self) -> bool:
        """Whether the multipliers move before this training step."""
        return self.objective.is_adversarial and self._counter % self.recipe.update_every == 0

    @property
    def _counter(self) -> int:
        return self.step if self.recipe.update_phase == "global" else self.step % self.steps_per_epoch

    def set_learning_rate(self) -> None:
        """Put the schedule's rate of this step into the optimiser."""
        factor = learning_rate_factor(self.step, self.recipe, self.steps_per_epoch)
        for group, peak in zip(self.optimiser.param_groups, self.peak_rates, strict=True):
            if isinstance(group["lr"], Tensor):  # a recorded step reads it where it is
                group["lr"].fill_(peak * factor)
            else:
                group["lr"] = peak * factor

    def hold_learning_rate(self) -> None:
        """Keep the learning rates on the device, for steps that are recorded and replayed."""
        for group in self.optimiser.param_groups:
            group["lr"] = torch.tensor(float(group["lr"]), device=self.device)

    def seed_noise(self) -> None:
        """Before each step, what processes after the first draw at random begins anew, as a function of the step.

        The first goes on where it was. So resuming repeats all, though checkpoints hold generators of the first alone.
        """
        if not self.ranks.is_first:
            randomness.seed_all(randomness.derive_seed(self._seed, "noise", self.ranks.rank, self.step))

    def keep_iterate(self) -> None:
        """At the end of a period of ``update_every`` steps, keep the network for the averaged scorer."""
        ends = self._counter % self.recipe.update_every == 0 or self.step == self.total_steps
        if self.recipe.iterate == "averaged" and ends:
            self.ranks.share_buffers(self.network)
            self.iterates.append(_copied(self.network))

    def keep_best(self, merit: tuple[float, float]) -> None:
        """Keep the network if its validation merit beats all before; the earlier of equals stays."""
        if self.best is None or merit > tuple(self.best["merit"]):
            self.best = {"merit": list(merit), "network": _copied(self.network), "step": self.step}

    def state_dict(self) -> dict[str, Any]:
        """Everything, in types that load without running code."""
        return {
            "network": self.learner.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "objective": self.objective.state_dict(),
            "generator": self.generator.get_state(),
            "randomness": randomness.capture(self.device),
            "step": self.step,
            "losses": torch.stack(self.losses) if self.losses else None,
            "gains": self.gains,
            "history": self.history,
            "iterates": self.iterates,
            "best": self.best,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave; the global generators too."""
        self.learner.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.objective.load_state_dict(state["objective"])
        self.generator.set_state(state["generator"])
        self.step = state["step"]
        self.losses = [] if state["losses"] is None else list(state["losses"].to(self.device))
        self.gains = state["gains"]
        self.history = state["history"]
        self.iterates = state["iterates"]
        self.best = state["best"]
        if self.ranks.is_first:
            randomness.restore(state["randomness"], self.device)

    def _check_memory(self) -> None:
        if self.recipe.iterate != "averaged":
            return
        size = sum(tensor.numel() * tensor.element_size() for tensor in self.network.state_dict().values())
        count = math.ceil(self.total_steps / self.recipe.update_every)
        if self.recipe.update_phase == "epoch":
            count = self.recipe.epochs * math.ceil(self.steps_per_epoch / self.recipe.update_every)
        if size * count > MOST_AVERAGED_BYTES:
            raise ValueError(
                f"iterate 'averaged' would keep {count} networks of {size / 2**20:.1f} MiB; raise update_every "
                f"(now {self.recipe.update_every}) or take 'last'"
            )


def _copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: copy.deepcopy(tensor.detach().cpu()) for name, tensor in network.state_dict().items()}
