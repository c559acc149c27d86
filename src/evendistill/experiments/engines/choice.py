"""Which engine trains, as it is asked for, and how it is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from evendistill.experiments.engines.engine import Engine
from evendistill.experiments.spec import RunSpec

Kind = Literal["local", "ray", "slurm"]


@dataclass(frozen=True)
class How:
    """How the runs of a sweep are trained.

    Attributes:
        engine: "local", "ray" or "slurm".
        jobs: the most runs at once; None leaves it to the engine.
        pack: train so many runs at once in this process instead.
        minutes: stop after so long, saving what is unfinished.
        options: of the engine.
        retry_failed: whether runs that failed before are tried again.
        share: ``(K, N)`` trains the K-th of N shares of the runs, and what they need; None trains all.

    Raises:
        ValueError: if these do not go together.
    """

    engine: Kind = "local"
    jobs: int | None = None
    pack: int | None = None
    minutes: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    retry_failed: bool = False
    share: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.engine not in get_args(Kind):
            raise ValueError(f"engine must be one of {', '.join(get_args(Kind))}, got {self.engine!r}")
        if self.pack is not None and self.engine != "local":
            raise ValueError(f"pack trains in this process, got engine {self.engine}")
        if self.options and self.engine == "local":
            raise ValueError(f"the engine local has no options, got {', '.join(self.options)}")

    def made(self, recipe: Path, runs: Path, specs: Mapping[str, RunSpec], *, cores: int) -> Engine:
        """The engine, for runs of one recipe.

        Raises:
            ValueError: if it is not installed, not there, or not to be had as asked for.
        """
        if self.pack is not None:
            from evendistill.experiments.engines.packed import PackedEngine
            from evendistill.experiments.grid import every_run
            from evendistill.experiments.recipe import read_recipe

            beside = every_run(read_recipe(recipe)).values()
            return PackedEngine(runs, specs, width=self.pack, beside=beside)
        match self.engine:
            case "local":
                from evendistill.experiments.engines.local import LocalEngine

                return LocalEngine(recipe, runs, jobs=min(self.jobs or cores, len(specs)))
            case "ray":
                from evendistill.experiments.engines.on_ray import RayEngine

                return RayEngine(recipe, runs, jobs=self.jobs, options=dict(self.options))
            case "slurm":
                from evendistill.experiments.engines.on_slurm import SlurmEngine

                return SlurmEngine(recipe, runs, jobs=self.jobs, options=dict(self.options))
