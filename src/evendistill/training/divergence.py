"""Why a loss is no longer finite, as far as can be said, and what may help."""

from evendistill.data.checked import first_not_finite
from evendistill.data.examples import Examples, in_order

READ_AT_ONCE = 256
USUAL_RATE = 0.1


def divergence(loss: float, step: int, *, epoch: str, learning_rate: float, train: Examples) -> str:
    """What to say of a loss that is no longer finite; the inputs are read once more, for they may be the cause.

    Args:
        loss: NaN or infinite.
        step: training steps before it.
        epoch: which of how many.
        learning_rate: at the peak of the schedule.
        train: what was trained on; data sets that draw at random are drawn anew.
    """
    row = first_not_finite(in_order(train, READ_AT_ONCE))
    if row is not None:
        advice = f"training example {row} has NaN or infinity in its inputs"
    elif step == 0:
        advice = "no step was taken before and all inputs are finite; look into their scale and the initial weights"
    else:
        smaller = min(learning_rate / 10, USUAL_RATE)
        advice = f"a learning_rate of {smaller:g} in place of {learning_rate:g}, or a longer warm-up, may help"
    return f"the loss became {loss} at training step {step} (epoch {epoch}); {advice}"
