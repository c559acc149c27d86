"""One training for all trade-offs of a recipe: the same table from fewer runs, each trade-off a finished run."""

import json
import sys

import pytest
import yaml

from evendistill import cli
from evendistill.experiments import derive
from evendistill.experiments.engines.choice import How
from evendistill.experiments.grid import distinct_runs, expand
from evendistill.experiments.mends import AtSpec
from evendistill.experiments.objectives import FrontierSpec, ObjectiveSpec
from evendistill.experiments.recipe import read_recipe
from evendistill.experiments.report.sliding import frontiers
from evendistill.experiments.report.table import make_table
from evendistill.experiments.results import read_frontier, read_split
from evendistill.experiments.sweep import Sweep
from evendistill.storage.files import digest, json_bytes, read_json

RECIPE = """
name: shared
data: {source: digits, imbalance: 10}
training: {epochs: 3, batch_size: 64, update_every: 2}
teachers:
  network: {kind: mlp, hidden: [16]}
  objectives: [standard, balanced, {alpha: 0.5}, robust]
  shared: true
students:
  network: {kind: mlp, hidden: [8]}
  objectives: [standard, robust, balanced, {alpha: 0.5}]
  shared: true
  temperatures: [1, 3]
  validation_temperatures: [1, 3]
seeds: 2
"""


