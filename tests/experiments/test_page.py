"""The page needs nothing but itself, shows text as text, and says what the table says."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from evendistill.experiments.report.layout import entry, grid_of, markdown
from evendistill.experiments.report.lines import markdown_table
from evendistill.experiments.report.page import write_report
from evendistill.experiments.report.recalls import recall_lines
from evendistill.experiments.report.table import make_table

ATTACK = "<script>alert(1)</script>"
BREAK_OUT = '</script><script>alert("2")</script>'
VOID = {"meta", "link", "img", "br", "hr", "input", "source", "base"}
WORST = {"standard": 0.2, "balanced": 0.6, "robust": 0.5}


class Page(HTMLParser):
    """Elements, their attributes, and the text that a reader sees in them."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.cells, self.selected, self.styles, self.seen = [], [], [], [], [], []
        self.begin = {}  # of each table, by what it is called
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")
        if dict(attrs).get("class") == "scroll":
            self.begin[dict(attrs)["aria-label"]] = len(self.cells)
        if dict(attrs).get("class") == "selected":
            self.selected.append(len(self.cells) - 1)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        inside = self.open[-1] if self.open else ""
        if inside in ("td", "th") or self.open[-2:] in (["th", "button"], ["td", "button"]):
            self.cells[-1] += data
        if inside == "style":
            self.styles.append(data)
        elif inside != "script":
            self.seen.append(data)

    def table(self, name, columns):
        """The lines of a table."""
        end = min([at for at in self.begin.values() if at > self.begin[name]], default=len(self.cells))
        cells = self.cells[self.begin[name] : end]
        return [cells[start : start + columns] for start in range(0, len(cells), columns)]

    def count(self, tag):
        return sum(name == tag for name, _ in self.elements)

    @property
    def text(self):
        return "".join(self.seen)


@pytest.fixture
def table(finished_sweep, plain):
    """A table that is no rectangle: one kind of student is missing under the second teacher."""
    plain["teachers"]["objectives"] = ["standard", "robust"]
    full = make_table(finished_sweep(plain, lambda spec: [0.9, WORST[spec.objective.name] + 0.1 * spec.order_seed]))
    rows = [row for row in full.rows if (row.teacher, row.student) != ("robust", "standard")]
    return replace(full, rows=tuple(rows), class_names=("cat", "dog"))


@pytest.fixture
def written(tmp_path):
    def write(table, command="evendistill run recipe.yaml"):
        return write_report(table, tmp_path / "report", runs=tmp_path / "runs", command=command)

    return write


def test_the_page_fetches_nothing(table, written):
    text = written(table).read_text("utf-8")
    page = Page(text)
    fetched = [
        value
        for tag, attributes in page.elements
        for name, value in attributes.items()
        if name in ("src", "srcset", "data", "action", "poster") or (name == "href" and tag in ("link", "base"))
    ]
    assert fetched == []
    assert not [tag for tag, _ in page.elements if tag in ("iframe", "object", "embed", "link")]
    assert not re.search(r"@import|url\(", "".join(page.styles))
    assert page.count("script") >= 2
    assert "Plotly.newPlot" in text
    assert 1e6 < len(text) < 8e6  # plotly's own code, once
    assert page.open == []
    (policy,) = (told["content"] for tag, told in page.elements if tag == "meta" and "http-equiv" in told)
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy
    assert "unsafe-eval" not in policy


def test_the_page_says_what_the_table_says(table, written):
    page = Page(written(table).read_text("utf-8"))
    head, lines = grid_of(table)
    assert head == ["student", "standard teacher", "robust teacher"]
    expected = [head, *([title, *(entry(row) for row in rows)] for title, rows in lines)]
    shown = page.table("table of students and teachers", 3)
    assert shown == expected
    assert sum(cells.count("") for cells in shown) == 1
    assert sum("★" in cell for cells in shown for cell in cells) == 1
    marked = [page.cells[position] for position in page.selected]
    assert marked[1:] == ["65.0 ± 5.0 (77.5 ± 2.5) ★"]
    assert page.table("table of on test, in percent", 3)[1] == ["the student to ship", "65.0 ± 5.0", "77.5 ± 2.5"]


def test_the_list_to_be_sorted_says_the_same_and_sorts_by_it(table, written):
    page = Page(written(table).read_text("utf-8"))
    head, *lines = page.table("table of every combination", 5)
    assert [name.rstrip(" %") for name in head] == [
        *("combination", "worst-class accuracy", "average accuracy", "worst-class accuracy on validation"),
        "hyper-parameters",
    ]
    found = [(row.test.robust, row.test.average, row.validation.robust) for row in table.rows]
    assert [cells[:1] for cells in lines] == [[row.title + " ★" * row.selected] for row in table.rows]
    assert [cells[1:4] for cells in lines] == [[each.percent() for each in row] for row in found]
    assert {cells[4] for cells in lines} == {"", "T 3"}
    values = [told["data-value"] for tag, told in page.elements if tag == "td" and "data-value" in told]
    assert values[:3] == [f"{each.mean:.6f}" for each in found[0]]


