"""Whether exported files give the scores of the run that they were made from, on real examples."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from evendistill.data.examples import Examples
from evendistill.experiments.export.onnxfile import INPUTS, SCORES
from evendistill.experiments.export.packages import needed
from evendistill.models.inference import scores_over

TOLERANCE = 1e-4  # of the scale of the scores
MOST_EXAMPLES = 512
BATCH_SIZES = (1, 7, 64)


class DisagreementError(RuntimeError):
    """An exported file gives other scores than its run."""


@dataclass(frozen=True)
class Agreement:
    """How far scores are from those of the run.

    Attributes:
        examples: that were compared.
        difference: the largest between two scores.
        scale: of the scores: their root mean square about the mean of each example.
    """

    examples: int
    difference: float
    scale: float

    @property
    def relative(self) -> float:
        """The largest difference as a share of the scale."""
        return self.difference / max(self.scale, torch.finfo(torch.float32).tiny)


def compare(found: Tensor, expected: Tensor, name: str) -> Agreement:
    """Compare scores ``(N, C)`` with what they should be.

    Args:
        found: of the exported file.
        expected: of the run.
        name: of the file, for messages.

    Raises:
        DisagreementError: if a score is off by more than 1e-4 of the scale, or another class is the first where the
            first two are further apart than that.
    """
    found, expected = found.double(), expected.double()
    if found.shape != expected.shape:
        raise DisagreementError(f"{name} gives scores {tuple(found.shape)}, the run {tuple(expected.shape)}")
    about = expected - expected.mean(dim=1, keepdim=True)
    scale = about.square().mean().sqrt().item()
    agreement = Agreement(len(found), (found - expected).abs().max().item(), scale)
    if not agreement.relative <= TOLERANCE:  # NaN is no agreement
        told = f"by up to {agreement.difference:.3g}, {agreement.relative:.3g} of their scale {scale:.3g}"
        raise DisagreementError(f"{name} gives other scores than the run, {told}; nothing was exported")
    first, second = expected.topk(2, dim=1).values.unbind(1)
    is_other = found.argmax(dim=1) != expected.argmax(dim=1)
    if bool((is_other & (first - second > TOLERANCE * scale)).any()):
        raise DisagreementError(f"{name} puts another class first than the run; nothing was exported")
    return agreement


def some_rows(examples: Examples) -> Tensor:
    """Numbers of up to 512 examples, spread evenly over all: they may lie sorted by class."""
    return torch.linspace(0, len(examples) - 1, min(len(examples), MOST_EXAMPLES)).round().long()


def in_batches(rows: Tensor) -> list[Tensor]:
    """These rows one alone, seven together, and the others by 64."""
    one, seven, most = BATCH_SIZES
    batches = [rows[:one], rows[one : one + seven], *rows[one + seven :].split(most)]
    return [batch for batch in batches if len(batch)]


def inputs_at(examples: Examples, rows: Tensor) -> list[Tensor]:
    """The inputs of these rows in a batch of 1, one of 7, and others of 64."""
    return list(examples.batches(in_batches(rows)))


def torch_scores(network: nn.Module, inputs: Iterable[Tensor]) -> Tensor:
    """Scores ``(N, C)`` of a network on the CPU over batches."""
    return scores_over(network, inputs, device=torch.device("cpu"))


def onnx_scores(path: Path, inputs: Sequence[Tensor]) -> Tensor:
    """Scores ``(N, C)`` of an ONNX file over batches, by onnxruntime."""
    onnxruntime = needed("onnxruntime", "checking ONNX", "onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors: it notes how it optimises
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return torch.cat(
        [torch.from_numpy(session.run([SCORES], {INPUTS: batch.contiguous().numpy()})[0]) for batch in inputs]
    )
