"""The first screen: which student to ship, what it gains over standard distillation, and which classes pay."""

import math
from collections.abc import Sequence
from html import escape

from evendistill.experiments.report.difference import BRACKETS, Difference
from evendistill.experiments.report.html import Line, lines
from evendistill.experiments.report.table import Row, Table, to_ship
from evendistill.experiments.report.taught import Teachers, teachers_of
from evendistill.experiments.report.verdict import better_offer, reservations, verdict
from evendistill.experiments.results import Found
from evendistill.experiments.rules import in_words

MOST_NAMED = 6


def answer(table: Table) -> str:
    """The box at the head of the page."""
    chosen = table.selected
    title = _title(table)
    parts = [f'<section class="answer" aria-labelledby="answer"><h2 id="answer">{escape(title)}</h2>']
    if chosen is None:
        said = [verdict(table)]
    else:
        rule = f": {in_words(table.rule)}" if table.rule else ""
        head = ["on test, in percent", table.robust_name, "average accuracy"]
        told = f"Chosen on validation{rule}. {_signs(table)}".rstrip()
        parts += [f'<p class="soft">{escape(told)}</p>', lines(head, _rows(table, chosen))]
        said = [better_offer(table), " ".join(who(table)), " ".join(reservations(table, chosen)), to_ship(table)]
    return "\n".join([*parts, *(f"<p>{escape(each)}</p>" for each in said if each), "</section>"])


def _title(table: Table) -> str:
    chosen = table.selected
    if chosen is None:
        return "It all fits together" if table.is_smoke else "No student to ship"
    if chosen.validation.robust.mean == 0:
        return f"No student to ship yet: the {chosen.title} comes nearest"
    among = "Of the distilled students, ship" if table.rivals else "Ship"
    return f"{among} the {chosen.title}"


def who(table: Table) -> list[str]:
    """Which classes gain and lose beside standard distillation, in sentences."""
    plain = standard_beside(table)
    if plain is None or table.selected is None:
        return []
    found = [(table.class_names[label], each) for label, each in by_class(table.selected, plain)]
    return gains_and_losses(found, kind=table.kind, several=len(table.seeds) > 1)


def gains_and_losses(found: Sequence[tuple[str, Difference]], *, kind: str, several: bool) -> list[str]:
    """Which classes gain and lose beside standard distillation, in sentences; none where nothing is to compare.

    Args:
        found: names of classes, or groups, with the differences of their recalls.
        kind: "class" or "group".
        several: whether there are several seeds; noise is not known else.
    """
    if not found:
        return []
    told = [(name, each) for name, each in found if each.is_beyond_noise or not several]
    gains = sorted((each for each in told if each[1].mean > 0), key=lambda each: -each[1].mean)
    losses = sorted((each for each in told if each[1].mean < 0), key=lambda each: each[1].mean)
    rest = len(found) - len(gains) - len(losses)
    noise = f", beyond noise over {_kinds(found)}" if several else " (one seed: noise is not known)"
    said = [f"Gains over standard distillation{noise}: {_named(gains, kind)}."]
    said += [f"Losses: {_named(losses, kind)}."]
    left = f"The other {rest} of {len(found)} {'lies' if rest == 1 else 'lie'} within noise."
    return [*said, left] if several and rest else said


def _kinds(found: Sequence[tuple[str, Difference]]) -> str:
    """What chance was reckoned with."""
    return "seeds" if any(math.isnan(each.lower_over_examples) for _, each in found) else "seeds and test examples"


def by_class(ours: Row, theirs: Row) -> list[tuple[int, Difference]]:
    """Differences of the recall on test of each class that is there."""
    return recalls_apart(ours.test, theirs.test)


def recalls_apart(ours: Found, theirs: Found) -> list[tuple[int, Difference]]:
    """Differences of the recall of each class that is there, on one split."""
    columns = list(zip(zip(*ours.by_seed, strict=True), zip(*theirs.by_seed, strict=True), strict=True))
    are_counted = len(ours.total) == len(theirs.total) == len(columns)
    totals = list(map(min, ours.total, theirs.total)) if are_counted else [0] * len(columns)
    return [
        (label, Difference.of(one, other, examples=totals[label]))
        for label, (one, other) in enumerate(columns)
        if not any(map(math.isnan, (*one, *other)))
    ]


def _signs(table: Table) -> str:
    """What stands behind the numbers."""
    if len(table.seeds) == 1:
        return ""
    return f"± is the standard error over seeds; brackets hold the {BRACKETS}."


def _rows(table: Table, chosen: Row) -> list[Line]:
    """The student, and under everything that it is set against how far it lies above that."""
    plain, teachers = standard_beside(table), teachers_of(table, chosen)
    beside: list[tuple[str, str, Found | Teachers]] = []
    beside += [(f"put before it by the rule: {row.title}", "that", row.test) for row in table.rivals]
    beside += [("standard distillation", "standard distillation", plain.test)] if plain else []
    beside += [(f"its teacher, {chosen.teacher}", "its teacher", teachers)] if teachers else []
    rows: list[Line] = [("the student to ship", _percents(chosen.test), True)]
    for title, short, found in beside:
        pairs = (chosen.test.robusts, found.robusts), (chosen.test.averages, found.averages)
        rows.append((title, _percents(found), False))
        rows.append((f"the student over {short}, points", [Difference.of(*pair).words() for pair in pairs], False))
    return rows


def _percents(found: Found | Teachers) -> list[str]:
    return [found.robust.percent(), found.average.percent()]


def standard_beside(table: Table) -> Row | None:
    """Standard distillation, where it is another than the selected student."""
    plain = table.find("standard", "standard")
    chosen = table.selected
    return None if plain is None or chosen is None or plain.folders == chosen.folders else plain


def _named(found: list[tuple[str, Difference]], kind: str) -> str:
    if not found:
        return f"no {kind}"
    named = [f"{kind} {name} by {100 * abs(each.mean):.1f}" for name, each in found[:MOST_NAMED]]
    named[0] += " points"
    more = f", and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return ", ".join(named) + more
