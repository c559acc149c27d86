"""Any trade-off of a training that serves several, as a finished run of its own."""

from pathlib import Path

from evendistill.experiments.cells import BALANCED, member
from evendistill.experiments.export.finished import read_spec
from evendistill.experiments.objectives import FrontierSpec, ObjectiveSpec
from evendistill.experiments.run import train_run
from evendistill.training.turns import drained


def run_at(folder: Path, alpha: float) -> Path:
    """The folder of one trade-off, made beside the others if it is not there; nothing is trained for it.

    Args:
        folder: of the run that trained several, or of one of its trade-offs.
        alpha: within those that were trained; between two of them the last layer is interpolated. Of a balanced run it
            is any, by costs that validation examples determine and that are put on its scores.

    Raises:
        ValueError: if the run is not finished, one objective alone was trained, or ``alpha`` lies outside.
    """
    trained = read_spec(folder).trained
    if isinstance(trained.objective, FrontierSpec):
        low, high = trained.objective.alphas[0], trained.objective.alphas[-1]
    elif trained.objective == BALANCED and trained.mend is None:
        low, high = 0.0, 1.0
    else:
        name = trained.taught_as
        raise ValueError(f"{folder}: alpha is for balanced runs and for recipes that are shared; this one is {name}")
    if not low <= alpha <= high:
        raise ValueError(f"alpha must lie in [{low:g}, {high:g}], got {alpha:g}")
    wanted = member(trained, ObjectiveSpec(alpha=alpha))
    drained(train_run(wanted, folder.parent))
    return folder.parent / wanted.folder_name
