"""Any trade-off of a training that served several, as a finished run of its own."""

from pathlib import Path

from evendistill.experiments.cells import member
from evendistill.experiments.export.finished import read_spec
from evendistill.experiments.objectives import FrontierSpec, ObjectiveSpec
from evendistill.experiments.run import train_run
from evendistill.training.turns import drained


def run_at(folder: Path, alpha: float) -> Path:
    """The folder of one trade-off, made beside the others if it is not there; nothing is trained for it.

    Args:
        folder: of the run that trained several, or of one of its trade-offs.
        alpha: within those that were trained; between two of them the last layer is interpolated.

    Raises:
        ValueError: if the run is not finished, one objective alone was trained, or ``alpha`` lies outside.
    """
    trained = read_spec(folder).trained
    if not isinstance(trained.objective, FrontierSpec):
        raise ValueError(f"{folder}: this run was trained under one objective; alpha is for recipes that are shared")
    low, high = trained.objective.alphas[0], trained.objective.alphas[-1]
    if not low <= alpha <= high:
        raise ValueError(f"alpha must lie in [{low:g}, {high:g}], got {alpha:g}")
    wanted = member(trained, ObjectiveSpec(alpha=alpha))
    drained(train_run(wanted, folder.parent))
    return folder.parent / wanted.folder_name
