"""The documentation site builds without a warning, says what the program says, and its notebook runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evendistill.cli import app

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs/notebooks/start.ipynb"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--site-dir",
        str(folder),
    ]  # not --quiet: it is deaf
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_command_line_page_has_every_verb(site):
    page = (site / "cli/index.html").read_text(encoding="utf-8")
    verbs = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert {"demo", "run", "report", "status", "export", "init", "doctor"} <= verbs
    assert not {verb for verb in verbs if f"evendistill {verb}" not in page}
    assert "--retry-failed" in page


def test_every_public_name_has_its_place(site):
    import evendistill

    page = (site / "api/index.html").read_text(encoding="utf-8")
    names = set(evendistill.__all__) - {"__version__", "models"}
    assert not {name for name in names if f".{name}" not in page}


def test_pages_load_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for source in ('<script src="http', '<link rel="stylesheet" href="http', "fonts.googleapis"):
            assert source not in text, page


def test_the_notebook_prints_what_it_says(capsys):
    told = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in told if cell["cell_type"] == "code")
    exec(compile(code, str(NOTEBOOK), "exec"), {})  # without a kernel, which would need a free port
    kept = ["".join(each["text"]) for cell in told for each in cell.get("outputs", [])]
    assert capsys.readouterr().out == "".join(kept)
    assert len(kept) == 3
