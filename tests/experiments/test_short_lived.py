"""Commands that read, tell and end spare Python's search for circles of dead objects; nothing else is spared it."""

import gc
import subprocess
import sys

import pytest

from evendistill.cli import read
from evendistill.experiments import status
from evendistill.experiments.processes import short_lived

LAST = """
import atexit, gc
from evendistill.experiments.processes import short_lived
atexit.register(lambda: print(gc.get_freeze_count() > 0))
"""


def test_the_search_is_off_inside_and_on_again_whatever_happens():
    @short_lived()
    def fail():
        raise ValueError(f"wrong: {gc.isenabled()}")

    for _ in range(2):
        with pytest.raises(ValueError, match="wrong: False"):
            fail()
        assert gc.isenabled()


def test_who_has_switched_it_off_finds_it_off():
    gc.disable()
    try:
        with short_lived():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize(("used", "said"), [("with short_lived(): pass", "True\n"), ("", "False\n")])
def test_the_end_of_the_process_looks_at_nothing(used, said):
    done = subprocess.run([sys.executable, "-c", LAST + used], capture_output=True, text=True, check=True)
    assert done.stdout == said


@pytest.mark.parametrize("verb", ["report", "select", "status"])
def test_the_verbs_that_read_are_short_lived(monkeypatch, tmp_path, verb):
    seen = []

    def look(*_, **__):
        seen.append(gc.isenabled())
        raise ValueError("enough")

    monkeypatch.setattr(read, "joined", look)
    monkeypatch.setattr(status, "read_status", look)
    with pytest.raises(ValueError, match="enough"):
        getattr(read, verb)(tmp_path if verb == "status" else [tmp_path])
    assert (seen, gc.isenabled()) == ([False], True)
