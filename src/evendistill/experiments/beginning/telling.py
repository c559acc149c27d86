"""What a terminal shows of a data set and of the first recipe for it."""

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from evendistill.experiments.beginning.first import First
from evendistill.experiments.beginning.found import Found
from evendistill.experiments.beginning.pace import about
from evendistill.experiments.beginning.precision import AIM, RECALLS, TYPICAL, Precision
from evendistill.experiments.beginning.warned import counted, named, quoted
from evendistill.experiments.report.inventory import human

WIDE = 250


def print_first(first: First) -> None:
    """Print what the data hold, what validation can tell, warnings, and what was written."""
    console, found = Console(), first.found
    if not console.is_terminal:  # a file or another program: no line is broken
        console = Console(width=WIDE)
    lines = [f"{len(found.class_names)} classes: {named(found.class_names)}", _inputs(found)]
    if found.group_names:
        lines.append(
            f"{len(found.group_names)} groups in {quoted(found.told['group_column'])}: {named(found.group_names)}"
        )
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(_splits(found))
    runs = (
        f"{first.runs} trainings of {first.grid.training.epochs} epochs, {first.examples / 1e6:,.1f} million examples"
    )
    for line in [
        *(f"{name}: {part.origin}" for name, part in found.parts.items()),
        *_precision(found, first.precision),
        *(f"WARNING: {warning}" for warning in first.warnings),
        f"written: {first.path}, {runs}, {about(first.seconds)} on this machine (fewer "
        "epochs, seeds or objectives in it take less); "
        f"`evendistill run {first.path} --smoke` tries it in seconds",
    ]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _inputs(found: Found) -> str:
    inputs = found.inputs
    shape = " x ".join(map(str, inputs.shape[1:] if inputs.is_picture else inputs.shape))
    if inputs.is_picture:
        channels = f"{inputs.shape[0]} channel" + ("s" if inputs.shape[0] > 1 else "")
        grey = ", all grey" if inputs.kind == "images" and inputs.shape[0] == 3 and not inputs.has_colours else ""
        what = f"pictures of {shape} pixels, {channels}{grey}, {'bytes' if inputs.kind == 'images' else 'float32'}"
    else:
        what = f"arrays of {shape} numbers, float32"
    where = "held in memory" if found.held == "memory" else "decoded as they are asked for; in memory they would take"
    return f"{what}; {where}{',' if found.held == 'memory' else ''} {human(found.bytes)}"


def _splits(found: Found) -> Grid:
    grid = Grid("split", "examples", "smallest class", "largest class", "largest / smallest", box=None, pad_edge=False)
    for name, part in found.parts.items():
        ends = (f"{quoted(found.class_names[end])}: {part.counts[end]:,}" for end in (part.smallest, part.largest))
        grid.add_row(name, f"{part.examples:,}", *(Text(end) for end in ends), f"{part.imbalance:.3g}")
    return grid


def _precision(found: Found, known: Precision) -> list[str]:
    widths = ", ".join(
        f"± {100 * width:.1f} points at {100 * recall:.0f} %"
        for recall, width in zip(RECALLS, known.half_widths, strict=True)
    )
    name, worst, kind = quoted(found.names[known.smallest]), known.worst, "group" if found.is_crossed else "class"
    return [
        f"95 % interval (Wilson) of the recall of {name}, of {counted(known.count)} on validation: {widths}; "
        f"± {100 * AIM:.0f} points take {known.needed} examples",
        f"were each {kind} recognised at {100 * TYPICAL:.0f} %, the worst of {len(found.names)} would be measured as "
        f"{100 * worst.lower:.1f} to {100 * worst.upper:.1f} %, {-100 * worst.bias:.1f} points too low on average",
    ]
