"""Small smooth problems solved whole: a few variables, every example at once, in float64."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def minimise(variables: Sequence[Tensor], loss: Callable[[], Tensor], *, steps: int) -> None:
    """Move the variables, which need gradients, to where the loss is least, or so many L-BFGS steps towards it."""
    optimiser = torch.optim.LBFGS(list(variables), max_iter=steps, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()
        return value

    optimiser.step(closure)
