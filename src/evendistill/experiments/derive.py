"""Recipes made from recipes: on data that lie elsewhere, or small enough to be tried in seconds."""

import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from evendistill.experiments.cells import shared as frontier_members
from evendistill.experiments.methods import BaselineSpec
from evendistill.experiments.mistakes import in_one_line
from evendistill.experiments.recipe import GridSpec, StudentsSpec, TeachersSpec
from evendistill.experiments.spec import DataSpec, ViewSpec
from evendistill.storage.files import digest, write_bytes
from evendistill.training.recipe import Recipe

SMOKE_IMAGES = "made-up:10x3x32"
SMOKE_TRAINING = {"epochs": 1, "batch_size": 48, "update_every": 2, "warmup_epochs": 0, "milestones": ()}
SMOKE_RESIZE = 32
MOST_NUMBERS = 10_000_000  # of one made-up image a class; there are dozens of each
SMOKE, SHARED = "-smoke", "-shared"
TOLD = "told"  # folder of recipes as engines are told them
MOST_LETTERS = 80  # of the name of a recipe as the name of a file


def on_data(grid: GridSpec, source: str) -> GridSpec:
    """The same recipe on data of the same layout that lie elsewhere."""
    return grid.model_copy(update={"data": grid.data.model_copy(update={"source": source})})


def smoke(grid: GridSpec, images: str = SMOKE_IMAGES, *, bf16: bool = True) -> GridSpec:
    """The same recipe for a trial of seconds: made-up images, one epoch, one seed, few combinations.

    Of objectives and baselines the first and the last are tried, of temperatures the first; the learning rate is
    constant, the imbalance at most 8, and the best robust metric is selected: made-up images reach no floor. Networks,
    view, precision and label modes are the recipe's own, so that what would break later breaks now.

    Args:
        grid: the recipe.
        images: the source of its data.
        bf16: whether bfloat16 is fast here; where it is not, the trial is in float32, or it would take minutes.
    """
    short = partial(_short, bf16=bf16)
    view = grid.view and _small_view(grid.view)
    data = DataSpec(source="digits" if grid.data.source == "digits" else images)
    if grid.data.imbalance is not None:
        data = data.model_copy(update={"imbalance": min(grid.data.imbalance, 8.0), "profile": grid.data.profile})
    return GridSpec(
        name=f"{grid.name[: MOST_LETTERS - len(SMOKE)]}{SMOKE}",
        data=data,
        view=view,
        training=short(grid.training),
        teachers=_few_teachers(grid.teachers, short),
        students=grid.students and _few_students(grid.students, short),
        seeds=grid.seeds[:1],
        teacher_seed="matched",
        robust_k=min(grid.robust_k, 10),
        search=grid.search,
        baselines=tuple(_few_baselines(baseline) for baseline in _ends(grid.baselines)),
    )


def is_smoke(grid: GridSpec) -> bool:
    """Whether a recipe was made by :func:`smoke`: its numbers mean nothing, and what it leaves behind nobody awaits."""
    short = all(getattr(grid.training, name) == value for name, value in SMOKE_TRAINING.items())
    return short and grid.name.endswith(SMOKE)


def shared(grid: GridSpec) -> GridSpec:
    """The same recipe with one training for all trade-offs, of teachers and of students.

    Raises:
        ValueError: if there are not two trade-offs on either side.
    """
    sides = {"teachers": grid.teachers, "students": grid.students}
    changed = {
        name: side.model_copy(update={"shared": True}) for name, side in sides.items() if side and _several(side)
    }
    if not changed:
        raise ValueError(
            f"the recipe {grid.name} has no two trade-offs on the balanced base that could share a training"
        )
    name = f"{grid.name[: MOST_LETTERS - len(SHARED)]}{SHARED}"
    try:
        return GridSpec(**{field: getattr(grid, field) for field in grid.model_fields_set} | {"name": name, **changed})
    except ValidationError as error:
        raise ValueError(in_one_line(error)) from None


def _several(side: TeachersSpec | StudentsSpec) -> bool:
    return len(frontier_members(side.objectives)) > 1


