"""Whatever classes are called, by whoever made the data, their names are text wherever they are shown."""

import csv
import io
import json
import re
import unicodedata
import warnings
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml

from evendistill.data.wording import shown
from evendistill.experiments.engines.choice import How
from evendistill.experiments.report.lines import as_code, as_words
from evendistill.experiments.sweep import Sweep
from evendistill.storage.files import digest, json_bytes, read_json

pytestmark = pytest.mark.filterwarnings("ignore:labels are words")
NAMES = (
    "<script>alert(1)</script>",
    "[red]x[/red]",
    "esc\x1b[2J\x07\x9b",
    "turned\u202eabc\u200f\u2066",
    "</svg></script><img src=x onerror=alert(1)>",
    "=HYPERLINK(1)",
    "a|b*c_d`e`~f",
    "$\\frac{1}$",
    "&lt;b&gt; :dog: {0} %s",
    "two\nlines\u2028\x85",
    '<a href="javascript:alert(1)">q</a>\'"',
    "می\u200cشود 猫",
)
RECIPE = {
    "name": "named",
    "data": {"source": "data.npz"},
    "training": {"epochs": 1, "batch_size": 64, "update_every": 8},
    "teachers": {"network": {"kind": "mlp", "hidden": [16]}, "objectives": ["standard"]},
    "students": {"network": {"kind": "mlp", "hidden": [8]}, "objectives": ["standard", "balanced"], "alone": True},
    "seeds": 1,
}
UNSEEN = ("Cc", "Cs", "Zl", "Zp")
TURNING = set("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Page(HTMLParser):
    """Its elements with their attributes, the text of its cells, and all of its text but the largest script."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.cells, self.inside, self.parts = [], [], [], []
        self.feed(text)
        self.own = "".join(sorted(self.parts, key=len)[:-1])  # without plotly

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.inside.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        self.parts.append(data)
        if {"td", "th"} & set(self.inside):
            self.cells[-1] += data


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Finished runs on data whose classes have such names."""
    folder = tmp_path_factory.mktemp("named")
    rng = np.random.default_rng(0)
    arrays = {}
    for split, each in (("train", 30), ("test", 24)):
        labels = np.repeat(np.arange(len(NAMES)), each)
        arrays[f"x_{split}"] = (np.eye(len(NAMES))[labels] * 2 + rng.normal(size=(len(labels), len(NAMES)))).astype(
            "f4"
        )
        arrays[f"y_{split}"] = np.array(NAMES)[labels]
    np.savez(folder / "data.npz", **arrays)
    (folder / "named.yaml").write_text(yaml.safe_dump(RECIPE | {"data": {"source": str(folder / "data.npz")}}))
    outcomes = Sweep.read(folder / "named.yaml", folder / "runs").train(How(jobs=1, pack=2))
    assert [outcome.error for outcome in outcomes if outcome.error] == []
    for path in (folder / "runs").glob("*-*/env.json"):
        path.write_bytes(json_bytes(read_json(path) | dict.fromkeys(("host", "device", "python"), "".join(NAMES))))
    return folder


@pytest.fixture
def evendistill(command_line, monkeypatch, swept):
    """The command line in the folder of the recipe; it must end well. Standard output and error."""
    monkeypatch.setenv("COLUMNS", "400")

    def call(*words, code=0):
        with warnings.catch_warnings(action="always", category=UserWarning):
            ended, out, err = command_line(swept, *words)
        assert ended == code, err
        return out, err

    return call


@pytest.fixture
def reported(evendistill, swept):
    """The folder of the report."""
    evendistill("report", "named.yaml")
    return swept / "runs" / "reports" / "named"


def check_seen(text):
    """Nothing in it steers a terminal, ends a line that it should not, or turns the writing."""
    assert not {letter for letter in text if unicodedata.category(letter) in UNSEEN} - {"\n", "\t"}
    assert not TURNING & set(text)


def test_the_data_have_these_names(evendistill, reported):
    found = json.loads(evendistill("report", "named.yaml", "--json")[0])["effects"]
    assert set(found[0]["class_names"]) == {shown(name) for name in NAMES}
    assert shown(NAMES[-1]) == NAMES[-1], "what joins letters stays"


def test_on_the_page_they_are_text(reported):
    text = (reported / "index.html").read_text("utf-8")
    page = Page(text)
    for name in NAMES:
        assert any(shown(name) in cell for cell in page.cells), name
        assert "<" not in name or name not in text
    assert not {"img", "a", "iframe", "object", "embed", "link", "base", "form"} & {tag for tag, _ in page.elements}
    attributes = [(name, value or "") for _, each in page.elements for name, value in each.items()]
    assert not [name for name, _ in attributes if name.startswith("on")]
    assert not [value for _, value in attributes if "javascript:" in value]
    check_seen(page.own)


def test_plotly_is_not_handed_elements(reported):
    """It draws the elements that it finds in text, and links."""
    text = (reported / "index.html").read_text("utf-8")
    drawn = text[text.index('<script type="application/json" id="charts">') + 1 :]
    drawn = drawn[: drawn.index("</script>")]
    for element in ("script", "img", "a href", "/svg"):
        assert re.search(rf"(&|\\u0026)lt;{element}", drawn.replace("\\u002f", "/"))
        assert not re.search(rf"(<|\\u003c){element}", drawn.replace("\\u002f", "/"))


def test_in_markdown_they_are_text(reported):
    text = (reported / "table.md").read_text("utf-8")
    for name in NAMES:
        assert f"| {as_words(shown(name))} |" in text
    prose = re.sub(r"`[^`\n]*`", "", text.replace("\\`", ""))
    assert not re.search(r"(?<!\\)[<>~\[\]]", prose)
    check_seen(text)
    for table in re.split(r"\n\n", text.replace("\\\\", "")):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines() if row.startswith("|")}) <= 1


