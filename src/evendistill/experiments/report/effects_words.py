"""What distillation did to whom, in tables and sentences."""

import math
from collections.abc import Sequence

from evendistill.experiments.report.effects import Comparison, Section
from evendistill.experiments.report.lines import as_words, markdown_table
from evendistill.experiments.results import Estimate

TITLE = "What distillation did to whom"
PICTURE = "effects.svg"
SHOWN_K = (1, 2, 3, 5)
MOST_NAMED = 12

Lines = tuple[list[str], list[list[str]]]


def effects_markdown(section: Section) -> str:
    """The section in Markdown; empty if there is nothing to show."""
    if not section:
        return ""
    parts = [f"## {TITLE}", *explained(section)]
    for each in section.comparisons:
        parts += [f"### {heading(each)}", as_words(" ".join(sentences(each))), _table(*class_lines(each))]
        parts += ["Mean of the k least recalls:", _table(*worst_k_lines(each))]
    if section.comparisons:
        parts += [f"Drawn in `{PICTURE}`."]
    return "\n\n".join(parts) + "\n"


def _table(head: list[str], body: list[list[str]]) -> str:
    """In Markdown; a bar in the name of a class is not the end of its cell."""
    return markdown_table(head, [[as_words(entry) for entry in line] for line in body]).rstrip()


def explained(section: Section) -> list[str]:
    """How to read the tables, and what is missing."""
    said = [section.why_not] if section.why_not else []
    if not section.comparisons:
        return said
    several = len(section.comparisons[0].seeds) > 1
    noise = (
        "both its Student t interval over seeds, which is shown, and its interval over test examples (Agresti and Min "
        "2005) leave out 0"
        if several
        else "its interval over test examples (Agresti and Min 2005), which is shown, leaves out 0; one seed says "
        "nothing of other trainings"
    )
    together = ", those of all seeds counted together" if several else ""
    level = f"{100 * section.comparisons[0].mean.level:g} %"
    return [
        *said,
        "Recalls on test in percent; the gain, in points, is over the same network trained without a teacher "
        f'("alone"), in brackets its {level} interval. ▲ gains and ▼ loses beyond noise: {noise}; there is no '
        "correction for the number of classes. An error of the teacher is inherited if the student gives the very "
        f"same wrong class{together}. The question is that of Lukasik et al. 2022; what counts as inherited and as "
        "amplified is our definition.",
    ]


def heading(told: Comparison) -> str:
    """Which student it is about."""
    return told.role if told.role.lower() == told.title else f"{told.role}: {told.title}"


def sentences(told: Comparison) -> list[str]:
    """What the comparison says."""
    beside = f"Beside it stands the {told.alone}"
    if not told.same_objective:
        beside += ", for the recipe has none of its own objective: part of the gain may be due to that"
    return [f"{beside}.", *_who(told), *_inheritance(told), *_margins(told)]


def _who(told: Comparison) -> list[str]:
    """Who gains and who loses."""
    beyond, names = told.mean.beyond_noise, told.class_names
    gains, losses = ([names[label] for label in (beyond == sign).nonzero().flatten().tolist()] for sign in (1, -1))
    present = int((~told.mean.gain.isnan()).sum())
    if not gains and not losses:
        return [f"None of the {present} classes gains or loses beyond noise."]
    said = [f"Beyond noise {_named(gains) or 'no class'} gained and {_named(losses) or 'no class'} lost"]
    said[0] += f"; the other {present - len(gains) - len(losses)} of {present} lie within it."
    if worse := [names[label] for label in told.mean.amplified.nonzero().flatten().tolist()]:
        said.append(f"Amplified, with more errors than both the teacher and the student alone: {_named(worse)}.")
    return said


def _inheritance(told: Comparison) -> list[str]:
    mean = told.mean
    if math.isnan(mean.inheritance):
        return ["A teacher made no error, so there was nothing to inherit."]
    return [
        f"Of the teacher's errors {_percent(mean.inheritance)} % are inherited; the student alone makes "
        f"{_percent(mean.inheritance_alone)} % of them in the same way: {_points(mean.inheritance_gap)} points "
        f"({_points(mean.inheritance_lower)} to {_points(mean.inheritance_upper)})."
    ]


def _margins(told: Comparison) -> list[str]:
    found = told.mean.margin_correlation
    if found is None:
        return []
    said = "The teacher's mean margin of a class on test and the gain of the class"
    if math.isnan(found.value):
        return [f"{said} have no rank correlation, since all values of one are equal."]
    return [
        f"{said} have a rank correlation (Spearman) of {found.value:.2f} "
        f"({found.lower:.2f} to {found.upper:.2f}, classes drawn anew)."
    ]


def class_lines(told: Comparison) -> Lines:
    """A line for each class: head and body."""
    mean, known = told.mean, told.training_examples
    head = ["class", *(["training examples"] if known else []), "teacher", "student", "alone", "gain"]
    head += ["errors of the teacher", "inherited %", "alone %"]
    body = []
    for label, name in enumerate(told.class_names):
        line = [name, *([f"{known[label]:,}"] if known else [])]
        line += [_percent(recall) for recall in mean.recalls[:, label].tolist()]
        line += [_gain(told, label), str(int(mean.teacher_errors[label]))]
        body.append(line + [_percent(each[label].item(), "-") for each in (mean.inherited, mean.inherited_alone)])
    return head, body


def _gain(told: Comparison, label: int) -> str:
    gain, (lower, upper) = told.mean.gain[label].item(), (end[label].item() for end in told.interval)
    if math.isnan(gain):
        return "-"
    mark = {1: " ▲", -1: " ▼", 0: ""}[int(told.mean.beyond_noise[label])]
    return f"{_points(gain)} ({_points(lower)} to {_points(upper)}){mark}"


def worst_k_lines(told: Comparison) -> Lines:
    """A line for some numbers of classes: head and body, mean and standard error over seeds."""
    present = told.mean.worst_k.shape[1]
    body = []
    for k in sorted({*(k for k in SHOWN_K if k <= present), present}):
        columns = [[seed.worst_k[row, k - 1].item() for seed in told.seeds] for row in range(3)]
        gains = Estimate.of([ours - theirs for ours, theirs in zip(columns[1], columns[2], strict=True)])
        gain = _points(gains.mean) + ("" if gains.se is None else f" ± {100 * gains.se:.1f}")
        name = f"{k} (all)" if k == present else str(k)
        body.append([name, *(Estimate.of(values).percent() for values in columns), gain])
    return ["k", "teacher", "student", "alone", "gain"], body


def _named(names: Sequence[str]) -> str:
    """Names with "class" before them, at most a dozen."""
    if not names:
        return ""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{'class' if len(names) == 1 else 'classes'} {', '.join(names[:MOST_NAMED])}{more}"


def _percent(value: float, absent: str = "absent") -> str:
    return absent if math.isnan(value) else f"{100 * value:.1f}"


def _points(value: float) -> str:
    """With its sign; nothing is never minus nothing."""
    return f"{round(100 * value, 1) + 0.0:+.1f}"
