"""Whether the network of a finished run still says what it said when trained: its code may have changed since."""

from pathlib import Path

import torch
from torch import Tensor, nn

from evendistill.data.examples import Examples
from evendistill.experiments.export.agreement import torch_scores
from evendistill.experiments.predictions import keeps_predictions, read_predictions
from evendistill.experiments.spec import OwnSpec, RunSpec

SLACK = 0.1
"""Of the scale of scores: nearer classes may change places on another device, or after bfloat16."""
FEW = 0.01
"""Of the examples, which may be off by more all the same."""


def contradiction(spec: RunSpec, network: nn.Module, test: Examples, runs: Path, batches: list[Tensor]) -> str | None:
    """Ask the network anew for test examples of which the run kept the class that it gave them.

    Weights say nothing of activations, strides or masks, which are code: a network that was edited may read the weights
    of the old one and give other scores. Runs of versions that kept no predictions pass, and so do networks that say
    something else each time they are asked.

    Args:
        spec: of the finished run.
        network: its own, with its weights.
        test: its examples.
        runs: folder of all runs.
        batches: numbers of the examples to ask about.

    Returns:
        What is wrong, if anything is: the examples have other labels, or more than a hundredth of them are put into
        another class than the run put them into, by more than a tenth of the scale of their scores.
    """
    if not keeps_predictions(spec, runs):
        return None
    recorded, labels = read_predictions(spec, runs)
    if not torch.equal(labels, test.labels.cpu().long()):
        return f"{spec.folder_name}: the test examples are not those that the run saw."
    scores = torch_scores(network, test.batches(batches)).double()
    scale = (scores - scores.mean(dim=1, keepdim=True)).square().mean().sqrt()
    behind = scores.max(dim=1).values - scores.gather(1, recorded[torch.cat(batches), None]).squeeze(1)
    others = int((~(behind <= SLACK * scale)).sum())  # NaN is another, too
    if others <= FEW * len(scores):
        return None
    again = torch_scores(network, test.batches(batches)).double()
    if not torch.equal(scores.nan_to_num(), again.nan_to_num()):
        return None
    whose = spec.network.path if isinstance(spec.network, OwnSpec) else f"of kind {spec.network.kind}"
    return (
        f"{spec.folder_name}: the network {whose} puts {others} of {len(scores)} test examples into another "
        "class than the run did; was its code changed since it was trained?"
    )
