"""A recipe that is edited, or has a namesake, while its runs are trained: they are those that it asked for at first."""

from pathlib import Path

import pytest

from evendistill.experiments.derive import kept
from evendistill.experiments.engines.choice import How
from evendistill.experiments.results import is_finished
from evendistill.experiments.sweep import Sweep
from evendistill.experiments.verbs import train_missing

RECIPE = """
name: small
data: {source: digits, imbalance: 10}
training: {epochs: 1, batch_size: 64}
teachers:
  network: {kind: mlp, hidden: [4]}
  objectives: [standard, balanced]
seeds: 2
"""
OTHER = RECIPE.replace("seeds: 2", "seeds: 3").replace("[4]", "[5]")


@pytest.fixture
def recipe(tmp_path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE)
    return path


@pytest.mark.parametrize("how", [How(pack=1), How(jobs=1)], ids=["packed", "local"])
def test_runs_are_those_that_the_recipe_asked_for_when_it_was_read(recipe, tmp_path, how):
    sweep = Sweep.read(recipe, tmp_path / "runs")

    def edit(_):
        recipe.write_text(OTHER)

    outcomes = sweep.train(how, on_outcome=edit)
    assert [outcome.error for outcome in outcomes] == [None] * 4
    assert all(is_finished(spec, sweep.runs) for spec in sweep.needed.values())


def test_a_namesake_that_begins_meanwhile_takes_nothing_from_it(recipe, tmp_path):
    runs, namesake = tmp_path / "runs", tmp_path / "elsewhere" / "small.yaml"
    namesake.parent.mkdir()
    namesake.write_text(OTHER)
    first, second = Sweep.read(recipe, runs), Sweep.read(namesake, runs)

    def begin_second(_):
        kept(namesake, second.grid, runs)

    outcomes = first.train(How(pack=1), on_outcome=begin_second)
    assert [outcome.error for outcome in outcomes] == [None] * 4
    assert len(list((runs / "recipes").glob("*.yaml"))) == 1  # the last one, which status counts by


def test_the_report_is_of_the_recipe_that_was_trained(recipe, tmp_path, monkeypatch):
    train = Sweep.train

    def edited(self, how, **more):
        recipe.write_text(OTHER)
        return train(self, how, **more)

    monkeypatch.setattr(Sweep, "train", edited)
    sweep, trained = train_missing(recipe, tmp_path / "runs", How(pack=1))
    assert trained == len(sweep.needed) == 4
    assert not sweep.missing()