def write_recipe(grid: GridSpec, path: Path) -> Path:
    """Put a recipe into a file that reads back as the same recipe."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, as_yaml(grid))
    return path


def as_yaml(grid: GridSpec) -> bytes:
    """A recipe as a file says it; defaults are left out."""
    return yaml.safe_dump(grid.model_dump(mode="json", exclude_defaults=True), sort_keys=False).encode()


def place(recipe: Path, runs: Path, *, suffix: str = "") -> Path:
    """Where a recipe made from another lies: beside the runs."""
    return runs / "recipes" / f"{_stem(recipe)[: MOST_LETTERS - len(suffix)]}{suffix}.yaml"


def kept(recipe: Path, grid: GridSpec, runs: Path) -> Path:
    """The recipe as it was read, under a name that is its content's: engines train by it, whatever becomes of the file.

    A copy of the file lies beside the runs, too, which ``status`` counts by.
    """
    copy = place(recipe, runs)
    if copy.resolve() != recipe.resolve():
        copy.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(copy, recipe.read_bytes())
    told = as_yaml(grid)
    path = copy.parent / TOLD / f"{digest(told)}.yaml"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, told)
    return path


def report_folder(recipe: Path, runs: Path, *, to_write: bool = True) -> Path:
    """Where the report of a recipe lies.

    Raises:
        ValueError: if a link in a folder of runs, which others may have sent, would lead the report out of it.
    """
    folder = runs / "reports" / _stem(recipe)
    if to_write and not folder.resolve().is_relative_to(runs.resolve()):
        raise ValueError(f"{folder} leads out of {runs}; say with --to where the report is to lie")
    return folder


def _stem(recipe: Path) -> str:
    """The name of a recipe as the name of a file, whatever its own may be."""
    return re.sub(r"[^A-Za-z0-9._ -]", "-", recipe.stem).strip(". ")[:MOST_LETTERS] or "recipe"


def like(data: DataSpec) -> str:
    """Made-up images with the classes and the shape of a source that lies here; of the usual ones if it does not."""
    if data.source == "digits" or not Path(data.source).expanduser().exists():
        return SMOKE_IMAGES
    import torch

    from evendistill.data.datasets import load_data

    found = load_data(**data.model_copy(update={"imbalance": None}).model_dump())
    shape = next(found.train.batches([torch.arange(1)])).shape[1:]
    count = found.num_classes * math.prod(shape)
    is_square = len(shape) == 3 and shape[0] in (1, 3) and shape[1] == shape[2] >= 8
    return f"made-up:{found.num_classes}x{shape[0]}x{shape[1]}" if is_square and count <= MOST_NUMBERS else SMOKE_IMAGES


def _small_view(view: ViewSpec) -> ViewSpec:
    resize = None if view.resize is None else min(view.resize, SMOKE_RESIZE)
    return view.model_copy(update={"crop": None, "resize": resize})


def _short(training: Recipe, *, bf16: bool) -> Recipe:
    told: dict[str, Any] = vars(training) | SMOKE_TRAINING | {"compile": False, "processes": 1}
    if told["schedule"] == "step":
        told["schedule"] = "constant"
    if not bf16:
        told["precision"] = "fp32"
    return Recipe(**told)


def _few_teachers(teachers: TeachersSpec, short: Callable[[Recipe], Recipe]) -> TeachersSpec:
    training = teachers.training and short(teachers.training)
    return teachers.model_copy(update={"objectives": _ends(teachers.objectives), "training": training})


def _few_students(students: StudentsSpec, short: Callable[[Recipe], Recipe]) -> StudentsSpec:
    judging = students.validation_temperatures
    return students.model_copy(
        update={
            "objectives": _ends(students.objectives),
            "training": students.training and short(students.training),
            "temperatures": students.temperatures[:1],
            "validation_temperatures": judging and judging[:1],
        }
    )


def _few_baselines(baseline: BaselineSpec) -> BaselineSpec:
    told = {"taus", "adjustments"} & baseline.model_fields_set  # a method knows no other's fields
    return baseline.model_copy(update={name: getattr(baseline, name)[:1] for name in told})


def _ends(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return values if len(values) < 2 else (values[0], values[-1])
