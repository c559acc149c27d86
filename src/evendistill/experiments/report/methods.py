"""Table 2: every baseline beside the student that validation chose, and beside what was printed."""

from evendistill.experiments.cells import Cell
from evendistill.experiments.mends import LogitAdjustmentSpec
from evendistill.experiments.objectives import AdaAlphaSpec, AdaMarginSpec, GroupDROSpec, ObjectiveSpec
from evendistill.experiments.published_numbers import Published, read_published
from evendistill.experiments.report.lines import markdown_table
from evendistill.experiments.report.table import Row, Table
from evendistill.experiments.spec import ResNetSpec, RunSpec

AS_PRINTED = {
    "standard-distillation": "standard",
    "balanced-student": "balanced",
    "robust-student": "robust",
}
TABLE_2 = (
    "Every method under the same data, networks, schedule and seeds; its hyper-parameters are those with the best "
    "robust metric on validation. AdaMargin and AdaAlpha are our reconstructions; the search of post-shift is ours, "
    "and so are gain and step of group DRO that validation moves."
)
PRINTED_HEAD = ("combination", "measured", "printed")


def methods(table: Table) -> list[Row]:
    """The baselines, and last the selected student."""
    return [*table.baselines, *([table.selected] if table.selected else [])]


def methods_lines(table: Table) -> tuple[list[str], list[tuple[Row, list[str]]]]:
    """Table 2: the head, and each method with the entries of its line."""
    head = ["method", table.robust_name, "average accuracy", f"{table.robust_name} on validation", "chosen there"]
    head += ["printed"] if table.published else []
    body = []
    for row in methods(table):
        found = [row.test.robust.percent(), row.test.average.percent(), row.validation.robust.percent()]
        body.append((row, [*found, choice(row.cell), *([printed_words(row, table)] if table.published else [])]))
    return head, body


def methods_markdown(table: Table) -> str:
    """Table 2 in Markdown; empty if the recipe names no baselines."""
    if not table.baselines:
        return ""
    head, rows = methods_lines(table)
    body = [
        [f"**{row.title}** ★" if row.selected else row.title, *(text or "-" for text in entries)]
        for row, entries in rows
    ]
    return markdown_table(head, body)


def choice(cell: Cell) -> str:
    """The hyper-parameters of a cell in words."""
    words = []
    if cell.listening is not None:
        words.append(f"T {cell.listening.temperature:g}")
        if cell.listening.validation_temperature is not None:
            words.append(f"validation T {cell.listening.validation_temperature:g}")
    match cell.student:
        case AdaMarginSpec(per=per) | AdaAlphaSpec(per=per):
            words.append(f"per {per}")
        case GroupDROSpec(adjustment=adjustment) if adjustment > 0:
            words.append(f"C {adjustment:g}")
        case ObjectiveSpec(alpha=alpha) if cell.baseline is not None and cell.baseline.kind == "costs-afterwards":
            words.append(f"alpha {alpha:g}")
    if cell.baseline is not None and isinstance(mend := cell.runs[0].mend, LogitAdjustmentSpec):
        words.append(f"tau {mend.tau:g}")
    return ", ".join(words)


def printed_beside(table: Table) -> list[tuple[str, str, str]]:
    """Every combination that was printed: its title, what was measured, what was printed. Baselines have their own."""
    rows = [row for row in table.rows if printed(row, table)]
    return [
        (row.title, f"{row.test.robust.percent()} ({row.test.average.percent()})", printed_words(row, table))
        for row in rows
    ]


def printed_markdown(table: Table) -> str:
    """The same in Markdown; empty if nothing was printed of these networks and seeds."""
    body = printed_beside(table)
    return markdown_table(PRINTED_HEAD, body) if body else ""


def printed(row: Row, table: Table) -> list[Published]:
    """What was printed for this combination with these networks and this way of pairing seeds."""
    if table.published is None:
        return []
    spec = row.cell.runs[0]
    student = row.student if row.cell.baseline is None else AS_PRINTED.get(row.student, row.student)
    teacher = "" if row.teacher == "none" else row.teacher
    seeds = ("matched" if table.matched else "fixed", "", "unstated")
    labels = (row.cell.validation_labels or ("" if row.cell.listening else "true"), "unstated")
    return [
        each
        for each in read_published(table.published)
        if (each.teacher, each.student, each.robust_k) == (teacher, student, table.robust_k)
        and (each.validation_labels or "") in (*labels, "")
        and each.teacher_seed in seeds
        and _same_networks(each, spec)
    ]


def printed_words(row: Row, table: Table) -> str:
    """The same for people: robust metric, average in brackets, and where it was printed; a dash for none."""
    found = printed(row, table)
    if not found:
        return "-"
    return "; ".join(
        f"{_percent(each.worst, each.worst_se)} ({_percent(each.average, each.average_se)}), {each.source}"
        for each in found
    )


def _percent(value: float | None, se: float | None) -> str:
    if value is None:
        return "not printed"
    return f"{100 * value:.2f}" + ("" if se is None else f" ± {100 * se:.2f}")


def _same_networks(each: Published, spec: RunSpec) -> bool:
    ours = _network(spec)
    if not ours or ours != (each.student_network or each.teacher_network):
        return False
    return spec.teacher is None or _network(spec.teacher) == each.teacher_network


def _network(spec: RunSpec) -> str:
    """As the papers name it; empty for networks that they do not have."""
    return f"ResNet-{spec.network.depth}" if isinstance(spec.network, ResNetSpec) else ""
