"""The section on what distillation did to whom: right runs side by side, right numbers, nothing where there is none."""

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

import evendistill as ed
from evendistill.experiments.report import effects_words, page
from evendistill.experiments.report.effects import NOT_KEPT, Section, as_json, compare
from evendistill.experiments.report.latex import latex
from evendistill.experiments.report.page import write_report
from evendistill.experiments.report.table import make_table
from evendistill.storage.files import digest, json_bytes, read_json
from evendistill.storage.tensors import tensor_bytes

LABELS = np.repeat(np.arange(3), 40)
WORST = {"standard": 0.5, "balanced": 0.6, "robust": 0.7}
COPIES = {"standard": 0.8, "balanced": 0.5, "robust": 0.2}


def seed_of(spec):
    return int(spec.hash, 16) % 2**31


def guesses(spec):
    """What a run predicts: right now and then; a student repeats what its own teacher predicts now and then."""
    rng = np.random.default_rng(seed_of(spec))
    own = np.where(rng.random(len(LABELS)) < 0.6, LABELS, rng.integers(0, 3, len(LABELS)))
    if spec.teacher is None:
        return own
    return np.where(rng.random(len(LABELS)) < COPIES[spec.objective.name], guesses(spec.teacher), own)


def margins_of(spec):
    return np.random.default_rng(seed_of(spec)).random(3).tolist()


def add(folder, files):
    """Further result files of a finished run."""
    for name, payload in files.items():
        (folder / name).write_bytes(payload)
    done = read_json(folder / "DONE") | {name: digest(payload) for name, payload in files.items()}
    (folder / "DONE").write_bytes(json_bytes(done))


def predict(spec, runs, *, labels=LABELS, told=None):
    """Write what this version keeps beside what the fixture wrote."""
    folder = runs / spec.folder_name
    predictions = {"predictions": torch.from_numpy(guesses(spec)).int(), "labels": torch.from_numpy(labels).int()}
    test = read_json(folder / "test.json") | {"margins": margins_of(spec)} | (told or {})
    add(
        folder,
        {
            "test-predictions.safetensors": tensor_bytes(predictions),
            "test.json": json_bytes(test),
            "data.json": json_bytes({"training_examples": [1000, 100, 10]}),
        },
    )


@pytest.fixture
def make(finished_sweep, plain):
    """A sweep of finished runs with predictions; validation chooses the robust student."""

    def made(**students):
        plain["students"] |= {"alone": True} | students
        sweep = finished_sweep(
            plain, lambda spec: [0.9, 0.9, WORST[spec.objective.name] + (spec.teacher is not None) / 9]
        )
        for spec in sweep.needed.values():
            predict(spec, sweep.runs)
        return sweep

    return made


def of_class(label):
    return np.flatnonzero(label == LABELS)


def section_of(sweep) -> Section:
    return compare(make_table(sweep), sweep.runs)


def runs_by_seed(sweep, teacher, student):
    """The runs of a cell of the grid in the order of their seeds."""
    (cell,) = (
        cell
        for cell in sweep.cells
        if (cell.teacher and cell.teacher.name, cell.student and cell.student.name) == (teacher, student)
    )
    return cell.runs


def by_hand(sweep, teacher, student, alone):
    return [
        ed.effects(LABELS, *(guesses(spec) for spec in trio), num_classes=3, margins=margins_of(trio[0]))
        for trio in zip(
            runs_by_seed(sweep, teacher, None),
            runs_by_seed(sweep, teacher, student),
            runs_by_seed(sweep, None, alone),
            strict=True,
        )
    ]


def check_same(comparison, expected):
    assert len(comparison.seeds) == len(expected)
    for found, wanted in zip(comparison.seeds, expected, strict=True):
        assert torch.equal(found.recalls, wanted.recalls)
        assert torch.equal(found.gained, wanted.gained)
        assert found.inheritance == wanted.inheritance
        assert torch.equal(found.margins, wanted.margins)


