"""Tables and boxes of a page; whatever a class or a recipe is called stays text."""

import json
import math
import string
from collections.abc import Iterable, Sequence
from html import escape

DIGITS = string.digits + string.ascii_lowercase

Line = tuple[str, Sequence[str], bool]
"""Title, further entries, and whether it is the selected one."""


def lines(head: Sequence[str], body: Sequence[Line], *, words: Sequence[str] = (), about: str = "") -> str:
    """A table whose first column names its lines, in a box that scrolls.

    Args:
        head: of the columns.
        body: the lines.
        words: titles of columns that hold words and no numbers.
        about: what the table is about, for those who cannot see it; title of the first column if not given.
    """
    kinds = [' class="word"' if title in words else "" for title in head]
    top = "".join(f'<th scope="col"{kind}>{escape(title)}</th>' for kind, title in zip(kinds, head, strict=True))
    rows = ""
    for title, entries, is_selected in body:
        mark = ' class="selected"' if is_selected else ""
        cells = "".join(f"<td{kind}>{escape(text)}</td>" for kind, text in zip(kinds[1:], entries, strict=True))
        rows += f'<tr{mark}><th scope="row">{escape(title)}</th>{cells}</tr>'
    return scrolled(
        f"<table><thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table>", f"table of {about or head[0]}"
    )


def scrolled(inner: str, name: str) -> str:
    """A box that the keyboard can scroll too."""
    return f'<div class="scroll" role="group" tabindex="0" aria-label="{escape(name)}">{inner}</div>'


def packed(shares: Iterable[float | None]) -> str:
    """Shares as they are shown, in tenths of a percent: two digits to base 36 for each, two dashes for none.

    A page of 500 combinations of 1,000 classes would be too large with numbers in their place.
    """
    return "".join(map(_two_digits, shares))


def _two_digits(share: float | None) -> str:
    if share is None or math.isnan(share):
        return "--"
    high, low = divmod(round(10 * float(f"{100 * share:.1f}")), len(DIGITS))
    return DIGITS[high] + DIGITS[low]


def data_block(name: str, value: object) -> str:
    """Plain values for the page's script; no text in them can end the block."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>'
