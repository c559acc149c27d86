"""A first recipe as YAML, each choice with its reason; what comes from the user's files is quoted or escaped."""

import re
import shlex
from pathlib import Path
from typing import Any

import yaml

from evendistill.data.wording import one_line
from evendistill.experiments.beginning import choices
from evendistill.experiments.beginning.found import Found
from evendistill.experiments.beginning.warned import named
from evendistill.experiments.yamlfile import printable

COLUMN = 44  # where comments begin
WIDTH = 120
PLAIN = re.compile(r"[A-Za-z/.][A-Za-z0-9_./-]*")
WHY_DATA = {
    "image_column": "where the images are",
    "label_column": "where the classes are",
    "group_column": "an attribute beside the class",
    "imbalance": "training classes are thinned: largest over smallest; validation and test stay as they are",
    "image_size": "of the shorter side, the middle cut out: one size for all, and not too large",
    "workers": "processes that decode images, which are too many for memory",
}


def commented(found: Found, recipe: Path) -> str:
    """The text of a recipe that runs as it is.

    Args:
        found: what the data hold.
        recipe: where the text will lie, for the commands in its head.
    """
    classes = len(found.class_names)
    networks = choices.networks(found.inputs, classes)
    length = choices.length(found.parts["train"].examples, networks.steps)
    lines = [
        *_head(found, recipe),
        f"name: {value(_name(found))}",
        *_data(found),
        *_view(found),
        *_training(length),
        *_networks(networks),
        *_rest(found),
    ]
    return "\n".join(lines) + "\n"


def value(told: Any) -> str:  # noqa: ANN401 - whatever a field takes
    """A value in flow style, on one line, that is read back as it is."""
    if isinstance(told, str):
        if PLAIN.fullmatch(told) and yaml.safe_load(told) == told:
            return told
        return yaml.safe_dump(told, default_style='"', width=float("inf"), allow_unicode=True).strip()
    if isinstance(told, dict):
        return "{" + ", ".join(f"{name}: {value(each)}" for name, each in told.items()) + "}"
    if isinstance(told, list):
        return "[" + ", ".join(map(value, told)) + "]"
    return str(told).lower() if isinstance(told, bool) else f"{told:.12g}"


def _head(found: Found, recipe: Path) -> list[str]:
    file = printable(one_line(shlex.quote(recipe.name)))
    counts = ", ".join(f"{part.examples:,} {name}" for name, part in found.parts.items())
    return [
        "# A first recipe, made from what the data hold; it runs as it is, and each line says why it is there.",
        *_wrapped(f"{len(found.class_names)} classes: {named(found.class_names)}"),
        *_wrapped(f"examples: {counts}; validation is {found.parts['validation'].origin}"),
        f"# first    evendistill run {file} --smoke      takes seconds: does it all fit together?",
        f"# then     evendistill run {file}              trains, goes on where it was cut off, reports",
    ]


def _data(found: Found) -> list[str]:
    lines = ["data:", f"  source: {value(found.told['source'])}"]
    told = {name: each for name, each in found.told.items() if name != "source"}
    return lines + [_line(f"  {name}: {value(each)}", WHY_DATA[name]) for name, each in told.items()]


def _view(found: Found) -> list[str]:
    told = choices.view(found.inputs)
    if told is None:
        return ["# no view: arrays of numbers reach a network as they are"]
    lines = [
        "view:",
        _line(f"  mean: {value(told['mean'])}", "of the training images, pixels from 0 to 1"),
        _line(f"  std: {value(told['std'])}", "likewise"),
    ]
    if "flip" not in told:
        why = "grey pictures" if not found.inputs.has_colours else f"pictures below {choices.COLOUR_SIDE} pixels"
        return [
            *lines,
            f"  # nothing is moved or mirrored: {why} are often signs, scans or drawings, where that may harm",
        ]
    return [
        *lines,
        _line(f"  pad: {told['pad']}", "training sees a random window, moved by up to an eighth of the picture"),
        _line("  flip: true", "and half of it mirrored; false where left and right matter: text, signs, organs"),
    ]


def _training(length: choices.Length) -> list[str]:
    moves = -(-length.steps // length.update_every)
    return [
        "training:",
        _line(f"  epochs: {length.epochs}", f"{length.steps:,} steps in all; more if the loss still falls"),
        _line(f"  batch_size: {length.batch_size}", "usual for so many examples"),
        _line("  learning_rate: 0.1", "usual for SGD with momentum; a tenth of it if the loss diverges"),
        _line("  weight_decay: 0.0005", "usual for small networks"),
        _line("  schedule: cosine", "the rate falls to zero; no milestones to choose"),
        _line("  warmup_epochs: 1", "the rate rises over it: random weights bear no jump"),
        _line(f"  update_every: {length.update_every}", f"steps; the multipliers move {moves:,} times in all"),
        _line("  precision: fp32", "bf16 is faster on a GPU"),
    ]


def _networks(networks: choices.Networks) -> list[str]:
    return [
        "teachers:",
        _line(f"  network: {value(networks.teacher)}", networks.why),
        _line(
            "  objectives: [standard, balanced, robust]", "which of them suits a robust student shows only by trying"
        ),
        "students:",
        _line(f"  network: {value(networks.student)}", "what you ship: as small as it must be"),
        _line(
            "  objectives: [standard, balanced, robust]", "for the average example, the average class, the worst class"
        ),
        _line("  alone: true", "each of them without a teacher as well: does distillation pay at all?"),
        _line("  temperatures: [3]", "softens the teacher; of a list, 1 to 5 say, validation chooses"),
        _line("  validation_labels: [true]", "the worst class is found by true labels; teacher trusts the teacher's"),
    ]


def _rest(found: Found) -> list[str]:
    count = choices.robust_k(found)
    why = "the worst alone" if count == 1 else f"mean of the {count} worst: the least of so many is mostly chance"
    lines = [_line(f"seeds: {choices.SEEDS}", "repeats of everything, so that numbers come with an error")]
    if found.is_crossed:
        lines.append(_line("grouping: class x attribute", "whose worst counts: each class with each attribute"))
    elif found.group_names:
        lines.append(_line("grouping: class", "some classes have no training example with some attribute"))
    else:
        lines.append(
            _line("baselines: [costs-afterwards]", "no training: the costs of a trade-off put on the balanced student")
        )
    return [
        *lines,
        _line(f"robust_k: {count}", why),
        _line("selection: {rule: paper}", "best worst class at no loss of average; on validation alone"),
    ]


def _name(found: Found) -> str:
    source = found.told["source"]
    stem = Path(source).stem if "/" in source else source
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:70] or "data"
    return plain + ("-lt" if "imbalance" in found.told else "")


def _line(text: str, why: str) -> str:
    """A field with its reason behind it, or above it where there is no room."""
    line = f"{text:<{COLUMN - 2}}  # {why}"
    indent = " " * (len(text) - len(text.lstrip()))
    return line if len(line) <= WIDTH else f"{indent}# {why}\n{text}"


def _wrapped(text: str) -> list[str]:
    """A comment, cut between words into lines that are not too long."""
    lines, line = [], "#"
    for word in text.split():
        if len(line) + len(word) + 1 > WIDTH:
            lines, line = [*lines, line], "#  "
        line += f" {word}"
    return [*lines, line]
