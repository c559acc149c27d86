"""Shares of a recipe, by hand: one after the other or at the same time, each run is trained once."""

import json
import os
import subprocess
import sys
import warnings
from collections import Counter

import pytest

from evendistill import cli

RECIPE = """
name: shares
data: {source: digits, imbalance: 20}
training: {epochs: 2, batch_size: 64}
teachers:
  network: {kind: mlp, hidden: [8]}
  objectives: [standard, robust]
  training: {epochs: 100, batch_size: 64}
students:
  network: {kind: mlp, hidden: [4]}
  objectives: [standard, balanced, robust]
  validation_labels: [teacher]
seeds: 1
"""
RUNS = 8
RESULTS = ("model.safetensors", "validation.json", "test.json")


def results(folder):
    return {
        (done.parent.name, name): (done.parent / name).read_bytes()
        for done in folder.glob("runs/*/DONE")
        for name in RESULTS
    }


def events(folder):
    """How often each thing happened to each run."""
    lines = [(path, line) for path in folder.glob("runs/*/log.jsonl") for line in path.read_text().splitlines()]
    return Counter((path.parent.name, json.loads(line)["event"]) for path, line in lines)


def assert_each_was_trained_once(folder, more=0):
    names = {name for name, _ in results(folder)}
    assert len(names) == RUNS + more
    assert events(folder) == Counter((name, event) for name in names for event in ("began", "finished"))


def called(patch, folder, *words):
    """The exit code of the command line, called in this process."""
    folder.mkdir(exist_ok=True)
    (folder / "small.yaml").write_text(RECIPE)
    patch.chdir(folder)
    patch.setattr(sys, "argv", ["evendistill", "run", "small.yaml", "--pack", "4", *words])
    patch.setattr(warnings, "showwarning", warnings.showwarning)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code or 0


@pytest.fixture
def run(monkeypatch, capsys):
    """The same, with what was said on standard output and on standard error."""
    return lambda *words: (called(monkeypatch, *words), *capsys.readouterr())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """All of it in one go."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        assert called(patch, folder) == 0
    return folder


def left(number, count):
    return f"share {number}/2 is trained; {count} of {RUNS} runs are unfinished, which other shares train"


def test_two_shares_one_after_the_other_are_the_whole(run, whole, tmp_path):
    folder, half = tmp_path / "halves", RUNS // 2
    code, out, err = run(folder, "--cell", "1/2")
    assert (code, out, err.splitlines()) == (
        0,
        "",
        [f"{RUNS} runs, 0 finished already, {RUNS} to train", left(1, half)],
    )
    assert len(results(folder)) == half * len(RESULTS)
    code, out, err = run(folder, "--cell", "1/2")  # once more: there is nothing to do
    assert (code, out, err.splitlines()[1:]) == (0, "", [left(1, half)])
    code, out, _ = run(folder, "--cell", "2/2", "--json")  # the last to finish reports
    assert code == 0
    assert json.loads(out)["trained"] == half
    assert results(folder) == results(whole)
    assert_each_was_trained_once(folder)


def test_two_shares_at_the_same_time_on_two_engines_are_the_whole(whole, tmp_path):
    (tmp_path / "small.yaml").write_text(RECIPE)
    command = [sys.executable, "-m", "evendistill", "run", "small.yaml", "--cell"]
    told = {"cwd": tmp_path, "env": os.environ | {"OMP_NUM_THREADS": "1"}, "text": True, "stderr": subprocess.PIPE}
    both = [
        subprocess.Popen([*command, *words], stdout=subprocess.PIPE, **told)
        for words in (("1/2", "--pack", "4"), ("2/2", "--jobs", "1"))
    ]
    said = [process.communicate(timeout=600) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    for number, (out, err) in enumerate(said, start=1):  # each reports, or says what is left to the other
        assert bool(out) != err.splitlines()[-1].startswith(f"share {number}/2 is trained; ")
    assert any(out for out, _ in said)
    assert results(tmp_path) == results(whole)
    assert_each_was_trained_once(tmp_path)


def test_shares_of_a_search_leave_nothing_undone(run, tmp_path, monkeypatch):
    """What goes on is known when the last share has ended its trials; nobody else may be there by then."""
    monkeypatch.setattr(f"{__name__}.RECIPE", RECIPE + "search: {epochs: 0.5, keep: 0.5}\n")
    folder = tmp_path / "searched"
    code, _, err = run(folder, "--cell", "1/2")
    assert (code, err.splitlines()[-1][:23]) == (0, "share 1/2 is trained; 4")
    code, out, _ = run(folder, "--cell", "2/2", "--json")
    assert (code, bool(json.loads(out)["cells"])) == (0, True)
    assert_each_was_trained_once(folder, more=3)  # of six that were tried


def test_a_share_whose_time_is_up_before_it_begins_says_so(run, tmp_path):
    code, out, err = run(tmp_path / "short", "--cell", "1/2", "--minutes", "0")
    assert (code, out) == (3, "")
    assert err.splitlines()[-1].startswith(f"evendistill: time is up, {RUNS} of {RUNS} runs are unfinished")
