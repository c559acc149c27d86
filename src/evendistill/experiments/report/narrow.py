"""Tables that stay readable on 80 columns: few rules, numbers never broken, names folded at their spaces."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

WIDE = 100  # columns of a terminal from which there is room for what matters less
HEAD = 9  # letters of a line of a head
RULES = 3  # columns that the border of a cell takes


def narrow(names: Sequence[str], numbers: Sequence[str], *, last: Sequence[str] = (), width: int) -> Table:
    """An empty table.

    Args:
        names: heads of columns of words, which are folded.
        numbers: heads of columns of numbers, which are not.
        last: heads of columns of words behind them.
        width: of the terminal; the heads of numbers are broken where it is narrow.
    """

    def words(heads: Sequence[str]) -> list[Column]:
        return [Column(head, overflow="fold") for head in heads]

    counted = [Column(head if width >= WIDE else _broken(head), no_wrap=True) for head in numbers]
    return Table(*words(names), *counted, *words(last), box=SIMPLE_HEAD, pad_edge=False)


def _broken(head: str) -> str:
    """A head on several lines, broken at its spaces but for the one before a sign."""
    return textwrap.fill(head.replace(" %", "\u00a0%"), HEAD, break_long_words=False)


def blocks(count: int, *, first: int, each: int, width: int) -> Iterator[slice]:
    """Which of ``count`` columns stand in one table, and which in the next, where not all fit.

    Args:
        count: of columns behind the first.
        first: letters of the first column.
        each: letters of the others.
        width: of the terminal.

    Example:
        >>> list(blocks(5, first=22, each=14, width=80))
        [slice(0, 3, None), slice(3, 5, None)]
    """
    fit = max(1, (width - first - RULES) // (each + RULES))
    for start in range(0, count, fit):
        yield slice(start, min(start + fit, count))


def short(names: Sequence[str]) -> list[str]:
    """Names of folders or files without the part of their path that tells none apart.

    Example:
        >>> short(["runs/a/digits-s0", "runs/b/digits-s1"]), short(["a/x.npz", "b/x.npz"])
        (['digits-s0', 'digits-s1'], ['a/x.npz', 'b/x.npz'])
    """
    last = [PurePath(name).name or name for name in names]
    return last if len(set(last)) == len(set(names)) else list(names)
