"""Recipes whose groups are an attribute of each example, from the file of arrays to the choice."""

import json
import sys
import warnings

import numpy as np
import pytest
import yaml

from evendistill import cli
from evendistill.experiments.results import summarise
from evendistill.experiments.selection import on_validation, select
from evendistill.experiments.sweep import Sweep
from evendistill.storage.files import digest, json_bytes

PLACES = ("land", "water")
CROSSED = ["0, land", "1, land", "0, water", "1, water"]
pytestmark = pytest.mark.filterwarnings("ignore:groups are words", "ignore:absent from ")


def write_birds(path, shares=(0.35, 0.15, 0.1, 0.4)):
    """Two classes in two places; the place is told by the inputs and goes with the class, most of the time."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 200), ("test", 200)):
        group = np.repeat(np.arange(4), [round(count * share) for share in shares])
        labels, places = group % 2, group // 2
        inputs = rng.normal(size=(len(group), 6)) + 1.2 * labels[:, None] * [1, 1, 0, 0, 0, 0]
        inputs += 2.0 * places[:, None] * [0, 0, 1, 1, 0, 0]
        arrays |= {f"x_{split}": inputs.astype(np.float32), f"y_{split}": labels}
        arrays[f"place_{split}"] = np.array(PLACES)[places]
    np.savez(path, **arrays)
    return str(path)


@pytest.fixture
def birds(tmp_path):
    """A recipe on such a file."""
    return {
        "name": "birds",
        "data": {"source": write_birds(tmp_path / "birds.npz"), "group_column": "place"},
        "grouping": "class x attribute",
        "training": {"epochs": 2, "batch_size": 32, "update_every": 2},
        "teachers": {"network": {"kind": "mlp", "hidden": [8]}, "objectives": ["standard"]},
        "students": {"network": {"kind": "mlp", "hidden": [4]}, "objectives": ["robust"]},
        "seeds": 1,
    }


@pytest.fixture
def run_recipe(tmp_path, monkeypatch, capsys):
    """``evendistill run`` in this process: its exit code, what it printed, and the sweep."""

    def call(content):
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(content))
        words = ["run", str(path), "--out", str(tmp_path / "runs"), "--pack", "2", "--json"]
        monkeypatch.setattr(sys, "argv", ["evendistill", *words])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, *capsys.readouterr()

    return call


def recount(sweep, spec, grouping):
    """The counts of each group, which must add up to those of the classes or of the split."""
    for split in ("validation", "test"):
        told = json.loads((sweep.runs / spec.folder_name / f"{split}.json").read_text())
        groups = told["groups"]
        assert sum(groups["correct"]) == sum(told["correct"])
        assert sum(groups["total"]) == sum(told["total"]) == 100
        if grouping == "class x attribute":
            assert groups["names"] == CROSSED
            for label in (0, 1):
                assert groups["correct"][label] + groups["correct"][label + 2] == told["correct"][label]
        else:
            assert groups["names"] == list(PLACES)
        recalls = np.array(groups["correct"]) / np.array(groups["total"])
        np.testing.assert_allclose(groups["recalls"], recalls)
        assert groups["worst_class_accuracy"] == pytest.approx(recalls.min())
        assert groups["average_accuracy"] == pytest.approx(recalls.mean())


@pytest.mark.parametrize("grouping", ["class x attribute", "attribute"])
def test_groups_are_trained_judged_and_reported(run_recipe, birds, tmp_path, grouping):
    objective = "robust" if grouping == "class x attribute" else {"alpha": 1, "form": "weighted"}
    birds |= {"grouping": grouping, "baselines": ["group-dro-train", "post-shift"]}
    birds["students"]["objectives"] = [objective]
    code, out, err = run_recipe(birds)
    assert code == 0, err
    sweep = Sweep.read(tmp_path / "recipe.yaml", tmp_path / "runs")
    assert len(sweep.needed) == 1 + 2 + 2
    for spec in sweep.needed.values():
        recount(sweep, spec, grouping)
        read = json.loads((sweep.runs / spec.folder_name / "validation.json").read_text())
        found = summarise([spec], sweep.runs, "validation", robust_k=1)
        assert found.robust.mean == min(read["groups"]["recalls"])
        assert found.average.mean == pytest.approx(np.mean(read["groups"]["recalls"]))
        assert len(found.recalls) == len(read["groups"]["names"])
    entries = {entry["student"]: entry for entry in json.loads(out)["cells"]}
    assert len(entries) == 4
    page = (tmp_path / "runs" / "reports" / "recipe" / "index.html").read_text("utf-8")
    assert "worst-group accuracy" in page
    assert '<th scope="col">group</th>' in page
    assert '<th scope="col">class</th>' not in page
    for name in CROSSED if grouping == "class x attribute" else PLACES:
        assert f">{name}</t" in page


def test_groups_that_are_the_classes_again_change_no_result(run_recipe, birds, tmp_path):
    """Where all share one place, class x attribute is class."""
    with np.load(birds["data"]["source"]) as saved:
        arrays = dict(saved)
    for split in ("train", "test"):
        arrays[f"place_{split}"] = np.zeros(200, dtype=np.int64)
    np.savez(birds["data"]["source"], **arrays)
    found = []
    for grouping in ("class", "class x attribute"):
        code, out, err = run_recipe(birds | {"grouping": grouping})
        assert code == 0, err
        cells = json.loads(out)["cells"]
        # other runs by name, and names break ties
        found.append([{key: value for key, value in cell.items() if key not in ("runs", "selected")} for cell in cells])
    assert found[0] == found[1]


def test_selection_uses_the_worst_group(birds, tmp_path):
    """The student whose worst class is better has the worse group."""
    birds["students"]["objectives"] = ["standard", "robust"]
    birds["students"]["validation_labels"] = ["true"]
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(birds))
    sweep = Sweep.read(path, tmp_path / "runs")
    classes = {"standard": [0.9, 0.8], "robust": [0.7, 0.7]}
    groups = {"standard": [1.0, 0.8, 0.2, 0.8], "robust": [0.7, 0.7, 0.6, 0.7]}
    for spec in sweep.needed.values():
        recalls = groups[spec.objective.name]
        found = {"recalls": classes[spec.objective.name], "average_accuracy": 0.8, "class_names": ["0", "1"]}
        found["groups"] = {"recalls": recalls, "average_accuracy": sum(recalls) / 4, "names": CROSSED}
        folder = sweep.runs / spec.folder_name
        folder.mkdir(parents=True)
        (folder / "validation.json").write_bytes(json_bytes(found))
        (folder / "DONE").write_bytes(json_bytes({"validation.json": digest(json_bytes(found))}))
    position = select(sweep.cells, judged := on_validation(sweep.cells, sweep.runs, robust_k=1))
    assert position is not None
    assert {run.objective.name for run in sweep.cells[position].runs} == {"robust"}
    assert judged[position].robust.mean == 0.6
    assert judged[position].average.mean == pytest.approx(0.675)


def check_refused(done, *words):
    code, out, err = done
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    line = err.strip().splitlines()[-1]
    for word in words:
        assert word in line


def test_one_cost_for_all_scores_of_an_example_is_refused(run_recipe, birds):
    birds["teachers"]["objectives"] = ["robust"]
    done = run_recipe(birds | {"grouping": "attribute"})
    check_refused(done, "failed: ", "attributes alone cannot be groups of the margin form", "take form 'weighted'")
    assert "1 students were not trained" in done[2] or "2 students were not trained" in done[2]


def test_groups_need_a_column(run_recipe, birds, tmp_path):
    del birds["data"]["group_column"]
    line = "recipe.yaml: grouping 'class x attribute' needs data.group_column, the column that holds it"
    check_refused(run_recipe(birds), line)
    assert not (tmp_path / "runs").exists()


def test_a_column_that_is_not_there_is_refused(run_recipe, birds):
    birds["data"]["group_column"] = "sex"
    check_refused(run_recipe(birds), "birds.npz", "sex_train")


def test_a_group_without_training_examples_is_named(run_recipe, birds, tmp_path):
    write_birds(tmp_path / "birds.npz", shares=(0.5, 0.2, 0.0, 0.3))
    check_refused(run_recipe(birds), "failed: ", "group 2 ('0, water') has no training example")