@pytest.mark.parametrize(
    ("text", "words", "code"),
    [
        ("plain, 5 % (a) 'b'", "plain, 5 % (a) 'b'", "`plain, 5 % (a) 'b'`"),
        ("<b>&amp;", r"\<b\>&amp;amp;", "`<b>&amp;`"),
        ("a\\|b", r"a\\\|b", "`a\\|b`"),
        ("`x` ``", r"\`x\` \`\`", "``` `x` `` ```"),
        ("a\nb", "a\nb", "`a\\nb`"),
    ],
)
def test_what_markdown_would_obey_is_escaped(text, words, code):
    assert as_words(text) == words
    assert as_code(text) == code


def test_in_spreadsheets_they_are_text(reported):
    text = (reported / "table.csv").read_text("utf-8")
    head, *rows = csv.reader(io.StringIO(text))
    assert [name for name in head if name.startswith("test_recall_")] == [
        f"test_recall_{shown(name)}" for name in sorted(NAMES)
    ]
    assert {len(row) for row in rows} == {len(head)}
    assert not [cell for row in (head, *rows) for cell in row if cell.startswith(("=", "@", "+"))]
    check_seen(text)


def drawn_words(path):
    content = path.read_text("utf-8")
    check_seen(content)
    root = ElementTree.fromstring(content)
    allowed = ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://purl.org/dc/")
    tags = {node.tag for node in root.iter()}
    assert all(
        tag.startswith(tuple(f"{{{space}" for space in (*allowed, "http://creativecommons.org/"))) for tag in tags
    )
    assert not {tag for tag in tags if tag.endswith(("}script", "}a", "}image", "}foreignObject"))}
    return "".join(root.itertext())


def test_in_pictures_they_are_text(evendistill, reported, swept, tmp_path):
    teacher = next(path.parent for path in (swept / "runs").glob("*/scores-validation-*"))
    evendistill("diagnose", teacher, "--to", tmp_path / "calibration.svg")
    for path in (reported / "effects.svg", tmp_path / "calibration.svg"):
        words = drawn_words(path)
        for name in NAMES:
            assert shown(name) in words, (path.name, name)


def test_on_the_terminal_they_are_text(evendistill, swept):
    teacher = next(path.parent for path in (swept / "runs").glob("*/scores-validation-*"))
    out, err = evendistill("diagnose", teacher)
    for name in NAMES:
        assert shown(name) in out
    check_seen(out + err)
    for words in (("report", "named.yaml"), ("select", "named.yaml"), ("frontier", "named.yaml"), ("status", "runs")):
        check_seen("".join(evendistill(*words)))


def test_forged_names_are_text_and_need_not_even_be_words(evendistill, swept):
    """Who sends a folder writes its checksums too."""
    for folder in (path.parent for path in (swept / "runs").glob("*/DONE")):
        told = json_bytes(read_json(folder / "test.json") | {"class_names": [None, 7, ["<b>"], *NAMES[3:]]})
        before = (folder / "test.json").read_bytes(), (folder / "DONE").read_bytes()
        try:
            (folder / "test.json").write_bytes(told)
            (folder / "DONE").write_bytes(json_bytes(read_json(folder / "DONE") | {"test.json": digest(told)}))
            evendistill("report", "named.yaml")
        finally:
            (folder / "test.json").write_bytes(before[0])
            (folder / "DONE").write_bytes(before[1])


@pytest.mark.parametrize("name", ["[red]x[", "\x1b[2J", "\u202eabc", "a\nb", "[", ":dog:"])
def test_folders_and_messages_are_text_too(evendistill, tmp_path, swept, name):
    place = tmp_path / f"x{name}"
    out, err = evendistill("report", "named.yaml", "--to", place)
    check_seen(out + err)
    assert f"report: {shown(place.resolve() / 'index.html')}" in out
    for words in (("report", place / "none.yaml"), ("status", Path(f"{place}none")), ("run", place / "none.yaml")):
        out, err = evendistill(*words, code=2)
        check_seen(out + err)
        assert err.count("\n") == 1
