"""What training gives back."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from evendistill.data.examples import as_examples
from evendistill.maths.metrics import Metrics
from evendistill.training.evaluation import evaluate, scores_of


@dataclass(frozen=True, eq=False)
class Result:
    """A trained network and how it got there.

    Attributes:
        model: in eval mode, on the device it was trained on.
        history: one record an epoch: ``epoch``, ``step``, ``loss``, ``learning_rate``; where multipliers move also
            ``multipliers``, the ``class_errors`` that moved them last, and the ``gap`` between the largest class error
            and their weighted mean, which shrinks as the game settles.
        multipliers: ``(C,)`` at the end; uniform where none moved.
    """

    model: nn.Module
    history: list[dict[str, Any]]
    multipliers: Tensor

    def scores(self, dataset: object) -> Tensor:
        """Raw scores ``(N, C)`` over a data set or a pair of arrays, in its order, on the CPU."""
        return scores_of(self.model, as_examples(dataset))

    def evaluate(self, dataset: object) -> Metrics:
        """Per-class metrics on a data set or a pair of arrays."""
        examples = as_examples(dataset)
        return evaluate(scores_of(self.model, examples), examples.labels)
