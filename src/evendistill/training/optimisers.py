"""The optimiser that a recipe names."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from evendistill.training.recipe import Recipe


def make_optimiser(parameters: Iterable[nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    """SGD, AdamW or the user's own, its learning rates at their peak; ours take one kernel for all parameters.

    Raises:
        ValueError: if an own optimiser is none.
    """
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            _groups(parameters, recipe),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(
            _groups(parameters, recipe), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
    optimiser = recipe.optimizer(parameters) if callable(recipe.optimizer) else None
    if not isinstance(optimiser, torch.optim.Optimizer):
        raise ValueError(f"optimizer must return a torch.optim.Optimizer, got {type(optimiser).__name__}")
    return optimiser


def _groups(parameters: Iterable[nn.Parameter], recipe: Recipe) -> list[dict[str, Any]]:
    """Parameters with the weight decay that acts on them."""
    if recipe.decayed == "all":
        return [{"params": list(parameters)}]
    matrices, others = [], []
    for parameter in parameters:
        (matrices if parameter.ndim > 1 else others).append(parameter)
    return [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
