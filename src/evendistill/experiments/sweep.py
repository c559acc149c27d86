"""A sweep: everything that a recipe asks for and that is not there yet."""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evendistill.experiments.derive import kept
from evendistill.experiments.driving import drive
from evendistill.experiments.engines.choice import How
from evendistill.experiments.engines.engine import Outcome
from evendistill.experiments.engines.stopping import CUT_SHORT, PATIENCE, StoppedError, stoppable
from evendistill.experiments.engines.together import train_together
from evendistill.experiments.grid import Cell, distinct_runs, expand
from evendistill.experiments.halving import survivors, trials
from evendistill.experiments.objectives import Spec
from evendistill.experiments.order import cheapest_first, share
from evendistill.experiments.processes import cores, processes_started
from evendistill.experiments.recipe import GridSpec, read_recipe
from evendistill.experiments.results import is_finished
from evendistill.experiments.spec import RunSpec

COMPARABLE = ("data", "view", "training", "seeds", "robust_k", "grouping", "teacher_seed", "selection")


def _comparable(grid: GridSpec) -> dict[str, object]:
    """What must be the same for rows to share a table: a row is named by objectives alone."""
    found: dict[str, object] = {name: getattr(grid, name) for name in COMPARABLE}
    for side in ("teachers", "students"):
        members = getattr(grid, side)
        found |= {f"{side}.{name}": members and getattr(members, name) for name in ("network", "training")}
    return found


def _plain(value: object) -> str:
    return json.dumps(value.model_dump(mode="json", exclude_defaults=False)) if isinstance(value, Spec) else repr(value)


@dataclass(frozen=True)
class Sweep:
    """A recipe laid over a folder of runs.

    Attributes:
        recipe: its file.
        runs: folder of all runs.
        grid: what the file says.
        cells: the cells of its table; while students are still tried, these trials.
        needed: every run of the cells, by hash, teachers before their students.
        tried: the runs of trials that lie behind the cells.
    """

    recipe: Path
    runs: Path
    grid: GridSpec
    cells: tuple[Cell, ...]
    needed: dict[str, RunSpec]
    tried: dict[str, RunSpec] = field(default_factory=dict)

    @classmethod
    def read(cls, recipe: Path, runs: Path) -> "Sweep":
        """Lay a recipe over a folder; the folder need not be there yet.

        Raises:
            ValueError: if the recipe is not right, in one line.
        """
        return cls.over(read_recipe(recipe), recipe, runs)

    @classmethod
    def over(cls, grid: GridSpec, recipe: Path, runs: Path) -> "Sweep":
        """The same of a recipe that has been read, whatever its file says by now."""
        cells = expand(grid)
        tried = distinct_runs(trials(grid, cells))
        if all(is_finished(spec, runs) for spec in tried.values()):
            cells = survivors(grid, cells, runs)
            return cls(recipe, runs, grid, cells, distinct_runs(cells), tried)
        cells = trials(grid, cells)
        return cls(recipe, runs, grid, cells, tried, tried)

    @property
    def is_trial(self) -> bool:
        """Whether students are still tried, and it is open which of them go on."""
        return bool(self.tried) and self.needed is self.tried

    def epochs(self) -> int:
        """Training epochs behind the table, trials included; each distinct run counts once."""
        return sum(spec.training.epochs for spec in {**self.tried, **self.needed}.values() if spec.mend is None)

    @classmethod
    def joined(cls, sweeps: "Sequence[Sweep]") -> "Sweep":
        """Several recipes as one table.

        Raises:
            ValueError: if they differ in what makes rows comparable, naming the first field.
        """
        first, *others = sweeps
        for other in others:
            rows = zip(_comparable(first.grid).items(), _comparable(other.grid).values(), strict=True)
            for (name, ours), theirs in rows:
                if ours != theirs:
                    raise ValueError(
                        f"{first.recipe} and {other.recipe} differ in {name}, so they cannot share a table: "
                        f"{_plain(ours)} and {_plain(theirs)}"
                    )
        cells = {(cell.group, tuple(run.hash for run in cell.runs)): cell for sweep in sweeps for cell in sweep.cells}
        ordered = tuple(sorted(cells.values(), key=lambda cell: (cell.baseline is not None, cell.is_student)))
        tried = {name: spec for sweep in sweeps for name, spec in sweep.tried.items()}
        return cls(first.recipe, first.runs, first.grid, ordered, distinct_runs(ordered), tried)

    def missing(self, part: tuple[int, int] | None = None) -> dict[str, RunSpec]:
        """The runs that are not finished, of all or of one share ``(k, n)``."""
        mine = self.needed if part is None else share(self.needed, *part)
        return {name: spec for name, spec in mine.items() if not is_finished(spec, self.runs)}

    def train(self, how: How, *, on_outcome: Callable[[Outcome], None] = lambda outcome: None) -> list[Outcome]:
        """Train what is missing. Ctrl-C and SIGTERM save what is unfinished.

        Args:
            how: on which engine, how many at once, until when.
            on_outcome: called as each run ends.

        Returns:
            The outcomes, failures among them; empty if nothing was missing.

        Raises:
            ValueError: if the engine is not there, or ``torchrun`` is to do what it cannot.
            StoppedError: if a signal came.
        """
        if processes_started() > 1:
            return self._train_together(how, on_outcome)
        missing = cheapest_first(self.cells, self.missing(how.share))
        if not missing:
            return []
        self.runs.mkdir(parents=True, exist_ok=True)
        deadline = math.inf if how.minutes is None else time.monotonic() + 60 * how.minutes
        outcomes = []
        with stoppable(PATIENCE, CUT_SHORT) as is_stopped:
            engine = how.made(kept(self.recipe, self.grid, self.runs), self.runs, missing, cores=cores())
            again = frozenset(missing if how.retry_failed else ())
            told = {"is_over": lambda: is_stopped() or time.monotonic() >= deadline, "again": again}
            for outcome in drive(engine, self.runs, missing, **told):
                outcomes.append(outcome)
                on_outcome(outcome)
        if is_stopped.number is not None:
            raise StoppedError(is_stopped.number)
        return outcomes

    def _train_together(self, how: How, on_outcome: Callable[[Outcome], None]) -> list[Outcome]:
        if how != How(jobs=how.jobs, retry_failed=how.retry_failed):
            raise ValueError("torchrun trains one run at a time, to its end; leave engine, pack, minutes and cell out")
        self.runs.mkdir(parents=True, exist_ok=True)
        outcomes = []
        for outcome in train_together(
            self.runs, self.needed, self.missing()
        ):  # they must first agree on what is missing
            outcomes.append(outcome)
            on_outcome(outcome)
        return outcomes
