"""Pages of finished runs made by hand, and a browser without a network to open them in."""

import copy
import random
import shutil
from dataclasses import replace

import pytest
import yaml

from evendistill.experiments.report.page import write_report
from evendistill.experiments.report.table import make_table
from evendistill.experiments.sweep import Sweep
from evendistill.storage.files import digest, json_bytes

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DESK = {"width": 1280, "height": 900}
HOSTILE = ["<script>alert(1)</script>", "\"'quoted'\" & <b>bold</b>", "<img src=x onerror=alert(2)>", "猫 " + "x" * 150]
WORST = {"standard": 0.30, "balanced": 0.62, "robust": 0.50}
RECIPE = {
    "name": "small",
    "data": {"source": "digits"},
    "training": {"epochs": 2},
    "teachers": {"network": {"kind": "mlp", "hidden": [8]}, "objectives": ["standard", "robust"]},
    "students": {"network": {"kind": "mlp", "hidden": [4]}, "objectives": ["standard", "balanced", "robust"]},
    "seeds": 2,
    "baselines": ["post-shift"],
}


def recalls_of(spec, count):
    """The last class is the worst; each combination has its own place in the picture."""
    worst = WORST.get(spec.objective.name, 0.4) + 0.02 * spec.order_seed
    worst += 0.1 * (spec.teacher is not None and spec.teacher.objective.name == "robust")
    return [0.9 + 0.05 * (spec.teacher is None)] * (count - 1) + [worst]


def finish(spec, runs, names, recalls, steps=50):
    """A finished run made by hand, with multipliers that move."""
    folder = runs / spec.folder_name
    folder.mkdir(parents=True)
    recalls = recalls(spec, len(names))
    told = {"recalls": recalls, "average_accuracy": sum(recalls) / len(recalls), "class_names": list(names)}
    done = {name: digest(json_bytes(told)) for name in ("validation.json", "test.json")}
    for name in done:
        (folder / name).write_bytes(json_bytes(told))
    (folder / "spec.json").write_bytes(json_bytes(spec.canonical()))
    (folder / "DONE").write_bytes(json_bytes(done))
    shares = ", ".join(f"0.{label % 10}1234" for label in range(len(names)))
    lines = [f'{{"step": {step}, "multipliers": [{shares}]}}\n' for step in range(steps)]
    (folder / "metrics.jsonl").write_text("".join(lines))


def report(folder, names, recipe=RECIPE, name="small", recalls=recalls_of):
    """A page, and of how many runs it is."""
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    sweep = Sweep.read(folder / "recipe.yaml", folder / "runs")
    for spec in sweep.needed.values():
        finish(spec, sweep.runs, names, recalls)
    table = replace(make_table(sweep), name=name)
    page = write_report(table, folder / "report", runs=sweep.runs, command="evendistill run recipe.yaml")
    return page, len(sweep.needed)


@pytest.fixture(scope="session")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"there is no browser: none of {', '.join(BROWSERS)} is installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def hostile():
    """Names of classes that a page must show as they are."""
    return HOSTILE


@pytest.fixture(scope="session")
def plain_page(chromium, tmp_path_factory):
    return report(tmp_path_factory.mktemp("plain"), ["cat", "dog", "owl", "fox"])[0]


@pytest.fixture(scope="session")
def hostile_page(chromium, tmp_path_factory):
    return report(tmp_path_factory.mktemp("hostile runs"), HOSTILE, name=HOSTILE[0])[0]


def large(folder, classes, **told):
    """A page of 500 runs."""
    alphas = lambda count: [{"alpha": round((number + 0.5) / count, 4)} for number in range(count)]  # noqa: E731
    recipe = copy.deepcopy(RECIPE) | {"seeds": 1, "baselines": []}
    recipe["teachers"]["objectives"] = alphas(20)
    recipe["students"] |= {"objectives": alphas(24), "validation_labels": ["true"], "temperatures": [1.0]}
    path, count = report(folder, [f"class number {label}" for label in range(classes)], recipe, **told)
    assert count == 500
    return path


@pytest.fixture(scope="session")
def large_page(chromium, tmp_path_factory):
    """500 runs of 100 classes."""
    return large(tmp_path_factory.mktemp("large"), 100)


@pytest.fixture(scope="session")
def largest_page(chromium, tmp_path_factory):
    """500 runs of 1,000 classes, whose recalls have as many digits as numbers can have."""
    drawn = random.Random(0)
    return large(tmp_path_factory.mktemp("largest"), 1000, recalls=lambda *_: [drawn.random() for _ in range(1000)])


@pytest.fixture
def opened(chromium):
    """Opens a page without a network; at the end it must have asked for nothing, and said nothing of errors."""
    contexts, heard = [], []

    def told(kind):
        return lambda what: heard.append((kind, getattr(what, "text", None) or getattr(what, "url", None) or str(what)))

    def dismissed(dialog):
        heard.append(("dialog", dialog.message))
        dialog.dismiss()

    def open_it(path, **options):
        contexts.append(chromium.new_context(**{"offline": True, "viewport": DESK} | options))
        page = contexts[-1].new_page()
        page.on("console", lambda said: told(said.type)(said) if said.type in ("error", "warning") else None)
        page.on("pageerror", told("page error"))
        page.on("dialog", dismissed)
        page.on("request", lambda asked: None if asked.url == path.as_uri() else told("request")(asked))
        page.goto(path.as_uri())
        page.wait_for_selector("#frontier .points path", state="attached")
        page.wait_for_selector("#multipliers .lines path", state="attached")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert heard == []