def test_the_selected_student_and_standard_distillation_stand_beside_the_same_student_alone(make):
    sweep = make()
    chosen, plain = section_of(sweep).comparisons
    assert (chosen.role, chosen.title) == ("Selected student", "robust, teacher-labelled student of a standard teacher")
    assert (chosen.alone, chosen.same_objective) == ("robust student without a teacher", True)
    assert (plain.role, plain.title) == ("Standard distillation", "standard student of a standard teacher")
    assert (plain.alone, plain.same_objective) == ("standard student without a teacher", True)
    check_same(chosen, by_hand(sweep, "standard", "robust", "robust"))
    check_same(plain, by_hand(sweep, "standard", "standard", "standard"))
    assert chosen.class_names == ("0", "1", "2")
    assert chosen.training_examples == (1000, 100, 10)
    assert not torch.equal(chosen.seeds[0].recalls, chosen.seeds[1].recalls)


def test_students_that_copy_their_teacher_are_seen_to_inherit(make):
    chosen, plain = section_of(make()).comparisons
    assert plain.mean.inheritance > plain.mean.inheritance_alone + 0.3
    assert chosen.mean.inheritance < plain.mean.inheritance


def test_each_student_is_compared_with_the_very_teacher_it_learned_from(make, plain):
    plain["teacher_seed"] = {"fixed": 1}
    sweep = make()
    (teacher,) = {spec.teacher.hash for spec in runs_by_seed(sweep, "standard", "standard")}
    standard = section_of(sweep).comparisons[1]
    recalls = [np.mean(guesses(sweep.needed[teacher])[of_class(label)] == label) for label in range(3)]
    for found in standard.seeds:
        assert found.recalls[0].tolist() == pytest.approx(recalls)


def test_without_a_lone_student_of_its_own_objective_the_standard_one_stands_in_and_the_words_say_so(make):
    sweep = make()
    table = make_table(sweep)
    rows = tuple(row for row in table.rows if (row.teacher, row.student) != ("none", "robust"))
    chosen, plain = compare(replace(table, rows=rows), sweep.runs).comparisons
    assert (chosen.alone, chosen.same_objective) == ("standard student without a teacher", False)
    check_same(chosen, by_hand(sweep, "standard", "robust", "standard"))
    words = " ".join(effects_words.sentences(chosen))
    assert "for the recipe has none of its own objective: part of the gain may be due to that." in words
    assert "none of its own objective" not in " ".join(effects_words.sentences(plain))


def test_without_students_alone_there_is_nothing_to_show(make):
    sweep = make(alone=False)
    section = section_of(sweep)
    assert not section
    assert (section.comparisons, section.why_not) == ((), "")
    assert effects_words.effects_markdown(section) == ""
    assert as_json(section) == []
    page = write_report(make_table(sweep), sweep.runs / "report", runs=sweep.runs, command="x", effects=section)
    assert not (page.parent / effects_words.PICTURE).exists()
    for text in (page.read_text("utf-8"), (page.parent / "table.md").read_text("utf-8")):
        assert effects_words.TITLE not in text


def test_a_lone_baseline_of_other_training_is_no_student_alone(make):
    sweep = make()
    table = make_table(sweep)

    def longer(row):
        if (row.teacher, row.student) == ("none", "none") or row.teacher != "none":
            return row
        runs = tuple(run.changed(training=replace(run.training, epochs=9)) for run in row.cell.runs)
        return replace(row, cell=replace(row.cell, runs=runs))

    assert not compare(replace(table, rows=tuple(longer(row) for row in table.rows)), sweep.runs)


def test_a_student_that_is_standard_distillation_is_shown_once(make):
    section = section_of(make(objectives=["standard"]))
    (only,) = section.comparisons
    assert effects_words.heading(only).startswith("Selected student, which is standard distillation: standard student")


def test_runs_of_an_earlier_version_get_one_line_and_no_crash(make):
    sweep = make()
    for spec in sweep.needed.values():
        folder = sweep.runs / spec.folder_name
        (folder / "test-predictions.safetensors").unlink()
        done = read_json(folder / "DONE")
        del done["test-predictions.safetensors"]
        (folder / "DONE").write_bytes(json_bytes(done))
    section = section_of(sweep)
    assert (section.comparisons, section.why_not) == ((), NOT_KEPT)
    assert effects_words.effects_markdown(section) == f"## {effects_words.TITLE}\n\n{NOT_KEPT}\n"
    page = write_report(make_table(sweep), sweep.runs / "report", runs=sweep.runs, command="x", effects=section)
    assert NOT_KEPT in page.read_text("utf-8")
    assert not (page.parent / effects_words.PICTURE).exists()
    assert as_json(section) == []


