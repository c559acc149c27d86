"""What makes two calls the same run: a folder that was told another is refused."""

from dataclasses import asdict
from typing import Any

from torch import nn

from evendistill.distillation.task import Task
from evendistill.objectives.objective import Description
from evendistill.storage.files import digest, json_bytes
from evendistill.training.recipe import Recipe


def identity(network: nn.Module, task: Task, objective: Description, recipe: Recipe, seed: int) -> dict[str, Any]:
    """Network, data, objective, recipe and seed in plain JSON types.

    Of the network it is the shapes, not the initial weights, or an unseeded one would never resume.
    """
    told = asdict(recipe) | {"optimizer": recipe.optimizer if isinstance(recipe.optimizer, str) else "own"}
    del told["checkpoint_every"]
    shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    view = getattr(task.train, "view", None)  # the fingerprint knows nothing of augmentation
    grouping = {} if task.grouping == "class" else {"grouping": task.grouping}
    return (
        grouping
        | ({} if view is None else {"view": repr(view)})
        | {
            "network": digest(json_bytes(shapes)),
            "objective": repr(objective),
            "recipe": told,
            "seed": seed,
            "train": task.train.fingerprint(),
            "validation": None if task.validation is None else task.validation.fingerprint(),
        }
    )
