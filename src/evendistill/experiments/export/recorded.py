"""Whether the network of a finished run still says what it said when trained: its code may have changed since."""

from pathlib import Path

from evendistill.experiments.export.agreement import DisagreementError, inputs_at, some_rows, torch_scores
from evendistill.experiments.export.finished import Finished
from evendistill.experiments.predictions import keeps_predictions, read_predictions
from evendistill.experiments.spec import OwnSpec

SLACK = 0.1
"""Of the scale of scores: nearer classes may change places on another device, or after bfloat16."""
FEW = 0.01
"""Of the examples, which may be off by more all the same."""


def check_as_recorded(run: Finished, runs: Path) -> None:
    """Ask the network anew for test examples of which the run kept the class that it gave them.

    Weights say nothing of activations, strides or masks, which are code: a network that was edited may read the weights
    of the old one and give other scores. Runs of versions that kept no predictions pass.

    Args:
        run: the finished run.
        runs: folder of all runs.

    Raises:
        DisagreementError: if more than a hundredth of up to 512 examples are put into another class than the run put
            them into, by more than a tenth of the scale of their scores.
    """
    if not keeps_predictions(run.spec, runs):
        return
    rows = some_rows(run.seen.test)
    recorded = read_predictions(run.spec, runs)[0][rows]
    scores = torch_scores(run.network, inputs_at(run.seen.test, rows)).double()
    scale = (scores - scores.mean(dim=1, keepdim=True)).square().mean().sqrt()
    behind = scores.max(dim=1).values - scores.gather(1, recorded[:, None]).squeeze(1)
    others = int((~(behind <= SLACK * scale)).sum())  # NaN is another, too
    if others > FEW * len(rows):
        network = run.spec.network
        whose = network.path if isinstance(network, OwnSpec) else f"of kind {network.kind}"
        raise DisagreementError(
            f"{run.spec.folder_name}: the network {whose} puts {others} of {len(rows)} test examples into another "
            "class than the run did; was its code changed since it was trained? Nothing was exported"
        )