def test_one_old_run_leaves_the_other_comparison(make):
    sweep = make()
    folder = sweep.runs / runs_by_seed(sweep, None, "robust")[1].folder_name
    done = read_json(folder / "DONE")
    del done["test-predictions.safetensors"]
    (folder / "DONE").write_bytes(json_bytes(done))
    section = section_of(sweep)
    assert [each.role for each in section.comparisons] == ["Standard distillation"]
    assert section.why_not == NOT_KEPT
    assert NOT_KEPT in effects_words.effects_markdown(section)


def test_what_earlier_runs_did_not_keep_is_left_out(make):
    sweep = make()
    for spec in sweep.needed.values():
        folder = sweep.runs / spec.folder_name
        test = {name: value for name, value in read_json(folder / "test.json").items() if name != "margins"}
        add(folder, {"test.json": json_bytes(test), "data.json": json_bytes({})})
    section = section_of(sweep)
    assert [each.mean.margins for each in section.comparisons] == [None, None]
    words = effects_words.effects_markdown(section)
    assert "margin" not in words
    assert "training examples" not in words
    assert as_json(section)[0]["margin_correlation"] is None


def test_predictions_on_other_examples_are_refused(make):
    sweep = make()
    predict(runs_by_seed(sweep, None, "robust")[1], sweep.runs, labels=LABELS[::-1].copy())
    with pytest.raises(ValueError, match=r"^\S+ and \S+ were tested on different examples$"):
        section_of(sweep)


def test_json_and_markdown_say_what_the_effects_say(make):
    section = section_of(make())
    told = json.loads(json.dumps(as_json(section), allow_nan=False))
    words = effects_words.effects_markdown(section)
    assert [each["role"] for each in told] == ["Selected student", "Standard distillation"]
    parts = words.split("### ")[1:]
    for each, part, comparison in zip(told, parts, section.comparisons, strict=True):
        mean = comparison.mean
        assert each["gain"] == mean.gain.tolist()
        assert (each["repeats"], each["level"]) == (2, 0.95)
        assert each["recalls"]["alone"] == mean.recalls[2].tolist()
        assert mean.margin_correlation is not None
        assert comparison.training_examples is not None
        assert each["margin_correlation"]["value"] == mean.margin_correlation.value
        lines = [line.strip("| ").split(" | ") for line in part.splitlines() if re.match(r"\| \d", line)]
        assert len(lines) == 6  # three classes; k of 1, 2 and all
        for label, line in enumerate(lines[:3]):
            assert line[:2] == [str(label), f"{comparison.training_examples[label]:,}"]
            recalls = [each["recalls"][name][label] for name in ("teacher", "student", "alone")]
            assert line[2:5] == [f"{100 * recall:.1f}" for recall in recalls]
            ends = [f"{100 * each[name][label]:+.1f}" for name in ("gain", "lower", "upper")]
            assert line[5].rstrip(" ▲▼") == "{} ({} to {})".format(*ends).replace("-0.0", "+0.0")
            assert line[6:] == [
                str(each["teacher_errors"][label]),
                *(f"{100 * each[name][label]:.1f}" for name in ("inherited", "inherited_alone")),
            ]
        assert [line[0] for line in lines[3:]] == ["1", "2", "3 (all)"]
        for position, name in enumerate(("teacher", "student", "alone"), start=1):
            assert [line[position].split(" ± ")[0] for line in lines[3:]] == [
                f"{100 * v:.1f}" for v in each["worst_k"][name]
            ]
        assert f"Of the teacher's errors {100 * each['inheritance']:.1f} % are inherited" in part
        assert f"rank correlation (Spearman) of {each['margin_correlation']['value']:.2f}" in part


def test_a_single_seed_shows_the_interval_over_test_examples(make, plain):
    plain["seeds"] = [0]
    section = section_of(make())
    found = section.comparisons[0]
    assert torch.equal(found.interval[0], found.seeds[0].lower)
    words = effects_words.effects_markdown(section)
    assert "one seed says nothing of other trainings" in words
    assert "nan" not in words
    assert "±" not in words
    assert as_json(section)[0]["lower"] == [None, None, None]


class Page(HTMLParser):
    """What it would fetch, and the text that a reader sees."""

    def __init__(self, text):
        super().__init__()
        self.fetched, self.seen, self.tags = [], "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "srcset", "data") or (name.endswith("href") and not (value or "").startswith("#")):
                self.fetched.append((tag, name, value))

    def handle_data(self, data):
        if self.tags and self.tags[-1] not in ("script", "style"):
            self.seen += data


