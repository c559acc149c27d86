"""report, select and frontier over finished recipes, as a person meets them."""

import json
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml

from evendistill import cli
from evendistill.experiments.engines.choice import How
from evendistill.experiments.sweep import Sweep

VERBS = ("report", "select", "frontier")
RECIPE = {
    "name": "small",
    "data": {"source": "digits"},
    "training": {"epochs": 4, "batch_size": 32, "update_every": 8},
    "teachers": {"network": {"kind": "mlp", "hidden": [16]}, "objectives": ["standard"]},
    "students": {
        "network": {"kind": "mlp", "hidden": [12]},
        "objectives": ["standard", "balanced"],
    },
    "seeds": 2,
    "baselines": ["standard-distillation", "post-shift"],
}
OTHER = RECIPE | {"name": "other", "students": RECIPE["students"] | {"objectives": ["standard", "robust"]}}


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Path:
    """Two recipes that can be compared over one folder of finished runs."""
    folder = tmp_path_factory.mktemp("verbs")
    for name, recipe in (("small", RECIPE), ("other", OTHER)):
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(recipe))
        outcomes = Sweep.read(path, folder / "runs").train(How(jobs=1, pack=2))
        assert [outcome.error for outcome in outcomes if outcome.error] == []
    return folder


@pytest.fixture
def evendistill(command_line, monkeypatch, swept):
    """The command line in the folder of the recipes."""
    monkeypatch.setenv("COLUMNS", "200")
    return partial(command_line, swept)


def as_json(done):
    code, out, err = done
    assert (code, err) == (0, "")
    return json.loads(out)


def refused(done, *words):
    code, out, err = done
    assert (code, out, err.count("\n")) == (2, "", 1)
    for word in words:
        assert word in err


def result(swept, folder, split):
    return json.loads((swept / "runs" / folder / f"{split}.json").read_text())


def test_report_says_where_the_page_is_and_how_to_make_it_again(evendistill, swept):
    found = as_json(evendistill("report", "small.yaml", "--json"))
    page = Path(found["report"])
    assert page.is_absolute()
    assert page == (swept / "runs" / "reports" / "small" / "index.html").resolve()
    assert (found["trained"], found["command"]) == (0, "evendistill report small.yaml --out runs")
    assert found["command"] in page.read_text("utf-8")
    students = [cell["student"] for cell in found["cells"]]
    assert students == ["none", "standard", "balanced", "standard-distillation", "post-shift"]
    for cell in found["cells"]:
        for name in ("average", "worst_class"):
            values = [result(swept, folder, "test")[f"{name}_accuracy"] for folder in cell["runs"]]
            assert cell[f"{name}_accuracy"]["mean"] == pytest.approx(sum(values) / 2)
    code, out, _ = evendistill("report", "small.yaml")
    assert code == 0
    assert str(page) in out
    for word in ("method", "post-shift of the standard", "kept: ", "cannot tell: "):
        assert word in out


def test_several_recipes_share_one_report(evendistill):
    found = as_json(evendistill("report", "small.yaml", "other.yaml", "--json"))
    students = [cell["student"] for cell in found["cells"]]
    assert students == ["none", "standard", "balanced", "robust", "robust", "standard-distillation", "post-shift"]
    assert found["command"] == "evendistill report small.yaml other.yaml --out runs"
    assert found["report"].endswith("reports/small/index.html")


def test_select_tells_the_rule_the_choice_and_what_validation_found(evendistill, swept):
    found = as_json(evendistill("select", "small.yaml", "other.yaml", "--json"))
    assert found["rule"] == "best robust metric"
    worst = [result(swept, folder, "validation")["worst_class_accuracy"] for folder in found["runs"]]
    assert found["validation_worst_class_accuracy"]["mean"] == pytest.approx(sum(worst) / 2)
    interval = found["validation_worst_class_interval"]
    assert interval["lower"] < interval["estimate"] == pytest.approx(worst[0])
    assert worst[0] != pytest.approx(result(swept, found["runs"][0], "test")["worst_class_accuracy"])
    code, out, err = evendistill("select", "small.yaml", "other.yaml")
    assert (code, err) == (0, "")
    assert f"chosen: {found['student']}" in out
    for folder in found["runs"]:
        assert f"run: {folder}" in out


