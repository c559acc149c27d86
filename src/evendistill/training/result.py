"""What training gives back."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from evendistill.data.examples import as_examples
from evendistill.maths.metrics import Metrics
from evendistill.models.conditioned import Conditioned
from evendistill.training.evaluation import evaluate, scores_of


@dataclass(frozen=True, eq=False)
class Result:
    """A trained network and how it got there.

    Attributes:
        model: in eval mode, on the device it was trained on.
        history: one record an epoch: ``epoch``, ``step``, ``loss``, ``learning_rate``; where multipliers move also
            ``multipliers``, the ``class_errors`` that moved them last, and the ``gap`` between the largest class error
            and their weighted mean, which shrinks as the game settles.
        multipliers: ``(C,)`` at the end; uniform where none moved. ``(K, C)`` of a frontier.
    """

    model: nn.Module
    history: list[dict[str, Any]]
    multipliers: Tensor

    def __repr__(self) -> str:
        loss = f", loss={self.history[-1]['loss']:.4g}" if self.history else ""
        shape = tuple(self.multipliers.shape)
        return f"Result(model={type(self.model).__name__}, epochs={len(self.history)}{loss}, multipliers={shape})"

    def at(self, alpha: float) -> nn.Module:
        """One student of a frontier: a plain network in eval mode, with no trace of the others.

        Args:
            alpha: any within those that were trained; between two of them the last layer is interpolated.

        Raises:
            ValueError: if one objective alone was trained, or ``alpha`` lies outside.
        """
        if not isinstance(self.model, Conditioned):
            raise ValueError(
                "this is not the network of several trade-offs, which ed.FrontierObjective trains with iterate='last'"
            )
        return self.model.at(alpha)

    def scores(self, dataset: object) -> Tensor:
        """Raw scores ``(N, C)`` over a data set or a pair of arrays, in its order, on the CPU.

        Of a frontier they are ``(N, K C)``, those of one trade-off after another.

        Raises:
            ValueError: if inputs hold NaN or infinity, naming the first example.
        """
        return scores_of(self.model, as_examples(dataset))

    def evaluate(self, dataset: object) -> Metrics:
        """Per-class metrics on a data set or a pair of arrays.

        Raises:
            ValueError: of a frontier, which is several networks, or if inputs hold NaN or infinity.
        """
        if isinstance(self.model, Conditioned) and len(self.model.alphas) > 1:
            raise ValueError("a frontier is several networks; evaluate one of them: result.at(alpha)")
        examples = as_examples(dataset)
        return evaluate(scores_of(self.model, examples), examples.labels)
