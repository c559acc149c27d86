"""The teacher: frozen, asked once, its raw scores kept on disk under the weights and data they belong to."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from evendistill.data.examples import Examples
from evendistill.maths.simplex import are_probabilities
from evendistill.models.inference import scores_at
from evendistill.models.ranks import Ranks
from evendistill.storage.files import digest, write_bytes
from evendistill.storage.tensors import read_sealed, sealed_bytes, tensor_bytes

SCORING_BATCH = 512


@dataclass(frozen=True, eq=False)
class TeacherScores:
    """A teacher's raw scores in place of the teacher, rows in the order of the data sets.

    Probabilities will do as well, as logarithms: ``TeacherScores(train=np.log(probabilities.clip(1e-6)))``.

    Attributes:
        train: ``(N, C)`` floating, tensor or array.
        validation: ``(M, C)`` floating; None if only true-labelled validation is wanted.

    Raises:
        ValueError: if a score is NaN or infinite (names the first row) or the two widths differ.

    Warns:
        UserWarning: if the scores are probabilities.
    """

    train: Tensor
    validation: Tensor | None = None

    def __post_init__(self) -> None:
        for split in ("train", "validation"):
            scores = getattr(self, split)
            if scores is not None:
                object.__setattr__(self, split, _checked(scores, split))
        if self.validation is not None and self.validation.shape[1] != self.train.shape[1]:
            raise ValueError(
                f"teacher scores have {self.train.shape[1]} classes on train, {self.validation.shape[1]} on validation"
            )
        if are_probabilities(self.train):
            warnings.warn(
                "teacher scores on train are probabilities: each row is positive and sums to 1. Give raw scores: drop "
                "the teacher's softmax, or take np.log(probabilities.clip(1e-6))",
                stacklevel=3,
            )

    @property
    def num_classes(self) -> int:
        """C."""
        return self.train.shape[1]


def frozen(teacher: nn.Module, device: torch.device) -> nn.Module:
    """A copy of the teacher on ``device``, in eval mode, that no gradient reaches; the caller's own is not touched."""
    return copy.deepcopy(teacher).to(device).eval().requires_grad_(False)


def weights_of(network: nn.Module) -> bytes:
    """What a safetensors file of its weights holds."""
    return tensor_bytes(network.state_dict())


def cache_file_name(kind: str, split: str, weights: bytes, fingerprint: str) -> str:
    """File name that fits one network's weights, as a safetensors file has them, on one data set alone."""
    return f"{kind}-{split}-{digest(weights + fingerprint.encode())[:16]}.safetensors"


def teacher_scores(
    teacher: nn.Module,
    train: Examples,
    validation: Examples | None,
    *,
    device: torch.device,
    folder: Path | None = None,
    bf16: bool = False,
    ranks: Ranks = Ranks(),  # noqa: B008 - frozen
) -> TeacherScores:
    """Raw scores of a frozen teacher over both data sets, from the folder's cache where they are there already.

    Args:
        teacher: on ``device``.
        train: un-augmented training examples.
        validation: held-out examples, or None.
        device: to compute on.
        folder: of the cache; None computes and keeps nothing.
        bf16: compute under bfloat16 autocast.
        ranks: who shares the work; the first keeps the cache. Every one of them must be at it.

    Returns:
        The scores, on ``device``.
    """

    def of(split: str, examples: Examples) -> Tensor:
        path = (
            None
            if folder is None
            else folder / cache_file_name("scores", split, weights_of(teacher), examples.fingerprint())
        )
        return kept_or_asked(path, "scores", examples, lambda: teacher, device=device, bf16=bf16, ranks=ranks)

    return TeacherScores(of("train", train), None if validation is None else of("validation", validation))


def kept_or_asked(
    path: Path | None,
    kind: str,
    examples: Examples,
    network: Callable[[], nn.Module],
    *,
    device: torch.device,
    bf16: bool = False,
    ranks: Ranks = Ranks(),  # noqa: B008 - frozen
) -> Tensor:
    """What a network gives for each example, from its file where it is there already; else it is computed and kept.

    Args:
        path: of the file; None keeps nothing.
        kind: what the file calls it.
        examples: to ask about.
        network: makes the one to ask, on ``device``; not called where the file is there.
        device: to compute on.
        bf16: compute under bfloat16 autocast.
        ranks: who shares the work; the first writes the file. Every one of them must be at it.

    Returns:
        ``(N, ...)`` in float32 or better, on ``device``.
    """
    kept = None if path is None else _read(path, kind, len(examples))
    is_everywhere = ranks.all(kept is not None)
    if kept is not None and is_everywhere:
        return kept.to(device)
    rows, batches = torch.arange(len(examples)), examples.to(device).batches
    values = scores_at(network(), rows, batches, batch_size=SCORING_BATCH, device=device, bf16=bf16, ranks=ranks)
    if path is not None and ranks.is_first:
        write_bytes(path, sealed_bytes({kind: values}))
    return values


def _read(path: Path, kind: str, rows: int) -> Tensor | None:
    """What the file holds, or None where there is none or it is damaged (with a warning): then it is computed anew."""
    try:
        values = read_sealed(path)[kind]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError) as error:
        what = f"{path} holds no {kind}" if isinstance(error, KeyError) else str(error)
        warnings.warn(f"{what}; what it should hold is computed anew", stacklevel=2)
        return None
    return values if len(values) == rows else None


def _checked(scores: object, split: str) -> Tensor:
    tensor = scores if isinstance(scores, Tensor) else torch.as_tensor(scores)
    if tensor.ndim != 2 or tensor.shape[1] < 2 or not tensor.is_floating_point():
        raise ValueError(
            f"teacher scores on {split} must be floating of shape (N, C), got {tensor.dtype} {tuple(tensor.shape)}"
        )
    rows = (~tensor.isfinite()).any(dim=1).nonzero()
    if len(rows):
        raise ValueError(f"teacher scores on {split} are not finite, first in row {int(rows[0])}")
    return tensor