@pytest.fixture
def plain():
    return yaml.safe_load(RECIPE)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A small one, trained."""
    folder = tmp_path_factory.mktemp("shared")
    told = yaml.safe_load(RECIPE)
    told["students"] |= {"temperatures": [1], "validation_temperatures": [1], "alone": True}
    (folder / "shared.yaml").write_text(yaml.safe_dump(told))
    sweep = Sweep.read(folder / "shared.yaml", folder / "runs")
    outcomes = sweep.train(How(pack=4))
    assert [outcome.error for outcome in outcomes] == [None] * len(sweep.needed)
    return sweep


def unshared(told):
    without = {
        side: {key: value for key, value in told[side].items() if key != "shared"}
        for side in told
        if side in ("teachers", "students")
    }
    return told | without


def trained(runs):
    return [run for run in runs.values() if run.mend is None]


def test_the_table_has_the_same_cells_in_the_same_order_from_fewer_trainings(plain, read_plain):
    whole, apart = expand(read_plain(plain)), expand(read_plain(unshared(plain)))
    told = [(cell.group, cell.listening) for cell in apart]
    assert [(cell.group, cell.listening) for cell in whole] == told
    frontier, one_by_one = trained(distinct_runs(whole)), trained(distinct_runs(apart))
    ways = 2 * (2 + 1)  # two temperatures; two validation temperatures for the teacher's labels, one for the true ones
    students = 2 + ways  # the standard one has no adversary, and a base of its own
    assert len(frontier) == 2 * (2 + 4 * students)  # two seeds; a standard teacher and the others; four teachers each
    assert len(one_by_one) == 2 * (4 + 4 * (2 * 2 + 2 * ways))
    assert {run.objective.alphas for run in frontier if isinstance(run.objective, FrontierSpec)} == {(0.0, 0.5, 1.0)}


def test_one_trade_off_is_not_shared(plain, read_plain):
    plain["teachers"]["objectives"] = ["standard", "robust"]
    plain["students"]["objectives"] = ["standard", {"alpha": 0.5, "base": "standard"}, "balanced"]
    assert expand(read_plain(plain)) == expand(read_plain(unshared(plain)))


def test_each_trade_off_is_a_finished_run_that_says_what_the_training_found_there(sweep):
    members = [run for run in sweep.needed.values() if isinstance(run.mend, AtSpec)]
    assert len(members) == 2 * 3 * (1 + 4 * 2 + 1) - 2 * 4  # the balanced student has one way of listening fewer
    for run in members:
        frontier = read_frontier(run.trained, sweep.runs)
        place = frontier["alphas"].index(run.mend.alpha)
        for split in ("validation", "test"):
            of_run = read_split(run, sweep.runs, split)
            assert {name: of_run[name] for name in frontier[split][place]} == frontier[split][place]
        assert (sweep.runs / run.folder_name / "model.safetensors").stat().st_size < 30_000
    assert read_frontier(members[0].trained, sweep.runs)["alphas"] == [round(0.05 * step, 2) for step in range(21)]


def test_students_learn_from_teachers_of_a_frontier_and_rows_are_told_apart(sweep):
    table = make_table(sweep)
    assert table.selected is not None
    assert {(row.teacher, row.student) for row in table.rows} >= {("robust", "robust"), ("standard", "tradeoff-0.5")}
    robust = table.find("robust", "robust, true-labelled") or table.rows[-1]
    assert len({tuple(row.folders) for row in table.rows}) == len(table.rows)
    assert robust.cell.runs[0].trained.teacher is not None


def test_the_slider_has_each_frontier_once_and_the_mean_over_its_seeds(sweep):
    rows = make_table(sweep).rows
    slides, places = frontiers(rows, sweep.runs, robust_k=1)
    for row, place in zip(rows, places, strict=True):
        run = row.cell.runs[0]
        assert (place is None) == (run.mend is None)
        if place is not None:
            assert isinstance(run.objective, ObjectiveSpec)
            at = slides[place]["alphas"].index(run.objective.alpha)
            assert slides[place]["recalls"][at] == pytest.approx(row.test.recalls, abs=1e-4)
            assert slides[place]["average"][at] == pytest.approx(row.test.average.mean, abs=1e-4)
            assert slides[place]["robust"][at] == pytest.approx(row.test.robust.mean, abs=1e-4)
    together = [place for place in places if place is not None]
    assert len(slides) == len(set(together)) < len(together)


@pytest.mark.parametrize("change", [lambda told: told["test"].pop(), lambda told: told["test"][0].pop("recalls")])
def test_a_forged_frontier_is_one_line(sweep, tmp_path, change):
    run = next(run for run in sweep.needed.values() if isinstance(run.objective, FrontierSpec))
    folder = tmp_path / run.folder_name
    folder.mkdir()
    told = read_json(sweep.runs / run.folder_name / "frontier.json")
    change(told)
    (folder / "frontier.json").write_bytes(json_bytes(told))
    (folder / "DONE").write_bytes(json_bytes({"frontier.json": digest(json_bytes(told))}))
    with pytest.raises(ValueError, match=r"frontier\.json says nothing of results: [^\n]+$"):
        read_frontier(run, tmp_path)


def called(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["evendistill", *map(str, words)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code or 0


def test_an_alpha_between_two_is_exported_without_training(sweep, tmp_path, monkeypatch, capsys):
    pytest.importorskip("onnxruntime")
    run = next(run for run in sweep.needed.values() if run.mend is not None and run.trained.listening)
    before = {path.name for path in sweep.runs.iterdir()}
    for folder in (run, run.trained):
        words = ("export", sweep.runs / folder.folder_name, "--alpha", "0.3", "--to", tmp_path / folder.hash)
        assert called(monkeypatch, *words) == 0
    assert len({path.name for path in sweep.runs.iterdir()} - before) == 1
    assert "its alpha 0.3" in (tmp_path / run.hash / "README.md").read_text()
    for name in ("model.onnx", "model.safetensors", "README.md"):
        assert (tmp_path / run.hash / name).read_bytes() == (tmp_path / run.trained.hash / name).read_bytes()
    capsys.readouterr()
    plain = next(run for run in sweep.needed.values() if run.objective.name == "standard")
    refused = [
        ((plain, "--alpha", "0.3"), "alpha is for balanced runs and for recipes that are shared; this one is"),
        ((run, "--alpha", "1.3"), "alpha must lie in [0, 1], got 1.3"),
        ((run.trained,), "say with --alpha which of them"),
    ]
    for (spec, *words), message in refused:
        told = ("export", sweep.runs / spec.folder_name, *words, "--to", tmp_path / "refused")
        assert called(monkeypatch, *told) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    assert not (tmp_path / "refused").exists()


def test_frontier_shared_trains_what_is_missing_and_draws_it(plain, tmp_path, monkeypatch, capsys):
    told = unshared(plain)
    told["students"] |= {"temperatures": [1], "validation_labels": ["true"]}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(told | {"seeds": 1, "baselines": ["post-shift"]}))
    words = ("frontier", tmp_path / "mine.yaml", "--shared", "--out", tmp_path / "runs", "--to", tmp_path / "f.pdf")
    assert called(monkeypatch, *words, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {point["title"] for point in found["points"]} >= {"robust, true-labelled student of a robust teacher"}
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")
    done = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*-*/DONE")}
    for verb in ("frontier", "report", "select", "run"):
        assert called(monkeypatch, verb, *words[1:5]) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*-*/DONE")} == done
    assert read_recipe(tmp_path / "runs/recipes/mine-shared.yaml").name == "shared-shared"
    assert (tmp_path / "runs/reports/mine-shared/index.html").is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"search": {"epochs": 0.5, "keep": 0.5}}, "search tries students one by one; leave it out, or shared"),
        ({"training": {"epochs": 2, "iterate": "best"}}, "shared needs iterate last in training, got best"),
    ],
)
def test_what_cannot_be_shared_is_one_line(plain, write_recipe, change, message):
    for told in (plain, unshared(plain)):
        path = write_recipe(told | change)
        with pytest.raises(ValueError, match=message) as caught:
            derive.shared(read_recipe(path))
        assert "\n" not in str(caught.value)


def test_a_recipe_without_two_trade_offs_has_nothing_to_share(plain, read_plain):
    plain["teachers"] |= {"objectives": ["standard"]}
    plain["students"] |= {"objectives": ["standard", "robust"]}
    with pytest.raises(ValueError, match="the recipe shared has no two trade-offs on the balanced base"):
        derive.shared(read_plain(unshared(plain)))


def test_features_and_a_frontier_do_not_go_together(plain, read_plain):
    plain["students"]["feature_weight"] = 1.0
    with pytest.raises(ValueError, match="shared needs feature_weight 0, got 1"):
        read_plain(plain)


def test_any_engine_gives_the_same_bytes(sweep, tmp_path):
    again = Sweep.read(sweep.recipe, tmp_path)
    again.train(How(jobs=2))
    names = ("model.safetensors", "validation.json", "frontier.json", "test.json")
    ours, theirs = (
        {path.relative_to(runs): path.read_bytes() for path in runs.glob("*/*") if path.name in names}
        for runs in (sweep.runs, tmp_path)
    )
    assert ours.keys() >= theirs.keys()
    assert all(ours[path] == theirs[path] for path in theirs)
