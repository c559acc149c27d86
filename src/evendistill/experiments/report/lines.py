"""Lines of cells as a Markdown table, and words that Markdown takes for words."""

import re
from collections.abc import Sequence

from evendistill.data.wording import shown


def markdown_table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A head and its lines, each of as many cells."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *body]) + "\n"


def as_words(text: str) -> str:
    """Text without anything that Markdown would take for markup, or HTML for an element.

    Example:
        >>> print(as_words("<b>cats|dogs</b>"))
        \\<b\\>cats\\|dogs\\</b\\>
    """
    return re.sub(r"([\\`*_\[\]<>|~$])", r"\\\1", text.replace("&", "&amp;"))


def as_code(text: str) -> str:
    """Text as code within a line, whatever is in it."""
    runs = re.findall("`+", text)
    fence = "`" * (1 + max(map(len, runs), default=0))
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{shown(text)}{space}{fence}"
