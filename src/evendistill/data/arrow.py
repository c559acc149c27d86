"""Images, labels and groups in Arrow tables, whichever file they come from."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np
from torch import Tensor

from evendistill.data import columns
from evendistill.data.grouping import GroupColumn
from evendistill.data.numbering import Unnumbered
from evendistill.data.optional import needed

if TYPE_CHECKING:
    from pyarrow import ChunkedArray, DataType, Table


@final
class ArrowImages:
    """Encoded images in a column of one or more tables, read where they lie.

    Args:
        contents: bytes as large_binary.
        paths: strings, asked where the contents are null; None if there are none.
        files: name and number of rows of each table, in order.
        rows: ``(N,)`` rows of the column; None for all.
    """

    def __init__(
        self,
        contents: "ChunkedArray",
        paths: "ChunkedArray | None",
        files: Sequence[tuple[str, int]],
        rows: np.ndarray | None = None,
    ) -> None:
        self._contents = contents
        self._paths = paths
        self._files = tuple(files)
        self._rows = np.arange(len(contents)) if rows is None else rows

    def __len__(self) -> int:
        return len(self._rows)

    def payload(self, row: int) -> bytes:
        """The bytes of this image, or of the file whose path stands in for them."""
        content = self._contents[int(self._rows[row])].as_py()
        if content is not None:
            return content
        path = self._path(row)
        try:
            return path.read_bytes()
        except OSError as error:
            raise ValueError(f"{self.place(row)}: its file {path} cannot be read: {error.strerror}") from None

    def place(self, row: int) -> str:
        """File, and row of that file counted from 0."""
        return place_in(self._files, int(self._rows[row]))

    def subset(self, rows: Tensor) -> "ArrowImages":
        """The images at these row numbers, in this order; nothing is copied."""
        return ArrowImages(self._contents, self._paths, self._files, self._rows[rows.cpu().numpy()])

    def fingerprint(self) -> str:
        """SHA-256 of the bytes of each image; where there is only a path, of the file's name and size."""
        hashed = hashlib.sha256()
        for row, number in enumerate(self._rows.tolist()):
            content = self._contents[number].as_buffer()
            if content is None:
                path = self._path(row)
                content = f"{path.name} {path.stat().st_size}".encode()
            hashed.update(len(content).to_bytes(8, "little"))
            hashed.update(content)
        return hashed.hexdigest()

    def _path(self, row: int) -> Path:
        return Path(self._paths[int(self._rows[row])].as_py()) if self._paths is not None else Path()


def place_in(files: Sequence[tuple[str, int]], row: int) -> str:
    """Which file a row of the joined files comes from, and which row of that file it is, counted from 0."""
    for name, count in files:
        if row < count:
            return f"{name}, row {row}"
        row -= count
    raise IndexError(f"there are {sum(count for _, count in files)} rows")


def joined(tables: Sequence[tuple[str, "Table"]], found: columns.Found, *, follow_paths: bool) -> Unnumbered:
    """The tables of one split as one.

    Args:
        tables: that have these columns, each with its name for messages.
        found: the columns of images, labels and groups.
        follow_paths: whether an image without bytes is read from its path; otherwise it counts as missing.

    Raises:
        ValueError: if an image, a label or a group is missing, or labels or groups are words in some tables and numbers
            in others.
    """
    images = _images(tables, found.image, follow_paths=follow_paths)
    groups = None
    if found.group is not None:
        names = _names(tables, found.group)
        groups = GroupColumn(_values(tables, found.group, "group"), images.place, names)
    labels = _values(tables, found.label, "label")
    return Unnumbered(images, labels, images.place, _names(tables, found.label), groups)


def _images(tables: Sequence[tuple[str, "Table"]], image: str, *, follow_paths: bool) -> ArrowImages:
    arrow = needed("pyarrow", "reading tables")
    files = [(name, table.num_rows) for name, table in tables]
    contents = _column(tables, image, "bytes", arrow.large_binary())
    paths = _column(tables, image, "path", arrow.large_string()) if follow_paths else None
    missing = contents.is_null().to_numpy()
    if paths is not None:
        missing = missing & paths.is_null().to_numpy()
    if missing.any():
        place = place_in(files, int(missing.argmax()))
        raise ValueError(f"{place}: column {image!r} holds no image but null; leave the row out or fill it")
    return ArrowImages(contents, paths, files)


def _names(tables: Sequence[tuple[str, "Table"]], column: str) -> tuple[str, ...] | None:
    given = (columns.class_names(table.schema, column) for _, table in tables)
    return next((names for names in given if names is not None), None)


def _column(tables: Sequence[tuple[str, "Table"]], name: str, field: str, kind: "DataType") -> "ChunkedArray":
    """A field of a column of structs, or a column that is no struct, of all tables; nulls where there is none."""
    arrow, compute = needed("pyarrow", "reading tables"), needed("pyarrow.compute", "reading tables")
    chunks: list = []
    for _, table in tables:
        column = table[name]
        if arrow.types.is_struct(column.type):
            has_field = column.type.get_field_index(field) >= 0
            column = compute.struct_field(column, field) if has_field else arrow.nulls(len(column), kind)
        elif field != "bytes":
            column = arrow.nulls(len(column), kind)
        chunks.extend(arrow.chunked_array(column).cast(kind).chunks)
    return arrow.chunked_array(chunks, kind)


def _values(tables: Sequence[tuple[str, "Table"]], name: str, what: str) -> np.ndarray:
    """A column of labels or groups of all tables."""
    parts: list[np.ndarray] = []
    for file, table in tables:
        column = table[name]
        if column.null_count:
            row = int(column.is_null().to_numpy().argmax())
            raise ValueError(
                f"{file}, row {row}: column {name!r} holds no {what} but null; leave the row out or fill it"
            )
        if columns.holds_words(column.type):
            column = column.cast(needed("pyarrow", "reading tables").large_string())
        parts.append(column.to_numpy())
        if parts[0].dtype.kind != parts[-1].dtype.kind and "O" in (parts[0].dtype.kind, parts[-1].dtype.kind):
            raise ValueError(f"{file}: column {name!r} holds {column.type}, but in {tables[0][0]} it does not")
    return np.concatenate(parts)
