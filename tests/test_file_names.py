"""Whatever the file of a recipe is called, what is made of it stays where it belongs, and its name is shown as text."""

import json
import os
import shlex
import shutil
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from evendistill import cli
from evendistill.data.wording import shown
from evendistill.experiments.engines.choice import How
from evendistill.experiments.sweep import Sweep

RECIPE = {
    "name": "small",
    "data": {"source": "digits"},
    "training": {"epochs": 1, "batch_size": 64},
    "teachers": {"network": {"kind": "mlp", "hidden": [8]}, "objectives": ["standard"]},
    "students": {"network": {"kind": "mlp", "hidden": [4]}, "objectives": ["standard"], "alone": True},
    "seeds": 1,
}
NAMES = [
    *("...yaml", "..yaml", ".hidden.yaml", " .yaml", "a b.yaml", "a.b.c.yaml", "con.yaml", "-x.yaml", "..\\..\\x.yaml"),
    *("a\nb.yaml", 'it\'s "x".yaml', "$(touch mark).yaml", "`id`;&.yaml", "<script>alert(1)<.yaml", "[red]x[.yaml"),
    *("\u202egnp.yaml", "\x1b[2J\x07.yaml", "%2e%2e%2f.yaml", "猫.yaml", "é" * 120 + ".yaml", "x" * 250 + ".yaml"),
    *(os.fsdecode(b"\xff\xfe.yaml"), "```` a ``.yaml", "--out.yaml", "|<b>**a**[b](c)|.yaml", "&lt;.yaml"),
]


class Page(HTMLParser):
    """Its elements, and the text that a reader sees."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.seen, self.inside = [], "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside not in ("script", "style"):
            self.seen += data


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Path:
    """A folder of finished runs, and the recipe that they are of."""
    folder = tmp_path_factory.mktemp("names")
    (folder / "small.yaml").write_text(yaml.safe_dump(RECIPE))
    outcomes = Sweep.read(folder / "small.yaml", folder / "runs").train(How(jobs=1, pack=1))
    assert [outcome.error for outcome in outcomes] == [None] * 3
    return folder


@pytest.fixture
def named(swept, tmp_path):
    """The recipe under another name, in a folder of its own, and the folder of runs as it was."""
    shutil.rmtree(swept / "runs" / "reports", ignore_errors=True)
    shutil.rmtree(swept / "runs" / "recipes", ignore_errors=True)

    def called(name) -> Path:
        return Path(shutil.copy(swept / "small.yaml", tmp_path / name))

    return called


@pytest.fixture
def evendistill(monkeypatch, capfd, tmp_path, swept):
    """The command line in this process, in the folder of the recipe: exit code, standard output and error."""

    def call(verb, *words):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["evendistill", verb, *map(str, words), "--out", str(swept / "runs")])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, *capfd.readouterr()

    return call


def page_of(done, runs):
    """The page that a verb wrote, which lies in a folder right below that of all reports."""
    assert done[0] == 0, done[2]
    page = Path(json.loads(done[1])["report"])
    assert page.name == "index.html"
    assert page.parent.parent == (runs / "reports").resolve()
    return page


@pytest.fixture(scope="module")
def plain_tags():
    return []


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_report_stays_among_the_reports_and_shows_the_name_as_text(evendistill, swept, named, tmp_path, name):
    runs = swept / "runs"
    before = sorted(path.name for path in runs.iterdir())
    benign = Page(page_of(evendistill("report", named("plain.yaml"), "--json"), runs).read_text("utf-8"))
    shutil.rmtree(runs / "reports")
    path = Path("..", tmp_path.name, named(name).name)
    done = (
        evendistill("report", "--json", "--", path)
        if str(path).startswith("-")
        else evendistill("report", path, "--json")
    )
    page = page_of(done, runs)
    command = json.loads(done[1])["command"]
    assert shlex.split(command) == ["evendistill", "report", str(path), "--out", str(runs)]
    text = page.read_text("utf-8")
    found = Page(text)
    assert found.tags == benign.tags
    assert shown(command) in found.seen
    for made in page.parent.iterdir():
        content = made.read_bytes().decode()
        assert not {"\x1b", "\x07", "\u202e", "\x00"} & set(content.partition("Plotly.newPlot")[2] or content)
    markdown = (page.parent / "table.md").read_text("utf-8")
    assert shown(command) in markdown
    assert "Regenerate with `" in markdown
    assert sorted(path.name for path in runs.iterdir()) == sorted([*before, "reports"])
    assert sorted(os.listdir(tmp_path)) == sorted(["plain.yaml", name])


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_recipe_made_from_another_lies_among_the_recipes(evendistill, swept, named, tmp_path, name):
    runs = swept / "runs"
    named(name)
    before = sorted(path.name for path in runs.iterdir())
    for more, count in (([], 0), (["--smoke"], 3), (["--data", "digits"], 0)):
        code, out, err = evendistill("run", Path("..", tmp_path.name, name), "--dry-run", *more)
        assert (code, err.count("\n")) == (0, 1), err
        assert len(out.splitlines()) == count
    made = sorted(path.name for path in (runs / "recipes").iterdir())
    assert len(made) == 2
    assert all(each.isascii() and each.isprintable() and len(each) <= 85 for each in made)
    assert sorted(path.name for path in runs.iterdir()) == sorted([*before, "recipes"])
    assert os.listdir(tmp_path) == [name]


def test_two_long_names_and_their_trials_are_four_recipes(evendistill, swept, named, tmp_path):
    for last in "ab":
        named("x" * 70 + last + ".yaml")
        for more in (["--smoke"], ["--data", "digits"]):
            assert evendistill("run", "x" * 70 + last + ".yaml", "--dry-run", *more)[0] == 0
    assert len(os.listdir(swept / "runs" / "recipes")) == 4


@pytest.mark.parametrize("link", ["reports", "reports/small"])
def test_a_report_follows_no_link_out_of_the_folder_of_runs(evendistill, swept, named, tmp_path, link):
    outside = tmp_path / "outside"
    outside.mkdir()
    place = swept / "runs" / link
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(outside)
    try:
        code, out, err = evendistill("report", named("small.yaml"))
    finally:
        place.unlink()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "leads out of" in err
    assert "--to" in err
    assert list(outside.iterdir()) == []


def test_a_report_replaces_links_where_its_files_belong_and_nothing_that_they_lead_to(
    evendistill, swept, named, tmp_path
):
    first = page_of(evendistill("report", named("small.yaml"), "--json"), swept / "runs")
    precious = tmp_path / "precious"
    precious.write_text("not to be overwritten")
    files = sorted(path.name for path in first.parent.iterdir())
    assert len(files) >= 3
    for name in files:
        (first.parent / name).unlink()
        (first.parent / name).symlink_to(precious)
    assert evendistill("report", "small.yaml")[0] == 0
    assert precious.read_text() == "not to be overwritten"
    assert sorted(path.name for path in first.parent.iterdir() if not path.is_symlink()) == files
