"""What the paper claims in words, each with the verdict of our own numbers."""

import statistics
from dataclasses import dataclass

from evendistill.experiments.frontier import beaten_beyond_noise, pareto_front
from evendistill.experiments.objectives import ObjectiveSpec
from evendistill.experiments.report.lines import markdown_table
from evendistill.experiments.report.table import Row, Table


@dataclass(frozen=True)
class Claim:
    """A claim of Wang et al. 2023 and what a sweep says of it.

    Attributes:
        text: the claim in our words.
        holds: the verdict on the means over the seeds of the test results; None if the sweep cannot tell.
        evidence: the numbers.
    """

    text: str
    holds: bool | None
    evidence: str

    @property
    def verdict(self) -> str:
        """One word or two."""
        return {True: "kept", False: "not kept", None: "cannot tell"}[self.holds]


def claims(table: Table) -> list[Claim]:
    """All claims with their verdicts."""
    return [
        _robust_twice(table),
        _best_teacher(table),
        _lower_alpha(table),
        _efficient(table),
        _post_shift(table),
        _group_dro(table),
    ]


def claims_markdown(table: Table) -> str:
    """The claims as a Markdown table."""
    body = [(claim.text, claim.verdict, claim.evidence) for claim in claims(table)]
    return markdown_table(("claim of the paper", "here", "numbers"), body)


def _students(table: Table) -> list[Row]:
    return [row for row in table.rows if row.cell.is_student]


def _worst(row: Row) -> float:
    return row.test.robust.mean


def _at(row: Row) -> tuple[float, float]:
    return row.test.average.mean, row.test.robust.mean


def _said(row: Row) -> str:
    return f"{row.title} {row.test.robust.percent()}"


def _robust_twice(table: Table) -> Claim:
    text = "robust on robust is not the best combination"
    students = _students(table)
    twice = [row for row in students if (row.teacher, row.student) == ("robust", "robust")]
    if not twice or len(students) == len(twice):
        return Claim(text, None, "no robust student of a robust teacher, or nothing else")
    best, own = max(students, key=_worst), max(twice, key=_worst)
    return Claim(text, _worst(best) > _worst(own), f"{_said(own)}, best: {_said(best)}")


def _best_teacher(table: Table) -> Claim:
    text = "the teacher with the best worst class is not the best to learn from"
    teachers, students = [row for row in table.rows if row.cell.student is None], _students(table)
    if len(teachers) < 2 or not students:
        return Claim(text, None, "fewer than two teachers, or no students")
    alone, best = max(teachers, key=_worst), max(students, key=_worst)
    return Claim(text, best.teacher != alone.teacher, f"{_said(alone)}; best student: {_said(best)}")


def _lower_alpha(table: Table) -> Claim:
    text = "a lower alpha of the student gives a higher average"
    by_alpha: dict[float, list[float]] = {}
    for row in _students(table):
        objective = row.cell.student
        if isinstance(objective, ObjectiveSpec) and (objective.base, objective.form) == ("balanced", "margin"):
            by_alpha.setdefault(objective.alpha, []).append(row.test.average.mean)
    if len(by_alpha) < 2:
        return Claim(text, None, "fewer than two alphas on the balanced base")
    means = {alpha: statistics.fmean(values) for alpha, values in sorted(by_alpha.items())}
    falling = list(means.values())
    evidence = ", ".join(f"alpha {alpha:g}: {100 * mean:.1f}" for alpha, mean in means.items())
    return Claim(text, falling == sorted(falling, reverse=True), f"average over teachers and label modes: {evidence}")


def _efficient(table: Table) -> Claim:
    text = "no baseline is better than the selected student in one accuracy and no worse in the other"
    chosen, alone = table.selected, [row for row in table.rows if row.cell.student and row.cell.teacher is None]
    rivals = [row for row in (*table.baselines, *alone) if chosen and row.folders != chosen.folders]
    if chosen is None or not rivals:
        return Claim(text, None, "no baselines, or nothing was selected")
    ahead = [row for row in rivals if pareto_front([_at(chosen), _at(row)]) == [1]]
    surely = beaten_beyond_noise([row.repeats for row in (chosen, *rivals)])[0]
    evidence = f"{chosen.title} {chosen.test.robust.percent()} ({chosen.test.average.percent()})"
    if ahead:
        evidence += "; ahead of it: " + ", ".join(
            f"{row.title} {row.test.robust.percent()} ({row.test.average.percent()})" for row in ahead
        )
        noise = "one seed: noise is not known" if len(chosen.repeats) == 1 else "within noise"
        evidence += f", {noise if surely is None else 'beyond noise'}"
    return Claim(text, not ahead, evidence)


def _post_shift(table: Table) -> Claim:
    text = "post-shift fits validation and transfers badly"
    shifted, chosen = table.find_baseline("post-shift"), table.selected
    if shifted is None or chosen is None:
        return Claim(text, None, "no post-shift, or nothing was selected")
    gap, other = (100 * (row.validation.robust.mean - row.test.robust.mean) for row in (shifted, chosen))
    evidence = (
        f"{shifted.validation.robust.percent()} on validation, {shifted.test.robust.percent()} on test: "
        f"{gap:.1f} points lost; the selected student loses {other:.1f}"
    )
    return Claim(text, gap > max(0.0, other), evidence)


def _group_dro(table: Table) -> Claim:
    text = "group DRO does better with multipliers from validation"
    train, validation = table.find_baseline("group-dro-train"), table.find_baseline("group-dro-validation")
    if train is None or validation is None:
        return Claim(text, None, "both variants are needed")
    evidence = f"{validation.test.robust.percent()} from validation, {train.test.robust.percent()} from train"
    return Claim(text, _worst(validation) > _worst(train), evidence)
