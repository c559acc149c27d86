"""What the loop asks of an objective, bound or still a description."""

from typing import Protocol

import torch
from torch import Tensor


class Objective(Protocol):
    """A loss to descend on training batches, with class errors to ascend on held-out examples.

    Implementations are ``nn.Module`` whose buffers hold all that moves, so that a checkpoint saves it.
    """

    @property
    def is_adversarial(self) -> bool:
        """Whether :meth:`ascend` does anything; if not, no validation pass is made."""
        ...

    @property
    def weights(self) -> Tensor:
        """The multipliers, ``(C,)`` on the simplex."""
        ...

    def __call__(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Scalar to descend on a training batch, from raw scores ``(B, C)`` and targets ``(B, C)`` or ``(B,)``."""
        ...

    def ascend(self, errors: Tensor) -> None:
        """Move the multipliers by held-out class errors ``(C,)``, NaN for absent classes."""
        ...


class Description(Protocol):
    """An objective before it knows its data: frozen, comparable, cheap."""

    @property
    def is_adversarial(self) -> bool:
        """Whether its multipliers have a say, so that it needs a validation set."""
        ...

    def bind(self, log_priors: Tensor, *, step_size: float) -> "BoundObjective":
        """Make the objective for targets whose mean over the training set is ``exp(log_priors)``, ``(C,)``."""
        ...


class BoundObjective(Objective, Protocol):
    """The part of ``nn.Module`` that the loop uses beside :class:`Objective`."""

    def to(self, device: torch.device) -> "BoundObjective":
        """The objective with its buffers on ``device``."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """All that moves."""
        ...

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> object:
        """Take back what :meth:`state_dict` gave."""
        ...
