"""One teacher's training and one student's for a whole frontier, and what of the last layer is a trade-off's own."""

import sys

import pytest
import torch

from evendistill import cli
from evendistill.data.datasets import load_data
from evendistill.distillation.mending import adjusted
from evendistill.experiments.cells import Cell
from evendistill.experiments.engines.choice import How
from evendistill.experiments.export.taught import kind_words, taught_lines
from evendistill.experiments.grid import distinct_runs, expand
from evendistill.experiments.mends import AtSpec, MeanSpec
from evendistill.experiments.networks import finished_network
from evendistill.experiments.objectives import FrontierSpec, ObjectiveSpec
from evendistill.experiments.report.sliding import frontiers
from evendistill.experiments.report.table import make_table
from evendistill.experiments.results import read_split
from evendistill.experiments.spec import RunSpec
from evendistill.experiments.sweep import Sweep
from evendistill.training.evaluation import scores_of

ALPHAS = {"alphas": [0, 0.5, 1]}


@pytest.fixture
def plain():
    return {
        "name": "one-of-each",
        "data": {"source": "digits", "imbalance": 10},
        "training": {"epochs": 2, "batch_size": 64, "update_every": 2},
        "teachers": {"network": {"kind": "mlp", "hidden": [16]}, "objectives": ALPHAS, "shared": True},
        "students": {
            "network": {"kind": "mlp", "hidden": [8]},
            "objectives": ALPHAS,
            "shared": True,
            "teacher": "mean",
            "temperatures": [1],
            "validation_labels": ["true"],
        },
        "seeds": 1,
    }


def trained(runs: dict[str, RunSpec]) -> list[RunSpec]:
    return [run for run in runs.values() if run.mend is None]


def parts(runs: dict[str, RunSpec]) -> dict[RunSpec, AtSpec]:
    """The runs that are one trade-off of a training, with which it is."""
    return {run: run.mend for run in runs.values() if isinstance(run.mend, AtSpec)}


def students_of(sweep: Sweep) -> dict[float, list[Cell]]:
    """The students that learn from a teacher, by their alpha."""
    found: dict[float, list[Cell]] = {}
    for cell in sweep.cells:
        if cell.is_student and isinstance(cell.student, ObjectiveSpec):
            found.setdefault(cell.student.alpha, []).append(cell)
    return found


def test_two_trainings_give_a_frontier_of_students(plain, read_plain, write_recipe, tmp_path):
    assert len(trained(distinct_runs(expand(read_plain(plain))))) == 2
    sweep = Sweep.read(write_recipe(plain), tmp_path / "runs")
    assert [outcome.error for outcome in sweep.train(How(pack=2))] == [None] * len(sweep.needed)
    students = students_of(sweep)
    assert {alpha: len(cells) for alpha, cells in students.items()} == {0.0: 1, 0.5: 1, 1.0: 1}
    for [cell] in students.values():
        assert 0 < read_split(cell.runs[0], sweep.runs, "test")["average_accuracy"] <= 1


def test_the_teacher_is_the_mean_of_the_probabilities_of_every_trade_off(plain, read_plain, write_recipe, tmp_path):
    plain["students"]["objectives"] = ["balanced"]
    sweep = Sweep.read(write_recipe(plain), tmp_path / "runs")
    sweep.train(How(pack=2))
    data = load_data("digits", imbalance=10)
    inputs = next(data.test.batches([torch.arange(5)]))
    [mean] = [run for run in sweep.needed.values() if isinstance(run.mend, MeanSpec)]
    members = [run for run in parts(sweep.needed) if run.trained.listening is None]
    assert len(members) == 3
    with torch.no_grad():
        each = [finished_network(run, data, sweep.runs)(inputs).softmax(dim=1) for run in members]
        of_mean = finished_network(mean, data, sweep.runs)(inputs).softmax(dim=1)
    torch.testing.assert_close(of_mean, torch.stack(each).mean(dim=0))


def test_without_a_shared_training_it_is_the_mean_of_the_teachers_that_are_trained(plain, read_plain):
    plain["teachers"] |= {"shared": False}
    runs = trained(distinct_runs(expand(read_plain(plain))))
    assert sorted(run.role for run in runs) == ["student", "teacher", "teacher", "teacher"]