def test_select_takes_its_rule_from_the_command_line(evendistill, swept):
    told = as_json(evendistill("select", "small.yaml", "--rule", "weighted-sum", "--weight", 0, "--json"))
    assert told["rule"] == "best sum of 0 times the robust metric and 1 times the average"
    averages = {
        cell["student"]: cell["validation_average_accuracy"]["mean"]
        for cell in as_json(evendistill("report", "small.yaml", "--json"))["cells"]
    }
    best = max(("standard", "balanced"), key=lambda name: averages[name])
    assert (told["student"], told["validation_average_accuracy"]["mean"]) == (best, averages[best])
    paper = as_json(evendistill("select", "small.yaml", "--rule", "paper", "--factor", "0", "--json"))
    assert paper["validation_average_accuracy"]["mean"] >= averages["standard"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--rule", "average-above", "--floor", "1"),
            ("a robust metric on validation of 100.0 %", "wants the best average among those"),
        ),
        (("--rule", "robust-above"), ("rule robust-above needs a floor from 0 to 1",)),
        (("--floor", "0.5"), ("floor belongs to a rule; name it with --rule",)),
        (("--rule", "worst"), ("rule must be one of paper, best-robust, weighted-sum, ", "got 'worst'")),
    ],
)
def test_a_rule_that_cannot_be_is_one_line(evendistill, words, said):
    refused(evendistill("select", "small.yaml", *words), "evendistill: ", *said)


def test_the_command_line_names_the_rules_that_there_are():
    from evendistill.experiments.rules import TAKES

    assert tuple(TAKES) == tuple(cli.read.RULES)


def test_help_says_what_each_rule_takes(evendistill):
    code, out, _ = evendistill("select", "--help")
    said = " ".join(out.split())
    assert code == 0
    assert "average-above: best average among those with a robust metric of at least the floor" in said
    assert "robust-above: best robust metric among those with an average of at least the floor" in said
    assert "worst class, or of the worst robust_k" in said


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_frontier_draws_and_says_who_stands_where(evendistill, swept, ending):
    picture = swept / f"frontier.{ending}"
    found = as_json(evendistill("frontier", "small.yaml", "other.yaml", "--to", picture, "--json"))
    head = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert picture.read_bytes().startswith(head)
    assert found["hypervolume"].keys() == {"students", "baselines"}
    # a teacher and its students in two seeds, robust in two label modes; the shift trains nothing
    assert found["training_epochs"] == 4 * 2 * (1 + 2 + 2)
    assert [point["is_teacher"] for point in found["points"]].count(True) == 1
    assert len(found["points"]) == 1 + 4 + 1
    assert sum(point["selected"] for point in found["points"]) == 1
    assert any(point["efficient"] for point in found["points"])


def test_frontier_is_a_table_on_a_terminal(evendistill):
    code, out, err = evendistill("frontier", "small.yaml")
    assert (code, err) == (0, "")
    for word in (
        "combination",
        "efficient",
        "area under the frontier",
        "students 0.",
        "epochs trained for it, teachers included: 24",
    ):
        assert word in out


def test_a_picture_that_cannot_be_drawn_is_one_line(evendistill):
    refused(
        evendistill("frontier", "small.yaml", "--to", "frontier.xyz"), "frontier.xyz: pictures are .svg, .pdf, .png"
    )
    refused(
        evendistill("report", "small.yaml", "--to", "page.html"), "page.html: a report is a folder, into which index."
    )
    refused(evendistill("frontier", "small.yaml", "--to", "nowhere/frontier.png"), "nowhere/frontier.png")


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_not_finished_or_not_there_is_one_line(evendistill, verb):
    refused(evendistill(verb, "small.yaml", "--out", "elsewhere"), "is not finished; run the recipe first")
    refused(evendistill(verb, "none.yaml"), "none.yaml: there is no such recipe")
    code, _, err = evendistill(verb)
    assert code == 2
    assert "Missing argument" in err


def test_no_verb_trains_or_touches_a_run(evendistill, swept):
    before = {path: path.stat().st_mtime_ns for path in (swept / "runs").glob("*-*/*")}
    for verb in VERBS:
        assert evendistill(verb, "small.yaml", "other.yaml")[0] == 0
    assert before == {path: path.stat().st_mtime_ns for path in (swept / "runs").glob("*-*/*")}


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_an_example_and_comes_at_once_without_torch(verb):
    """The bound is on the time that a processor spends, so that a busy machine changes nothing."""
    code = "import sys, evendistill.cli as c\ntry:\n    c.main()\nfinally:\n    assert 'torch' not in sys.modules"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    shown = subprocess.run([sys.executable, "-c", code, verb, "--help"], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert f"Example: evendistill {verb}" in shown.stdout
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1
