"""Recipes made from recipes, and every recipe of the repository tried in seconds."""

from pathlib import Path

import pytest
import yaml

from evendistill.experiments.beginning import machine
from evendistill.experiments.derive import on_data, smoke, write_recipe
from evendistill.experiments.engines.choice import How
from evendistill.experiments.recipe import read_recipe
from evendistill.experiments.report.table import make_table
from evendistill.experiments.sweep import Sweep

RECIPES = sorted((Path(__file__).resolve().parents[2] / "recipes").glob("*.yaml"))
PAPER = {
    "cifar10": (450, 128, (200, 300, 400), 15, 10, 1),
    "cifar100": (450, 1024, (200, 300, 400), 15, 10, 1),
    "cifar10-lt": (256, 1024, (96, 192, 224), 15, 10, 1),
    "cifar100-lt": (256, 1024, (96, 192, 224), 15, 10, 1),
    "tinyimagenet": (200, 2048, (75, 135), 5, 5, 1),
    "tinyimagenet-lt": (200, 128, (75, 135), 5, 5, 10),
    "imagenet": (90, 512, (30, 60, 80), 5, 5, 10),
}
IMBALANCE = {"cifar10-lt": 100, "cifar100-lt": 100, "tinyimagenet-lt": 83}


def recipe(name):
    return next(path for path in RECIPES if path.stem == name)


@pytest.mark.parametrize("name", PAPER)
def test_the_recipes_are_the_settings_that_the_paper_states(name):
    """Wang et al. 2023, appendices E.1 and E.2."""
    grid = read_recipe(recipe(name))
    training = grid.training
    stated = (training.epochs, training.batch_size, training.milestones, training.warmup_epochs)
    assert (*stated, len(grid.seeds), grid.robust_k) == PAPER[name]
    assert (training.momentum, training.weight_decay, training.multiplier_step) == (0.9, 1e-4, 0.1)
    assert grid.data.imbalance == IMBALANCE.get(name)
    assert grid.teacher_seed != "matched"
    assert grid.teacher_seed.fixed == 0
    assert grid.students is not None
    assert grid.students.temperatures == (1, 3, 5)
    assert grid.students.validation_temperatures == (0.1, 1, 3, 5)
    assert grid.students.validation_labels == ("teacher", "true")
    if name != "imagenet":
        alphas = {getattr(objective, "alpha", None) for objective in grid.students.objectives}
        assert alphas == {0, 0.25, 0.5, 0.75, 1}
    depth = 56 if name.startswith("cifar") else 18
    assert getattr(grid.teachers.network, "depth", None) == getattr(grid.students.network, "depth", None) == depth


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "cifar10-lt", "cifar100-lt"])
def test_the_smaller_student_differs_from_self_distillation_in_nothing_else(name):
    own, smaller = read_recipe(recipe(name)), read_recipe(recipe(f"{name}-56-to-32"))
    assert own.students is not None
    assert smaller.students is not None
    assert getattr(smaller.students.network, "depth", None) == 32
    students = smaller.students.model_copy(update={"network": own.students.network})
    assert smaller.model_copy(update={"name": own.name, "students": students}) == own


def tried(path):
    """The large grids are alike but for their settings; of them the README's test tries cifar10-lt each time."""
    is_large = path.stem in PAPER or path.stem.endswith(("-to-32", "-corners"))
    return pytest.param(path, id=path.stem, marks=pytest.mark.slow if is_large else ())


@pytest.mark.filterwarnings("ignore:absent from what the teacher")  # a sharp one after three steps knows one class
@pytest.mark.parametrize("path", [tried(path) for path in RECIPES])
def test_every_recipe_can_be_tried_in_seconds(path, tmp_path):
    written = write_recipe(smoke(read_recipe(path), bf16=machine.has_fast_bf16()), tmp_path / "recipe.yaml")
    sweep = Sweep.read(written, tmp_path / "runs")
    outcomes = sweep.train(How(jobs=1, pack=2))
    assert [outcome.error for outcome in outcomes] == [None] * len(sweep.needed)
    if sweep.is_trial:
        sweep = Sweep.read(written, tmp_path / "runs")
        assert all(outcome.error is None for outcome in sweep.train(How(jobs=1, pack=2)))
    table = make_table(sweep)
    assert (table.is_smoke, table.selected) == (True, None)  # nobody ships what noise has chosen
    assert {row.student for row in table.rows} >= {"none", "robust"}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_written_recipe_reads_back_as_itself(path, tmp_path):
    grid = read_recipe(path)
    assert read_recipe(write_recipe(grid, tmp_path / "recipe.yaml")) == grid


def test_a_trial_keeps_what_could_break(tmp_path):
    grid = read_recipe(recipe("cifar10-lt-56-to-32"))
    tried = smoke(grid)
    assert tried.students is not None
    assert grid.students is not None
    assert tried.teachers.network == grid.teachers.network
    assert tried.students.network == grid.students.network
    assert tried.students.validation_labels == grid.students.validation_labels
    assert tried.view == grid.view
    assert tried.training.precision == grid.training.precision == "bf16"
    assert smoke(grid, bf16=False).training.precision == "fp32"
    assert tried.data.source.startswith("made-up")
    assert tried.name == "cifar10-lt-56-to-32-smoke"


def test_other_data_change_the_source_alone():
    grid = read_recipe(recipe("cifar100"))
    moved = on_data(grid, "elsewhere/cifar100")
    assert moved.data.source == "elsewhere/cifar100"
    assert moved.data.label_column == "fine_label"
    assert moved.model_copy(update={"data": grid.data}) == grid


def test_a_trial_of_the_digits_stays_on_the_digits(plain, write_recipe):
    tried = smoke(read_recipe(write_recipe(yaml.safe_dump(plain))))
    assert tried.data.source == "digits"
    assert tried.data.imbalance == 8