def test_a_mean_needs_two_teachers(plain, read_plain):
    plain["teachers"]["objectives"] = ["balanced"]
    with pytest.raises(ValueError, match="needs two objectives of teachers at least, got 1"):
        read_plain(plain)


@pytest.mark.parametrize("by", ["scale-and-bias", "scale", "bias", "layer", "film"])
def test_what_is_a_trade_offs_own_may_be_said(plain, read_plain, by):
    usual = {run.hash for run in trained(distinct_runs(expand(read_plain(plain))))}
    plain["teachers"] |= {"shared": by}
    plain["students"] |= {"shared": by}
    runs = trained(distinct_runs(expand(read_plain(plain))))
    assert {run.objective.by for run in runs if isinstance(run.objective, FrontierSpec)} == {by}
    assert ({run.hash for run in runs} == usual) is (by == "scale-and-bias")


def test_a_way_that_is_none_is_refused(plain, read_plain):
    plain["students"] |= {"shared": "head"}
    with pytest.raises(ValueError, match="scale-and-bias"):
        read_plain(plain)


def test_costs_put_on_afterwards_make_a_frontier_of_the_training_that_the_grid_has(
    plain, read_plain, write_recipe, tmp_path
):
    plain["teachers"] |= {"shared": False}
    plain["students"] |= {
        "shared": False,
        "teacher": "each",
        "temperatures": [1, 3],
        "validation_labels": ["teacher", "true"],
    }
    grid = distinct_runs(expand(read_plain(plain)))
    plain["students"] |= {"shared": "costs"}
    sweep = Sweep.read(write_recipe(plain), tmp_path / "runs")
    of_costs = trained(sweep.needed)
    assert {run.hash for run in of_costs} <= grid.keys()
    assert len(of_costs) == 3 + 3 * 2  # each teacher, and its balanced student at each temperature
    assert sum(map(len, students_of(sweep).values())) == 3 * 2 * 3  # no matter who labels for multipliers
    assert [outcome.error for outcome in sweep.train(How(pack=2))] == [None] * len(sweep.needed)
    data = load_data("digits", imbalance=10)
    members = parts(sweep.needed)
    assert {mend.alpha for mend in members.values()} == {0.5, 1.0}
    assert len(members) == 2 * len(of_costs[3:])
    for run, mend in members.items():
        labels = data.validation.labels
        before, after = (
            scores_of(finished_network(each, data, sweep.runs), data.validation) for each in (run.trained, run)
        )
        costs = adjusted(before, labels, torch.zeros(10), alpha=mend.alpha)
        torch.testing.assert_close(after, before + costs.float())
        assert read_split(run, sweep.runs, "validation")["log_costs"] == pytest.approx(costs.tolist())


def test_the_page_of_costs_has_no_slider_and_their_card_tells_of_them(plain, write_recipe, tmp_path):
    plain["teachers"] |= {"shared": "costs"}
    plain["students"] |= {"shared": "costs", "teacher": "each"}
    sweep = Sweep.read(write_recipe(plain), tmp_path / "runs")
    sweep.train(How(pack=2))
    assert len(trained(sweep.needed)) == 1 + 3
    rows = make_table(sweep).rows
    assert frontiers(rows, sweep.runs, robust_k=1) == ([], [None] * len(rows))
    robust = students_of(sweep)[1.0][0]
    assert ("put on", "the costs of alpha 1; nothing more was trained") in taught_lines(robust.runs[0])
    assert kind_words(robust.runs[0]) == "robust student of a balanced teacher"


def test_a_balanced_run_is_exported_at_any_alpha(plain, write_recipe, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    plain["students"] |= {"shared": "costs"}
    sweep = Sweep.read(write_recipe(plain), tmp_path / "runs")
    sweep.train(How(pack=2))
    [balanced] = [run for run in trained(sweep.needed) if run.objective.name == "balanced"]
    words = ["export", str(sweep.runs / balanced.folder_name), "--alpha", "0.3", "--to", str(tmp_path / "shipped")]
    monkeypatch.setattr(sys, "argv", ["evendistill", *words])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert not caught.value.code
    assert "the costs of alpha 0.3; nothing more was trained" in (tmp_path / "shipped" / "README.md").read_text()
