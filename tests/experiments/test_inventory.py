"""What a terminal shows of a folder of runs: lines for what needs a look, every name as text."""

import json

import pytest

from evendistill.experiments.cleaning import Removable
from evendistill.experiments.report.inventory import human, print_removable, print_status, spell
from evendistill.experiments.status import Entry, read_status

ELSEWHERE = {"host": "far", "boot": "another", "pid": 7, "step": 30, "steps": 120, "seconds_left": 45.0}
NAMES = ["[red]x", "[|]", "[/]", "a\x1b[2Jb\rc", "b\u202ec\u200fd", ":dog:", "<script>", "e\nf", "g\x85\u2028h"]


@pytest.fixture
def make(tmp_path):
    """Write the folder of a run, with further files."""

    def made(name, **files):
        folder = tmp_path / name
        folder.mkdir()
        for file, content in {"spec.json": "{}", **files}.items():
            (folder / file.replace("_", ".")).write_text(content)
        return folder

    return made


def as_text(name):
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name)


@pytest.mark.parametrize("name", NAMES)
def test_the_terminal_shows_names_and_errors_as_text(make, tmp_path, capsys, name):
    folder = name.replace("/", "|")  # the one character beside NUL that no file has in its name
    make(f"1-{folder}", FAILED=json.dumps({"error": f"it said {name}!"}))
    make("2-held", lease_json=json.dumps(ELSEWHERE | {"host": name, "step": name, "seconds_left": name}))
    print_status(read_status(tmp_path), every=True)
    out = capsys.readouterr().out
    assert f"1-{as_text(folder)}" in out
    assert f"it said {as_text(' '.join(name.split()))}!" in out
    assert f"process 7 on {as_text(name)}" in out
    assert all(line.isprintable() for line in out.split("\n"))
    assert len(out.splitlines()) == 4


@pytest.mark.parametrize("name", NAMES)
def test_what_could_go_is_named_as_text(tmp_path, capsys, name):
    print_removable([Removable(tmp_path / name, "cut off", 1500)])
    first, counts = capsys.readouterr().out.splitlines()
    assert first == f"cut off     1.5 kB  {as_text(str(tmp_path / name))}"
    assert counts == "0 failed, 1 cut off, 0 leftover: 1.5 kB"


def test_a_long_error_is_cut(make, tmp_path, capsys):
    make("1-a", FAILED=json.dumps({"error": "x" * 100_000}))
    print_status(read_status(tmp_path), every=True)
    out = capsys.readouterr().out
    assert out.count("x") == 500
    assert "..." in out


def test_the_terminal_counts_what_it_does_not_name(make, tmp_path, capsys):
    make("a-done", DONE="{}")
    make("b-failed", FAILED='{"error": "x"}')
    print_status(read_status(tmp_path, ["c-w"]), every=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["state", "run", "step", "left", "note"],
        ["failed", "b-failed", "x"],
        ["1", "failed,", "1", "waiting,", "1", "finished;", "20", "B", "on", "disk"],
    ]
    print_status(read_status(tmp_path, ["c-w"]), every=True)
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_times_and_bytes_are_said_as_people_say_them():
    assert [spell(seconds) for seconds in (0.4, 89, 90, 5399, 5400, 36000)] == [
        *("0 s", "89 s", "2 min", "90 min", "1.5 h", "10.0 h"),
    ]
    assert [human(size) for size in (0, 999, 1000, 12_345_678, 2.5e12)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "12.3 MB",
        "2.5 TB",
    ]


def test_a_run_of_which_little_is_known_has_empty_cells(tmp_path, capsys):
    print_status([Entry(tmp_path / "1-a", "running", "process 7 on far", 5)], every=False)
    assert capsys.readouterr().out.splitlines()[1].split() == ["running", "1-a", "process", "7", "on", "far"]
