"""Where numbers come from: what runs wrote of data and machines, whether they agree, and the command."""

import re
from html import unescape

import pytest

from evendistill.experiments.report.provenance import provenance
from evendistill.experiments.report.table import make_table
from evendistill.storage.files import json_bytes


@pytest.fixture
def sweep(finished_sweep, plain):
    """Four students and teachers of two seeds each."""
    return finished_sweep(plain, lambda spec: [0.9, 0.5])


def told(sweep, environment):
    """Write what each run says of its machine; a number of the run goes in."""
    for number, spec in enumerate(sweep.needed.values()):
        found = environment(number)
        if found is not None:
            (sweep.runs / spec.folder_name / "env.json").write_bytes(found)


def lines_of(sweep, command="evendistill run recipe.yaml"):
    html = provenance(make_table(sweep), sweep.runs, command)
    found = re.findall(r'<th scope="row">(.*?)</th><td[^>]*>(.*?)</td>', html)
    return {name: unescape(value) for name, value in found}


def test_runs_seeds_and_epochs_are_counted(sweep):
    table = make_table(sweep)
    found = lines_of(sweep)
    assert found["runs"] == f"8 in the table, {table.epochs} epochs behind it"
    assert found["seeds"] == "0, 1"


def test_what_all_runs_say_alike_is_said_once(sweep):
    told(sweep, lambda _: json_bytes({"torch": "2.13.0", "host": "ada", "device": "cpu"}))
    for spec in sweep.needed.values():
        (sweep.runs / spec.folder_name / "data.json").write_bytes(json_bytes({"fingerprint": "7af3"}))
    found = lines_of(sweep)
    assert (found["torch"], found["host"], found["device"]) == ("2.13.0", "ada", "cpu")
    assert found["data fingerprint"] == "7af3"
    assert found["python"] == "not kept"


def test_what_differs_is_counted_and_four_at_most_are_named(sweep):
    told(sweep, lambda number: json_bytes({"host": "ada" if number < 5 else "bob", "device": f"cuda:{number}"}))
    found = lines_of(sweep)
    assert found["host"] == "ada (5 runs), bob (3 runs)"
    assert re.fullmatch(r"(cuda:\d \(1 run\), ){4}and 4 more", found["device"])


def test_runs_that_say_nothing_are_no_harm(sweep):
    damaged = [b"", b"[1]", b"{", b"\xff", json_bytes({"host": "ada"})]
    told(sweep, lambda number: damaged[number] if number < len(damaged) else None)
    found = lines_of(sweep)
    assert found["host"] == "ada"
    assert found["torch"] == "not kept"
    assert found["data fingerprint"] == "not kept"


def test_the_command_and_what_machines_are_called_are_text(sweep):
    told(sweep, lambda _: json_bytes({"host": "<img src=x onerror=alert(1)>"}))
    html = provenance(make_table(sweep), sweep.runs, "evendistill run '<b>.yaml' \x1b[2J")
    assert "<img" not in html
    assert "evendistill run &#x27;&lt;b&gt;.yaml&#x27; \\x1b[2J" in html
    assert "trains" not in html
