"""Figures as files: whole or not there, and of equal bytes at every drawing."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evendistill.storage.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

STYLE: "dict[RcKeyType, Any]" = {"svg.hashsalt": "evendistill", "svg.fonttype": "none", "font.size": 9}
"""In force while a figure is made and saved: names that do not depend on chance, and words that can be searched."""
UNDATED = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


def save(figure: "Figure", path: Path) -> bytes:
    """Write a figure as svg, pdf or png by the ending of the file, and give what was written.

    Raises:
        OSError: if the folder cannot be written or the disk is full; nothing is left behind then.
    """
    kind, drawn = path.suffix.lower(), BytesIO()
    figure.savefig(drawn, format=kind[1:], metadata=UNDATED.get(kind))
    write_bytes(path, drawn.getvalue())
    return drawn.getvalue()
