"""Parquet files too large for memory are unpacked once and mapped, and mean the same."""

import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from evendistill.data import sources
from evendistill.data.sources import Split, read_source

datasets = pytest.importorskip("datasets")
pyarrow = pytest.importorskip("pyarrow")
from pyarrow import parquet  # noqa: E402


def png(value):
    file = io.BytesIO()
    Image.fromarray(np.full((4, 5, 3), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    kept = tmp_path / "kept"
    kept.mkdir()
    for split, values in (("train", [10, 20, 30]), ("test", [40, 50])):
        rows = {"img": [{"bytes": png(value), "path": None} for value in values], "label": [2, 0, 1][: len(values)]}
        parquet.write_table(pyarrow.table(rows), kept / f"{split}.parquet")
    return kept


def told(split: Split) -> tuple[list[int], list[bytes]]:
    assert not isinstance(split.inputs, torch.Tensor)
    return split.labels.tolist(), [split.inputs.payload(row) for row in range(len(split))]


def test_large_parquet_files_are_read_from_a_cache_and_are_the_same(folder, tmp_path, monkeypatch):
    held = read_source(str(folder))
    assert not (tmp_path / "cache").exists()
    monkeypatch.setattr(sources, "MOST_PARQUET_BYTES", 10)
    mapped = read_source(str(folder))
    assert any((tmp_path / "cache").rglob("*.arrow"))
    assert list(mapped) == list(held) == ["train", "test"]
    assert {name: told(split) for name, split in mapped.items()} == {name: told(split) for name, split in held.items()}


def test_a_large_file_that_is_damaged_is_one_line(folder, monkeypatch):
    (folder / "train.parquet").write_bytes(b"PAR1 no")
    monkeypatch.setattr(sources, "MOST_PARQUET_BYTES", 10)
    with pytest.raises(ValueError, match="kept: its parquet files cannot be unpacked: ") as caught:
        read_source(str(folder))
    assert len(str(caught.value).splitlines()) == 1


def test_a_test_split_whose_labels_are_secret_is_left_out(folder):
    rows = {"img": [{"bytes": png(1), "path": None}], "label": [-1]}
    parquet.write_table(pyarrow.table(rows), folder / "validation.parquet")
    assert list(read_source(str(folder))) == ["train", "test"]
    rows["label"] = [-2]
    parquet.write_table(pyarrow.table(rows), folder / "validation.parquet")
    with pytest.raises(ValueError, match=r"validation\.parquet, row 0: labels must be whole numbers .* got -2"):
        read_source(str(folder))


def test_reading_what_fits_imports_no_library_of_the_hub(folder):
    code = (
        "import sys; from evendistill.data.sources import read_source; "
        f"read_source({str(folder)!r}); sys.exit('datasets' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
