"""What a user brings to a training, looked at before it begins: networks, labels, and whether data are held out."""

import inspect
import warnings

import torch
from torch import Tensor, nn

from evendistill.data.examples import Examples
from evendistill.maths.simplex import are_probabilities
from evendistill.models.inference import scores_over

WANTED = {
    torch.uint8: "pixels from 0 to 255 want x.float() / 255 (a numpy array: x.astype('float32') / 255)",
    torch.float64: "the network's weights want x.float()",
}


def checked_network(network: object, role: str, *, instead: str = "") -> nn.Module:
    """The network; raise ``ValueError`` unless it is a network; a class in the place of a network is the usual slip."""
    if inspect.isclass(network):
        raise ValueError(
            f"{role} must be a network, got the class {network.__name__}; make one: {network.__name__}(...)"
        )
    if not isinstance(network, nn.Module):
        raise ValueError(f"{role} must be a torch.nn.Module{instead}, got {type(network).__name__}")
    return network


def tried(network: nn.Module, inputs: Tensor, device: torch.device) -> int:
    """C, the number of scores that the network gives; it is tried on a few inputs.

    Raises:
        ValueError: if it cannot take them, with what would be right where the type of the inputs tells.

    Warns:
        UserWarning: if its scores are probabilities.
    """
    try:
        scores = scores_over(network, [inputs], device=device)
    except (RuntimeError, TypeError) as error:
        kind, shape = str(inputs.dtype).removeprefix("torch."), tuple(inputs.shape)
        hint = f"; {WANTED[inputs.dtype]}" if inputs.dtype in WANTED else ""
        what = f"the network cannot take inputs of {kind} {shape}: {str(error).splitlines()[0]}{hint}"
        raise ValueError(what) from None
    warn_of_probabilities(scores)
    return scores.shape[1]


def warn_of_probabilities(scores: Tensor) -> None:
    """Warn if what a network gives are no raw scores ``(B, C)``: under a second softmax it would hardly learn."""
    if are_probabilities(scores):
        warnings.warn(
            "the network's scores are probabilities: each row is positive and sums to 1. Training wants raw scores "
            "(logits); drop the softmax at its end",
            stacklevel=5,
        )


def check_examples(train: Examples, validation: Examples | None, width: int) -> None:
    """Look at the data beside what the network gives.

    Raises:
        ValueError: if a label has no score.

    Warns:
        UserWarning: if validation holds the very training examples.
    """
    _check_label_range("train", train.labels, width)
    if validation is not None:
        _check_label_range("validation", validation.labels, width)
        _warn_if_not_held_out(train, validation)


def _check_label_range(split: str, labels: Tensor, width: int) -> None:
    rows = ((labels < 0) | (labels >= width)).nonzero()
    if len(rows):
        row = int(rows[0])
        raise ValueError(
            f"{split}: label {int(labels[row])} in row {row} is out of range: the network gives {width} scores, for "
            f"labels 0 to {width - 1}; either the labels or the network's number of outputs is wrong"
        )


def _warn_if_not_held_out(train: Examples, validation: Examples) -> None:
    if len(train) != len(validation) or not torch.equal(train.labels.cpu(), validation.labels.cpu()):
        return  # only what may be alike is hashed
    if train is validation or train.fingerprint() == validation.fingerprint():
        warnings.warn(
            "the validation examples are the training examples: what is fitted has few errors left there, so "
            "multipliers and the best iterate go astray; give examples that are held out",
            stacklevel=5,
        )
