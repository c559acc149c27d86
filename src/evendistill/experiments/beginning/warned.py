"""What about a data set a user should know before a sweep is spent on it."""

import unicodedata
from collections.abc import Callable, Iterable, Iterator

from evendistill.data.wording import one_line
from evendistill.experiments.beginning.found import Found
from evendistill.experiments.beginning.precision import AIM, RECALLS, Precision
from evendistill.experiments.yamlfile import printable

MOST_NAMED = 5
MOST_LETTERS = 40
LARGE = 5.0  # root mean square of arrays above which the usual learning rates make a loss diverge
LEAST_TRAINING = 2


def warned(found: Found, precision: Precision) -> list[str]:
    """Warnings, the gravest first; none if all is well."""
    checks: tuple[Callable[[Found], Iterator[str]], ...] = (
        _absent,
        _lonely,
        _alike,
        _blank,
        _empty_cells,
        _unscaled,
        _channels_last,
    )
    return [*_poor(found, precision), *(line for check in checks for line in check(found))]


def counted(count: int) -> str:
    """So many examples."""
    return f"{count} example" + ("" if count == 1 else "s")


def named(names: Iterable[str]) -> str:
    """Names as they can be shown anywhere, at most five, then how many more there are."""
    every = list(names)
    more = f" and {len(every) - MOST_NAMED} more" if len(every) > MOST_NAMED else ""
    return ", ".join(map(quoted, every[:MOST_NAMED])) + more


def quoted(name: str) -> str:
    """A name in one line, in quotes where it would not be seen where it ends, and cut where it is long."""
    text = printable(one_line(name))
    text = text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 3] + "..."
    return text if text and text == name and not set(text) & set(",'\"") else f"'{text}'"


def _poor(found: Found, precision: Precision) -> Iterator[str]:
    if not precision.is_poor:
        return
    smallest, kind = quoted(found.names[precision.smallest]), _kind(found)
    widths = " and ".join(
        f"± {100 * width:.1f} points at a recall of {100 * recall:.0f} %"
        for recall, width in zip(RECALLS, precision.half_widths, strict=True)
    )
    yield (
        f"validation is too small to measure a worst {kind}: the smallest, {smallest}, has {counted(precision.count)}, "
        f"so the 95 % interval of its recall is {widths}; ± {100 * AIM:.0f} points take {precision.needed} examples"
    )


def _absent(found: Found) -> Iterator[str]:
    for split in ("validation", "test"):
        sizes = zip(found.names, found.sizes(split), strict=True)
        if absent := [name for name, count in sizes if not count]:
            effect = "its recall is not measured, so it is never the worst"
            yield f"absent from {split}: {_kind(found)} {named(absent)}; {effect}"


def _lonely(found: Found) -> Iterator[str]:
    sizes = zip(found.names, found.sizes("train"), strict=True)
    if few := [name for name, count in sizes if 0 < count < LEAST_TRAINING]:
        yield f"fewer than {LEAST_TRAINING} training examples: {_kind(found)} {named(few)}; one teaches little"


def _alike(found: Found) -> Iterator[str]:
    alike: dict[str, list[int]] = {}
    for number, name in enumerate(found.class_names):
        alike.setdefault(_plain(name), []).append(number)
    for numbers in alike.values():
        if len(numbers) > 1:
            told = " and ".join(f"{number} ({found.class_names[number]!a})" for number in numbers[:MOST_NAMED])
            yield f"classes {printable(told)} have the same name or look alike; are they one class?"


def _plain(name: str) -> str:
    """A name without what the eye passes over."""
    letters = unicodedata.normalize("NFKC", name).casefold()
    return one_line("".join(letter for letter in letters if unicodedata.category(letter) not in ("Cc", "Cf")))


def _blank(found: Found) -> Iterator[str]:
    for number, name in enumerate(found.group_names):
        if not _plain(name):
            count = len(found.class_names)
            cells = (part.cells[number * count : (number + 1) * count] for part in found.parts.values())
            examples = sum(map(sum, cells))
            yield f"{_column(found)} is empty in {counted(examples)}, which are a group of their own"


def _empty_cells(found: Found) -> Iterator[str]:
    if found.empty_cells:
        empty = named(found.empty_cells)
        yield f"{_column(found)}: no training examples of {empty}; so the worst class counts, not the worst group"


def _unscaled(found: Found) -> Iterator[str]:
    if found.inputs.scale > LARGE:
        yield (
            f"inputs have a root mean square of {found.inputs.scale:.3g} and reach the network as they are; "
            "standardise them, or the loss may diverge"
        )


def _channels_last(found: Found) -> Iterator[str]:
    inputs = found.inputs
    if not inputs.is_picture and len(inputs.shape) == 3 and inputs.shape[2] in (1, 3):
        shape = " x ".join(map(str, inputs.shape))
        yield (
            f"arrays of {shape} look like pictures with their channels last; save them as bytes (uint8), "
            "or channels first, and a convolution is chosen"
        )


def _column(found: Found) -> str:
    return f"group column {quoted(found.told['group_column'])}"


def _kind(found: Found) -> str:
    return "group" if found.is_crossed else "class"
