"""Which columns of a table hold the images, the labels and the groups, and what the classes are called."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evendistill.data.optional import needed
from evendistill.data.wording import listed

if TYPE_CHECKING:
    from pyarrow import DataType, Schema

IMAGES = ("img", "image", "images", "picture", "pictures", "photo", "photos", "png", "jpg", "jpeg", "webp")
LABELS = ("label", "labels", "fine_label", "target", "targets", "class", "class_label", "category", "cls", "y")


@dataclass(frozen=True)
class Columns:
    """Columns of a table, by name.

    Attributes:
        image: encoded images; None if the name is to be found.
        label: likewise.
        group: an attribute beside the class; None if there is none.
    """

    image: str | None = None
    label: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Found:
    """Columns that a table has.

    Attributes:
        image: encoded images.
        label: numbers or words.
        group: an attribute beside the class; None if there is none.
    """

    image: str
    label: str
    group: str | None = None

    @property
    def names(self) -> list[str]:
        """All that are to be read."""
        return [self.image, self.label] if self.group is None else [self.image, self.label, self.group]


def found_columns(schema: "Schema", wanted: "Columns | Found", *, file: str) -> Found:
    """The columns that are wanted, looked for where they have no name yet.

    Args:
        schema: of the table.
        wanted: names, as far as they are known.
        file: where the table is, for messages.

    Raises:
        ValueError: if a column is not there, holds something else, more than one could be meant, or the column of
            groups is that of labels.
    """
    if wanted.group is not None:
        group_column(schema, file=file, name=wanted.group)
        if wanted.group == wanted.label:
            raise ValueError(f"label_column and group_column must be two columns of {file}, got {wanted.group!r} twice")
    image = image_column(schema, file=file, name=wanted.image)
    label = label_column(schema, file=file, name=wanted.label, group=wanted.group)
    return Found(image, label, wanted.group)


def image_column(schema: "Schema", *, file: str, name: str | None = None) -> str:
    """The column of encoded images: binary, or a struct with ``bytes`` as on the hub.

    Args:
        schema: of the table.
        file: where the table is, for messages.
        name: the column, if it is known; otherwise a usual name is looked for, then the only column of images.

    Raises:
        ValueError: if there is no such column, it holds no images, or more than one could be meant.
    """
    fitting = [field.name for field in schema if _holds_images(field.type)]
    if name is not None:
        return _checked(schema, name, fitting, file, "encoded images (binary, or a struct with 'bytes')")
    found = _named(fitting, IMAGES) or (fitting[0] if len(fitting) == 1 else None)
    if found is None:
        columns = listed(schema.names)
        raise ValueError(f"no column of images in {file}; its columns are {columns}; name one with image_column")
    return found


def label_column(schema: "Schema", *, file: str, name: str | None = None, group: str | None = None) -> str:
    """The column of labels: numbers or words.

    Args:
        schema: of the table.
        file: where the table is, for messages.
        name: the column, if it is known; otherwise a usual name is looked for, then the only column of classes.
        group: the column of groups, which is not looked at.

    Raises:
        ValueError: if there is no such column, it holds no labels, or more than one could be meant.
    """
    fitting = [field.name for field in schema if _holds_labels(field.type) and field.name != group]
    if name is not None:
        return _checked(schema, name, fitting, file, "labels (numbers or words)")
    classes = [field for field in fitting if class_names(schema, field) is not None]
    found = _named(fitting, LABELS) or (classes[0] if len(classes) == 1 else None)
    if found is None:
        columns = listed(schema.names)
        raise ValueError(f"no column of labels in {file}; its columns are {columns}; name one with label_column")
    return found


def group_column(schema: "Schema", *, file: str, name: str) -> str:
    """The column of groups: whole numbers, words or truth values.

    Raises:
        ValueError: if there is no such column, or it holds something else.
    """
    fitting = [field.name for field in schema if _holds_groups(field.type)]
    return _checked(schema, name, fitting, file, "groups (words, whole numbers or truth values)")


def class_names(schema: "Schema", column: str) -> tuple[str, ...] | None:
    """The names of the classes where the hub's metadata has them for this column."""
    try:
        feature = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][column]
        names = feature["names"] if feature["_type"] == "ClassLabel" else None
    except (KeyError, TypeError, ValueError):  # other programs write other metadata, or none
        return None
    return tuple(str(name) for name in names) if isinstance(names, list) and names else None


def _named(fitting: list[str], usual: tuple[str, ...]) -> str | None:
    spelt = {name.lower(): name for name in reversed(fitting)}
    return next((spelt[name] for name in usual if name in spelt), None)


def _checked(schema: "Schema", name: str, fitting: list[str], file: str, wanted: str) -> str:
    if name not in schema.names:
        raise ValueError(f"no column {name!r} in {file}; its columns are {listed(schema.names)}")
    if name not in fitting:
        raise ValueError(f"column {name!r} of {file} must hold {wanted}, got {schema.field(name).type}")
    return name


def _holds_images(kind: "DataType") -> bool:
    types = needed("pyarrow", "reading tables").types
    if types.is_struct(kind):
        return any(field.name == "bytes" and _is_binary(field.type) for field in kind)
    return _is_binary(kind)


def _is_binary(kind: "DataType") -> bool:
    types = needed("pyarrow", "reading tables").types
    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)


def _holds_labels(kind: "DataType") -> bool:
    types = needed("pyarrow", "reading tables").types
    return types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or holds_words(kind)


def _holds_groups(kind: "DataType") -> bool:
    types = needed("pyarrow", "reading tables").types
    return types.is_integer(kind) or types.is_boolean(kind) or holds_words(kind)


def holds_words(kind: "DataType") -> bool:
    """Whether the values are words, written out or numbered in a dictionary."""
    types = needed("pyarrow", "reading tables").types
    if types.is_dictionary(kind):
        return holds_words(kind.value_type)
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
