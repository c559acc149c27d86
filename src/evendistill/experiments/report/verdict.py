"""What the numbers say, and what they do not, in plain words."""

from evendistill.experiments.report.table import Row, Table
from evendistill.experiments.report.taught import Teachers, teachers_of
from evendistill.experiments.results import Estimate, Found

WORTH_A_WORD = 1.0  # points between validation and test


def verdict(table: Table) -> str:
    """A few sentences about a table: the choice, what it gained and paid, and how far to trust it."""
    if table.is_smoke:
        return (
            f"It all fits together: {len(table.rows) + len(table.baselines)} combinations went all the way to this "
            "report. One epoch teaches nothing, so the numbers mean nothing, and no student is chosen."
        )
    chosen, plain = table.selected, table.find("standard", "standard")
    if chosen is None and table.why_not:
        return f"Nothing was selected: {table.why_not}."
    if chosen is None:
        return "There are no students to choose from."
    return " ".join(filter(None, [_choice(table, chosen, plain), better_offer(table), *reservations(table, chosen)]))


def reservations(table: Table, chosen: Row) -> list[str]:
    """How far to trust the choice, in sentences."""
    gap = 100 * (chosen.validation.robust.mean - chosen.test.robust.mean)
    overfitted = gap > 0 and _judged_itself(chosen)
    sentences = []
    if abs(gap) >= WORTH_A_WORD:
        sentences.append(
            f"On validation the choice had {chosen.validation.robust.percent()} %, so {abs(gap):.1f} points "
            f"{'did not carry over to' if gap > 0 else 'were added on'} the test set"
            + (": the same examples moved the multipliers and made the choice." if overfitted else ".")
        )
    if table.interval is not None and table.robust_k == 1:
        sentences.append(
            f"Of the run to ship the worst {table.kind} lies between {100 * table.interval.lower:.1f} and "
            f"{100 * table.interval.upper:.1f} % (95 % bootstrap interval over the test examples)."
        )
    if best := _better_on_test(table, chosen):
        sentences.append(
            f"On test the {best.title} did better ({best.test.robust.percent()} %), {_passed_over(best, chosen)}."
        )
    alone = _alone_no_worse(table, chosen)
    if alone and alone.folders not in [row.folders for row in table.rivals]:
        sentences.append(
            f"On test the {alone.title} has the better trade-off ({alone.test.robust.percent()} % and on average "
            f"{alone.test.average.percent()} %): here the teacher does not pay."
        )
    teachers = teachers_of(table, chosen)
    if teachers and all(theirs.mean > ours.mean for theirs, ours in _accuracies(teachers, chosen.test)):
        sentences.append(
            f"On test its own teacher beats the chosen student in both accuracies ({teachers.robust.percent()} % and "
            f"on average {teachers.average.percent()} %): the student pays only where it costs less to run."
        )
    return [*sentences, _limits(table)]


def _accuracies(teachers: Teachers, student: Found) -> list[tuple[Estimate, Estimate]]:
    return [(teachers.robust, student.robust), (teachers.average, student.average)]


def _choice(table: Table, chosen: Row, plain: Row | None) -> str:
    said = f"Validation chose the {chosen.title}: {table.robust_name} {chosen.test.robust.percent()} % on test"
    if plain is None or plain is chosen:
        return f"{said}, average accuracy {chosen.test.average.percent()} %."
    return (
        f"{said} against {plain.test.robust.percent()} % for standard distillation, at an average accuracy of "
        f"{chosen.test.average.percent()} % against {plain.test.average.percent()} %."
    )


def _judged_itself(row: Row) -> bool:
    return row.cell.student is not None and row.cell.student.is_adversarial


def _better_on_test(table: Table, chosen: Row) -> Row | None:
    students = [row for row in table.rows if row.cell.is_student]
    best = max(students, key=lambda row: row.test.robust.mean)
    return best if best.test.robust.mean > chosen.test.robust.mean else None


def _passed_over(row: Row, chosen: Row) -> str:
    """Why a student that is better on test was not chosen."""
    if row.validation.robust.mean <= chosen.validation.robust.mean:
        return "but validation did not say so"
    return (
        f"and on validation, too ({row.validation.robust.percent()} %); the rule passed it over for its average "
        f"accuracy there, {row.validation.average.percent()} % against {chosen.validation.average.percent()} %"
    )


def better_offer(table: Table) -> str:
    """What the rule would rather have chosen, had it been one of the grid's students; empty if nothing."""
    chosen = table.selected
    if chosen is None or not table.rivals:
        return ""
    first, *more = table.rivals
    said = (
        f"By the same rule on validation the {first.title} comes first: there {_both(first.validation)}, the choice "
        f"{_both(chosen.validation)}; on test {_both(first.test)}."
    )
    for other in more:
        said += (
            f" The {other.title} comes before the choice, too: {_both(other.validation)}, on test {_both(other.test)}."
        )
    said += " Here the teacher does not pay." if any(row.teacher == "none" for row in table.rivals) else ""
    runs = " or ".join(row.folders[0] for row in table.rivals)
    return (
        f"{said} The rule chooses among the grid's students alone; what comes before them can be shipped, too: {runs}."
    )


def _both(found: Found) -> str:
    return f"{found.robust.percent()} % (average {found.average.percent()} %)"


def _alone_no_worse(table: Table, chosen: Row) -> Row | None:
    """A student that trained without a teacher and is no worse in either accuracy, and better in one; the best such."""
    at = (chosen.test.robust.mean, chosen.test.average.mean)
    found = [(row.test.robust.mean, row.test.average.mean, row) for row in table.rows if row.teacher == "none"]
    better = [each for each in found if each[0] >= at[0] and each[1] >= at[1] and each[:2] != at]
    return max(better, key=lambda each: each[:2])[2] if better else None


def _limits(table: Table) -> str:
    count = len(table.seeds)
    if count == 1:
        return "One seed of one data set: there is no error to report, and none of this need hold elsewhere."
    return (
        f"The errors are standard errors over {count} seeds of the training on one data set and one split; they say "
        "nothing of other data sets or splits."
    )