ATTACK = "<script>alert(1)</script> $5 | $x_{"


def test_page_table_and_picture_show_the_section_and_fetch_nothing(make):
    sweep = make()
    section = section_of(sweep)
    section = Section(tuple(replace(each, class_names=(ATTACK, "猫", "dog")) for each in section.comparisons))
    page = write_report(make_table(sweep), sweep.runs / "report", runs=sweep.runs, command="x", effects=section)
    assert (page.parent / effects_words.PICTURE).is_file()
    shown = Page(page.read_text("utf-8"))
    assert shown.fetched == []
    benign = write_report(make_table(sweep), sweep.runs / "benign", runs=sweep.runs, command="x").read_text("utf-8")
    assert shown.tags.count("svg") == Page(benign).tags.count("svg") + 1
    assert shown.tags.count("script") == Page(benign).tags.count("script")
    rows = [each.tags.count("tr") for each in (shown, Page(benign))]
    assert rows[0] - rows[1] == 2 * (1 + 3 + 1 + 3)  # of each student the classes and three k, below their heads
    assert "<?xml" not in page.read_text("utf-8")
    for words in (
        effects_words.TITLE,
        "Selected student: robust, teacher-labelled",
        "猫",
        ATTACK,
        "Of the teacher's errors",
    ):
        assert words in shown.seen
    assert r"\<script\>alert(1)\</script\> \$5 \| \$x\_{" in (page.parent / "table.md").read_text("utf-8")


def test_the_page_names_what_lies_beside_it_and_nothing_of_an_earlier_report_stays(make):
    sweep = make()

    def beside(section):
        page = write_report(make_table(sweep), sweep.runs / "report", runs=sweep.runs, command="x", effects=section)
        named = re.search(r"lie beside this page: ([^<]*)\.\s*</footer>", page.read_text("utf-8"))
        there = {path.name for path in page.parent.iterdir()} - {page.name}
        assert named is not None
        assert set(named[1].split(", ")) == there
        return there

    with_effects, without = beside(section_of(sweep)), beside(Section())
    assert with_effects - without == {"effects.csv", effects_words.PICTURE}


def test_a_report_that_another_writes_at_the_same_time_does_not_disturb_this_one(make, monkeypatch):
    sweep = make()
    table, section = make_table(sweep), section_of(sweep)

    def write(where):
        return write_report(table, sweep.runs / where, runs=sweep.runs, command="x", effects=section).read_bytes()

    undisturbed, drawn = write("report"), page.write_effects

    def taken_away(told, path):
        payload = drawn(told, path)
        path.unlink()
        return payload

    monkeypatch.setattr(page, "write_effects", taken_away)
    assert write("report") == undisturbed


def test_spreadsheet_and_paper_have_the_effects_of_each_class(make, tmp_path):
    sweep = make()
    table, section = make_table(sweep), section_of(sweep)
    page = write_report(table, tmp_path / "report", runs=sweep.runs, command="c", effects=section)
    lines = list(csv.DictReader(io.StringIO((page.parent / "effects.csv").read_text("utf-8"))))
    assert len(lines) == 2 * 3
    plain = as_json(section)
    for at, line in enumerate(lines):
        told, label = plain[at // 3], at % 3
        assert (line["role"], line["student"], line["class"]) == (told["role"], told["student"], str(label))
        assert int(line["training_examples"]) == told["training_examples"][label]
        for name in ("gain", "lower", "upper_over_examples", "inherited", "beyond_noise", "teacher_errors"):
            assert float(line[name]) == told[name][label]
        for name in ("teacher", "student", "alone"):
            assert float(line[f"recall_{name}"]) == told["recalls"][name][label]
    text = (page.parent / "table.tex").read_text("utf-8")
    for each in section.comparisons:
        for head, body in (effects_words.class_lines(each), effects_words.worst_k_lines(each)):
            for row in (head, *body):
                assert " & ".join(map(latex, row)) in text
    assert text.count(r"\begin{table}") == 2 + 2 * 2


def test_without_anything_to_compare_there_is_no_spreadsheet_of_effects(finished_sweep, plain, tmp_path):
    table = make_table(finished_sweep(plain, lambda spec: [0.9, 0.5]))
    page = write_report(table, tmp_path / "report", runs=tmp_path / "runs", command="c")
    assert not (page.parent / "effects.csv").exists()
