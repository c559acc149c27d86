"""The slider over alpha: it moves the recalls between the combinations of one training, by mouse and by keyboard."""

import re

import pytest
import yaml

from evendistill.experiments.engines.choice import How
from evendistill.experiments.report.page import write_report
from evendistill.experiments.report.sliding import frontiers
from evendistill.experiments.report.table import make_table
from evendistill.experiments.sweep import Sweep

RECIPE = {
    "name": "slid",
    "data": {"source": "digits", "imbalance": 10},
    "training": {"epochs": 2, "batch_size": 64, "update_every": 2},
    "teachers": {"network": {"kind": "mlp", "hidden": [8]}, "objectives": ["standard"]},
    "students": {
        "network": {"kind": "mlp", "hidden": [8]},
        "objectives": ["standard", "balanced", "robust"],
        "shared": True,
        "validation_labels": ["true"],
    },
    "seeds": 1,
}


@pytest.fixture(scope="module")
def slid(tmp_path_factory):
    """A page, and what its slider should show."""
    folder = tmp_path_factory.mktemp("slid")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    sweep = Sweep.read(folder / "recipe.yaml", folder / "runs")
    sweep.train(How(pack=2))
    table = make_table(sweep)
    (told,), _ = frontiers(table.rows, sweep.runs, robust_k=1)
    return write_report(table, folder / "report", runs=sweep.runs, command="evendistill run recipe.yaml"), told


def shown(page):
    numbers = page.locator("#panel-recalls .number").all_inner_texts()
    return page.locator("#slider-alpha").inner_text(), numbers


def expected(told, place):
    return str(told["alphas"][place]), [f"{100 * recall:.1f}" for recall in told["recalls"][place]]


def test_the_slider_moves_recalls_and_the_command_with_them(opened, slid):
    path, told = slid
    page = opened(path)
    page.locator("tbody th button", has_text="robust, true-labelled student of a standard teacher").click()
    assert shown(page) == ("1", expected(told, 20)[1])
    assert page.locator("#multipliers .lines path").count() == 10
    command = page.locator("#panel-command").inner_text()
    assert re.search(r"/([0-9a-f]{12})-\S+ --to exported/\1$", command)
    page.locator("#slider").focus()
    for place in (19, 18):
        page.keyboard.press("ArrowLeft")
        assert shown(page) == expected(told, place)
    assert page.locator("#panel-command").inner_text() == f"{command}-0.9 --alpha 0.9"
    assert f"worst {100 * told['robust'][18]:.1f} %" in page.locator("#slider-facts").inner_text()
    page.locator("#slider").press("Home")
    assert shown(page) == ("0", expected(told, 0)[1])
    page.locator("tbody th button", has_text="standard student of a standard teacher").click()
    assert not page.locator("#slider").is_visible()
