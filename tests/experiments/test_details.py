"""What a click shows: multipliers thinned as said, logs that are gone or damaged, commands that a shell can take."""

import itertools
import json
import math
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evendistill.experiments.report.details import details, export_command, multipliers
from evendistill.experiments.report.html import data_block, packed
from evendistill.experiments.report.table import make_table

NAMES = ("cat", "dog", "owl")


def log(folder, entries):
    folder.mkdir(parents=True, exist_ok=True)
    lines = [entry if isinstance(entry, str) else json.dumps(entry) for entry in entries]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def entry(step, values=(0.1, 0.2, 0.7)):
    return {"step": step, "loss": 1.0, "multipliers": list(values)}


@pytest.fixture
def sweep(finished_sweep, plain):
    worst = {"standard": 0.2, "balanced": 0.6, "robust": 0.5}

    def validation(spec):
        return [0.9, None, worst[spec.objective.name] + 0.1 * spec.order_seed]

    return finished_sweep(plain, validation, lambda spec: [0.8, None, validation(spec)[2] / 2])


@given(count=st.integers(1, 700))
def test_steps_are_thinned_to_41_at_most_evenly_and_the_first_and_last_are_kept(count, tmp_path_factory):
    folder = log(tmp_path_factory.mktemp("run"), [entry(7 * step, (step / 1000, 0.2, 0.3)) for step in range(count)])
    found = multipliers(folder, NAMES)
    assert found is not None
    steps = found["steps"]
    assert len(steps) <= 41
    assert (steps[0], steps[-1]) == (0, 7 * (count - 1))
    assert len({b - a for a, b in itertools.pairwise(steps[:-1])}) <= 1
    assert len(steps) == count if count <= 40 else len(steps) > 20
    assert [len(values) for values in found["values"]] == [len(steps)] * 3
    assert found["values"][0] == [round(step / 0.7) for step in steps]


def test_the_twelve_classes_with_the_largest_at_the_end_are_shown_in_their_own_order(tmp_path):
    names = tuple(f"class {label}" for label in range(30))
    last = [(label * 7 % 30) / 100 for label in range(30)]
    found = multipliers(log(tmp_path, [entry(0, [1.0] * 30), entry(1, last)]), names)
    assert found is not None
    largest = [label for label in range(30) if label * 7 % 30 >= 18]
    assert found["names"] == [names[label] for label in largest]
    assert [values[-1] for values in found["values"]] == [100 * (label * 7 % 30) for label in largest]


def test_three_classes_are_all_shown(tmp_path):
    found = multipliers(log(tmp_path, [entry(3), entry(6, (0.3, 0.3, 0.4))]), NAMES)
    assert found == {"steps": [3, 6], "names": list(NAMES), "values": [[1000, 3000], [2000, 3000], [7000, 4000]]}


def test_lines_that_say_nothing_of_multipliers_are_passed_over(tmp_path):
    odd = [{"step": 2, "loss": 1.0}, "17", "null", "[]", {"multipliers": [1, 2, 3]}, entry(4, (1, 2)), entry(None)]
    odd += [entry(5, (math.nan, 0.1, 0.2)), entry(5, (math.inf, 0.1, 0.2)), entry(5, ("a", "b", "c"))]
    odd += ['{"step": 5, "multipliers": 3}', '{"step": 5, "multipliers": [1' + "0" * 400 + ", 1, 1]}"]
    found = multipliers(log(tmp_path, [entry(1), *odd, entry(9)]), NAMES)
    assert found is not None
    assert found["steps"] == [1, 9]


