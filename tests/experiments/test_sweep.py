"""A recipe laid over a folder: what is there is not done again."""

import pytest

from evendistill.experiments.demo import write_demo_recipe
from evendistill.experiments.engines.choice import How
from evendistill.experiments.recipe import read_recipe
from evendistill.experiments.sweep import Sweep


def test_a_new_folder_misses_every_run_and_reading_makes_nothing(write_recipe, plain, tmp_path):
    sweep = Sweep.read(write_recipe(plain), tmp_path / "runs")
    assert list(sweep.missing()) == list(sweep.needed)
    assert len(sweep.needed) == 8
    assert not (tmp_path / "runs").exists()


def test_finished_runs_are_not_missing(finished_sweep, plain):
    sweep = finished_sweep(plain, lambda spec: [0.5, 0.5])
    assert sweep.missing() == {}
    assert sweep.train(How(jobs=1)) == []
    undone = list(sweep.needed)[3]
    (sweep.runs / sweep.needed[undone].folder_name / "DONE").unlink()
    assert list(sweep.missing()) == [undone]


def test_a_bad_recipe_is_refused_in_one_line(write_recipe, tmp_path):
    with pytest.raises(ValueError, match=r"recipe\.yaml: unknown field nam; did you mean name\?"):
        Sweep.read(write_recipe({"nam": "x"}), tmp_path / "runs")


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_the_demo_is_written_for_so_many_seeds(tmp_path, seeds):
    path = write_demo_recipe(tmp_path / "new" / "demo", seeds=seeds)
    assert read_recipe(path).seeds == tuple(range(seeds))
    assert path.read_text().startswith("# ")


def test_a_demo_without_seeds_is_refused(tmp_path):
    with pytest.raises(ValueError, match="seeds must be at least 1, got 0"):
        write_demo_recipe(tmp_path, seeds=0)