def test_the_page_shows_the_recalls_of_each_class(table, written):
    page = Page(written(table).read_text("utf-8"))
    teacher = "25.0" if table.selected.teacher == "standard" else "55.0"
    assert page.table("table of recalls of each class", 5) == [
        ["class", "its teacher", "selected student", "standard distillation", "points over standard distillation"],
        ["cat", "90.0", "90.0", "90.0", "+0.0 (all seeds alike)"],
        ["dog", teacher, "65.0", "25.0", "+40.0 (all seeds alike)"],
    ]
    assert page.text.count("Brackets hold the 95 % Student-t interval over seeds;") == 1


def test_a_class_that_no_example_has_is_called_absent(table, written):
    nan = float("nan")
    gone = {"recalls": (0.9, nan), "by_seed": ((0.9, nan), (0.9, nan))}
    rows = [replace(row, test=replace(row.test, **gone)) for row in table.rows]
    path = written(replace(table, rows=tuple(rows)))
    page = Page(path.read_text("utf-8"))
    assert page.table("table of recalls of each class", 5)[-1] == ["dog", "absent", "absent", "absent", "-"]
    assert "nan" not in page.text
    assert "nan" not in path.with_name("table.csv").read_text("utf-8").splitlines()[1]
    assert '"recalls":"p0--"' in path.read_text("utf-8")


def test_where_nothing_is_selected_the_first_combinations_stand_beside_each_other(finished_sweep, plain, written):
    plain["teachers"]["objectives"] = ["standard", "balanced", "robust"]
    table = make_table(finished_sweep(plain, lambda spec: [0.9, WORST[spec.objective.name]]))
    rows = tuple(replace(row, selected=False) for row in table.rows)
    page = Page(written(replace(table, rows=rows, why_not="no floor was reached")).read_text("utf-8"))
    assert page.table("table of recalls of each class", 9)[0][1:] == [row.title for row in rows[:8]]
    assert "4 further combinations are left out here" in page.text


@pytest.mark.parametrize("name", [ATTACK, BREAK_OUT, "<b>bold</b> & 'quoted' \"twice\"", "猫 🐱"])
def test_names_are_shown_as_text(table, written, name):
    benign = Page(written(table).read_text("utf-8"))
    text = written(replace(table, name=name, class_names=(name, "dog")), f"evendistill run {name}").read_text("utf-8")
    page = Page(text)
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in benign.elements]
    assert name in page.cells
    assert page.text.count(name) == 4  # title, heading, recalls, command
    assert ATTACK not in text


def test_the_page_says_how_its_numbers_come_about(table, written):
    page = Page(written(table, "evendistill demo --seeds 2").read_text("utf-8"))
    assert "evendistill demo --seeds 2" in page.text
    assert "over seeds 0, 1; each student learns from the teacher of its own seed." in page.text
    assert "Ship the balanced student of a" in page.text
    assert "Chosen on validation: best robust metric." in page.text
    fixed = Page(written(replace(table, matched=False, seeds=(4,), robust_k=2)).read_text("utf-8"))
    assert "of seed 4 alone; one teacher for all students." in fixed.text
    assert "worst-2 accuracy" in fixed.text


def test_beside_the_page_lie_the_table_and_the_picture(table, written):
    folder = written(table).parent
    beside = {"index.html", "table.md", "table.csv", "table.tex", "frontier.svg"}
    assert {path.name for path in folder.iterdir()} == beside
    lines = (folder / "table.md").read_text("utf-8")
    assert lines.startswith(markdown(table))
    assert "over seeds 0, 1;" in lines
    assert (
        "Regenerate with `evendistill run recipe.yaml`.\n\n## Recall of each class\n\n| class | its teacher |" in lines
    )
    head, body = recall_lines(table)
    assert lines.count(markdown_table(head, body)) == 1
    assert body[0] == ["cat", "90.0", "90.0", "90.0", "+0.0 (all seeds alike)"]


def test_the_picture_is_the_same_at_every_drawing_and_fetches_nothing(table, written):
    picture = written(table).parent / "frontier.svg"
    first = picture.read_bytes()
    written(table)
    assert picture.read_bytes() == first
    root = ElementTree.fromstring(first)
    links = [value for node in root.iter() for name, value in node.attrib.items() if name.endswith("href")]
    assert links
    assert all(link.startswith("#") for link in links)
    words = "".join(root.itertext())
    assert "average accuracy on test (%)" in words
    assert "robust, teacher-labelled" in words


def test_a_report_without_students_shows_the_teachers(finished_sweep, plain, written):
    del plain["students"]
    page = Page(written(make_table(finished_sweep(plain, lambda spec: [0.9, 0.5]))).read_text("utf-8"))
    assert "No student to ship" in page.text
    assert "There are no students to choose from." in page.text
    assert "There is no student to ship." not in page.text  # once is enough
    assert "standard teacher alone" in page.cells
