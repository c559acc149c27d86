"""The order of runs: after what they learn from, and so that the table's first full row comes soonest."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from evendistill.experiments.cells import Cell
from evendistill.experiments.spec import RunSpec


def cheapest_first(cells: Sequence[Cell], needed: Mapping[str, RunSpec]) -> dict[str, RunSpec]:
    """The needed runs, row by row of the table: next is always the row that costs the fewest further epochs.

    A row is one student under every teacher, or the teachers themselves. Within it, what others learn from comes first.

    Args:
        cells: of the table.
        needed: the runs to put into order, by hash; others are taken as done.
    """
    rows: defaultdict[object, dict[str, None]] = defaultdict(dict)
    for cell in cells:
        rows[cell.group[1:]] |= dict.fromkeys(_with_inputs(cell.runs, needed))
    left, ordered = list(rows.values()), dict[str, RunSpec]()
    while left:
        row = min(left, key=lambda names: sum(_cost(needed[name]) for name in names if name not in ordered))
        left.remove(row)
        ordered |= {name: needed[name] for name in row}
    return ordered | dict(needed)


def share(needed: Mapping[str, RunSpec], number: int, of: int) -> dict[str, RunSpec]:
    """One of several shares of the runs, with all that they learn from; together the shares are all runs.

    Students of one teacher are neighbours, so that few shares wait for the same one.

    Args:
        needed: the runs, by hash.
        number: of the share, from 1.
        of: how many shares there are.

    Raises:
        ValueError: if there is no share of that number.
    """
    if not 1 <= number <= of:
        raise ValueError(f"a share is K/N with K from 1 to N, got {number}/{of}")
    taught = {each.hash for spec in needed.values() for each in spec.inputs}
    last = sorted((spec for name, spec in needed.items() if name not in taught), key=_family)
    mine = last[len(last) * (number - 1) // of : len(last) * number // of]
    wanted = set(_with_inputs(mine, needed))
    return {name: spec for name, spec in needed.items() if name in wanted}


def ready(waiting: Mapping[str, RunSpec], needed: Mapping[str, RunSpec], ended: Mapping[str, bool]) -> Iterator[str]:
    """The waiting runs whose teachers, if they have any, are trained."""
    for name, spec in waiting.items():
        if all(each.hash not in needed or ended.get(each.hash, False) for each in spec.inputs):
            yield name


def without_teacher(waiting: dict[str, RunSpec], ended: dict[str, bool]) -> list[str]:
    """Students whose teacher has failed, and their students; they are taken off the list."""
    orphans, order = list[str](), list(waiting)
    while found := [name for name, spec in waiting.items() if any(ended.get(i.hash) is False for i in spec.inputs)]:
        orphans += found
        for name in found:
            del waiting[name]
            ended[name] = False
    return sorted(orphans, key=order.index) if orphans else []


def _with_inputs(runs: Iterable[RunSpec], needed: Mapping[str, RunSpec]) -> list[str]:
    names: dict[str, None] = {}
    for run in runs:
        names |= dict.fromkeys(_with_inputs(run.inputs, needed))
        if run.hash in needed:
            names[run.hash] = None
    return list(names)


def _cost(spec: RunSpec) -> int:
    """Epochs; a mended teacher trains nothing."""
    return 0 if spec.mend is not None else spec.training.epochs


def _family(spec: RunSpec) -> tuple[str, ...]:
    """Hashes from the first teacher down."""
    above = _family(spec.inputs[0]) if spec.inputs else ()
    return (*above, spec.hash)
