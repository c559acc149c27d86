"""What the loop asks of an objective, bound or still a description."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Objective(Protocol):
    """A loss to descend on training batches, with errors to ascend on held-out examples.

    Implementations are ``nn.Module`` whose buffers hold all that moves, so that a checkpoint saves it.
    """

    @property
    def is_adversarial(self) -> bool:
        """Whether :meth:`ascend` does anything; if not, no validation pass is made."""
        ...

    @property
    def reads_labels(self) -> bool:
        """Whether the loss needs the true labels of a batch beside its targets."""
        ...

    @property
    def needs_whole_batch(self) -> bool:
        """Whether the loss is more than a mean over examples, so that processes cannot share a batch."""
        ...

    @property
    def heads(self) -> int:
        """K, for how many objectives the network gives scores, ``(B, K C)``; 1 but for a frontier."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the multipliers, see :func:`evendistill.maths.groups.table_shape`."""
        ...

    @property
    def weights(self) -> Tensor:
        """The multipliers, ``(G,)`` on the simplex: one a class, or one a group; ``(K G,)`` of several objectives."""
        ...

    def __call__(
        self, scores: Tensor, targets: Tensor, labels: Tensor | None = None, attributes: Tensor | None = None
    ) -> Tensor:
        """Scalar to descend on a training batch.

        Args:
            scores: ``(B, C)`` raw.
            targets: ``(B, C)`` or ``(B,)``.
            labels: ``(B,)`` true labels, for objectives that read them.
            attributes: ``(B,)``, for groups that are not classes.
        """
        ...

    def ascend(self, errors: Tensor) -> None:
        """Move the multipliers by held-out errors ``(K G,)``, NaN for absent groups."""
        ...


@dataclass(frozen=True, eq=False)
class Facts:
    """What an objective may ask of the training set beside its priors.

    Attributes:
        counts: ``(G,)`` training examples of each group, by true label.
        class_counts: ``(C,)`` training examples of each class.
        temperature: that of the teacher's training targets.
        margins: gives ``(C,)`` margins of the teacher, see :func:`evendistill.maths.margins.margins_of_classes`; None
            if there is no teacher. Asked only by those who need them: it is a pass over the training scores.
    """

    counts: Tensor | None = None
    class_counts: Tensor | None = None
    temperature: float = 1.0
    margins: Callable[[], Tensor | None] = lambda: None


NO_FACTS = Facts()


class Description(Protocol):
    """An objective before it knows its data: frozen, comparable, cheap."""

    @property
    def is_adversarial(self) -> bool:
        """Whether held-out errors move its multipliers, so that it needs a validation set."""
        ...

    def bind(self, log_priors: Tensor, *, step_size: float, facts: Facts = NO_FACTS) -> "BoundObjective":
        """Make the objective for its training targets.

        Args:
            log_priors: log of the targets' mean over the training set, in the shape of the groups: ``(C,)`` for
                classes, else as :func:`evendistill.maths.groups.table_shape` says.
            step_size: of multipliers that held-out errors move.
            facts: more of the training set.
        """
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
