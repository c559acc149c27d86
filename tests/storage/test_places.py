"""Places that cannot be written: said in words, and what to do instead."""

import os
from pathlib import Path

import pytest

from evendistill.storage.files import write_bytes
from evendistill.storage.places import check_place


def test_a_place_that_can_be_made_is_fine(tmp_path):
    check_place(tmp_path / "a" / "b", instead="")
    assert not (tmp_path / "a").exists()


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "afile").touch()
    told = f"out cannot be written: {tmp_path / 'afile'} is a file; --to writes elsewhere"
    with pytest.raises(ValueError, match=told):
        check_place(tmp_path / "afile" / "x", instead="--to writes elsewhere", shown=Path("out"))


@pytest.mark.parametrize(("way", "why"), [("access", "is not to be written to"), ("statvfs", "may only be read")])
def test_what_may_not_be_written_is_told_from_what_cannot(tmp_path, monkeypatch, way, why):
    class Sealed:
        f_flag = os.ST_RDONLY

    monkeypatch.setattr(os, way, lambda *told: Sealed if way == "statvfs" else False)
    with pytest.raises(ValueError, match=why):
        check_place(tmp_path / "new", instead="--out writes elsewhere")


def test_an_error_names_the_file_that_was_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_bytes(tmp_path / "nowhere" / "file", b"")
    assert caught.value.filename == str(tmp_path / "nowhere" / "file")
