"""The learning rate as a pure function of the step."""

import math

from evendistill.training.recipe import Recipe

STEP_FACTOR = 0.1


def learning_rate_factor(step: int, recipe: Recipe, steps_per_epoch: int) -> float:
    """What multiplies the peak learning rate in this training step.

    Linear warm-up over ``warmup_epochs``, then the schedule. The step schedule falls tenfold once each milestone epoch
    is over, counted from the start of training (Wang et al. 2023, appendix E.2).

    Args:
        step: training steps taken so far.
        recipe: gives the schedule.
        steps_per_epoch: training steps in an epoch.

    Returns:
        A number in (0, 1].

    Example:
        >>> recipe = Recipe(epochs=4, schedule="step", milestones=(2,), warmup_epochs=1)
        >>> [round(learning_rate_factor(step, recipe, steps_per_epoch=2), 3) for step in range(8)]
        [0.5, 1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1]
    """
    warmup = recipe.warmup_epochs * steps_per_epoch
    if step < warmup:
        return (step + 1) / warmup
    if recipe.schedule == "cosine":
        total = recipe.epochs * steps_per_epoch
        return (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2
    if recipe.schedule == "step":
        return STEP_FACTOR ** sum(step >= milestone * steps_per_epoch for milestone in recipe.milestones)
    return 1.0