@pytest.mark.parametrize(
    "payload",
    [None, b"", b"\xff\xfe", b'{"step": 1', b"[" * 100_000, b'{"step": 1, "multipliers": [0.5, 0.5]}\n'],
    ids=["missing", "empty", "not text", "cut off", "nested", "of other classes"],
)
def test_a_log_that_is_gone_or_damaged_takes_its_curve_along_and_nothing_else(sweep, payload):
    table = make_table(sweep)
    for spec in sweep.needed.values():
        if payload is not None:
            (sweep.runs / spec.folder_name / "metrics.jsonl").write_bytes(payload)
    told = details(table.rows, table, sweep.runs)
    assert [each["multipliers"] for each in told] == [None] * len(table.rows)
    assert all(each["facts"] and each["command"] for each in told)
    assert data_block("rows", told)


def test_a_folder_in_place_of_a_log_is_no_harm(tmp_path):
    (tmp_path / "metrics.jsonl").mkdir()
    assert multipliers(tmp_path, NAMES) is None


def test_each_row_has_its_numbers_its_spec_and_its_command(sweep):
    table = make_table(sweep)
    table = replace(table, class_names=("cat", "dog", "owl"))
    assert table.selected is not None
    log(sweep.runs / table.selected.folders[0], [entry(1), entry(2)])
    told = details(table.rows, table, sweep.runs)
    assert [each["title"] for each in told] == [row.title + " ★" * row.selected for row in table.rows]
    at = [row.selected for row in table.rows].index(True)
    assert told[at]["recalls"] == "m8--91"  # 800 and 325 to base 36
    facts = dict(told[at]["facts"])
    assert facts["worst-class accuracy on test"] == "32.5 ± 2.5 %"
    assert facts["average accuracy on test"] == "56.2 ± 1.2 %"
    assert facts["the same on validation"] == "65.0 ± 5.0 and 77.5 ± 2.5 %"
    assert facts["hyper-parameters"] == "T 3"
    assert facts["seeds"] == "0, 1 (multipliers and command: 0)"
    assert json.loads(told[at]["spec"]) == table.selected.cell.runs[0].canonical()
    assert [each["multipliers"] is None for each in told] == [position != at for position in range(len(told))]
    assert told[at]["command"].split()[2] == str(sweep.runs / table.selected.folders[0])


def test_of_one_seed_only_the_seed_is_said(finished_sweep, plain):
    sweep = finished_sweep(plain | {"seeds": [4]}, lambda spec: [0.9, 0.5])
    table = make_table(sweep)
    facts = [dict(each["facts"]) for each in details(table.rows, table, sweep.runs)]
    assert {told["seed"] for told in facts} == {"4"}
    assert "hyper-parameters" not in facts[0]  # of a teacher


@given(st.lists(st.none() | st.just(math.nan) | st.floats(0, 1)))
def test_packed_shares_come_back_as_they_are_shown(shares):
    text = packed(shares)
    back = [text[at : at + 2] for at in range(0, len(text), 2)]
    assert [None if pair == "--" else f"{int(pair, 36) / 10:.1f}" for pair in back] == [
        None if share is None or math.isnan(share) else f"{100 * share:.1f}" for share in shares
    ]


@pytest.mark.parametrize("folder", ["my runs", "it's here", "a;rm -rf b", "$(touch x)", "猫 `x`", "-out"])
def test_the_command_is_taken_by_a_shell_as_it_is_meant(sweep, folder):
    row = make_table(sweep).rows[0]
    runs = Path("/data") / folder
    words = shlex.split(export_command(row, runs))
    assert words == ["evendistill", "export", str(runs / row.folders[0]), "--to", f"exported/{row.cell.runs[0].hash}"]


@example("</script><script>alert(1)</script><!--")
@given(st.text(st.sampled_from("</>script! -") | st.characters()))
def test_no_text_ends_the_block_of_values_and_all_of_it_comes_back(text):
    block = data_block("rows", [text])
    head, tail = '<script type="application/json" id="rows">', "</script>"
    assert block.startswith(head)
    assert block.endswith(tail)
    inner = block.removeprefix(head).removesuffix(tail)
    assert "<" not in inner
    assert inner.isascii()
    assert json.loads(inner) == [text]
