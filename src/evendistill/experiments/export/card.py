"""The model card: what an exported network is worth, what taught it, and how to use it."""

import json
from collections.abc import Sequence
from typing import Any

from evendistill.data.wording import one_line, shown
from evendistill.experiments.export.agreement import Agreement
from evendistill.experiments.export.finished import Finished
from evendistill.experiments.export.metadata import front_matter
from evendistill.experiments.export.numbers import average, fewest, recall, worst
from evendistill.experiments.export.onnxfile import INPUTS, SCORES
from evendistill.experiments.export.origin import public, without_paths
from evendistill.experiments.export.structure import OTHERS
from evendistill.experiments.export.taught import kind_words, taught_lines, used_validation
from evendistill.experiments.report.lines import as_code, as_words, markdown_table
from evendistill.experiments.spec import OwnSpec

INTERVALS = (
    "Of one run; intervals are over the examples. That of the average follows from the Wilson intervals of the "
    "recalls; that of the worst is a bootstrap interval. It may lie below its accuracy, since among redrawn examples "
    "some other class is worse still, and has no width where none was right: the table below says more then."
)
LICENCE_UNKNOWN = "## License\n\nNot said yet: whoever publishes these weights says under which terms.\n"
ON_ONNX = """import json

import numpy as np
import onnxruntime

with open("config.json", encoding="utf-8") as file:
    class_names = json.load(file)["class_names"]
inputs = np.zeros({shape}, dtype=np.{dtype})  # put yours here
session = onnxruntime.InferenceSession("model.onnx")
(scores,) = session.run(["{scores}"], {{"{inputs}": inputs}})
print([class_names[label] for label in scores.argmax(axis=1)])
"""
ON_TORCH = """import torch

from evendistill.experiments.export.load import load_exported

{note}network = load_exported("."{more})
with torch.no_grad():
    print(network(torch.zeros({shape}, dtype=torch.{dtype})).argmax(dim=1))
"""
OF_THE_SAME_KIND = {
    "note": "# network_of_the_same_kind is yours to make, as before training: Net(...); the weights go into a copy\n",
    "more": ", network=network_of_the_same_kind",
}


def card(run: Finished, config: dict[str, Any], agreement: Agreement, *, license_name: str) -> str:
    """The card in Markdown, front matter first; names from the data are shown, and never obeyed.

    Args:
        run: what was exported.
        config: what the folder says of itself.
        agreement: of the ONNX file with the run.
        license_name: as the Hugging Face hub calls it.
    """
    spec, is_image = run.spec, len(config["inputs"]["shape"]) == 3
    parts = [
        front_matter(run, is_image=is_image, license_name=license_name),
        f"# {_words(f'{spec.data.words}: {kind_words(spec)}')}\n",
        f"A classifier of {len(run.seen.class_names)} classes, written by evendistill {config['evendistill']} from the "
        f"run {as_code(spec.folder_name)}. What counts is the class that it recognises least.\n",
        f"## Accuracy\n\n{_summary(run)}",
        f"## Recall of each class\n\n{_classes(run)}",
        *_groups(run),
        f"## What taught it\n\n{markdown_table(['what', 'told'], [[a, _words(b)] for a, b in taught_lines(spec)])}",
        f"## Data\n\n{_data(run)}",
        f"## Intended use\n\n{_intended(run)}",
        f"## Limits\n\n{_limits(run)}",
        f"## How to use it\n\n{_use(config, agreement)}",
        f"## How it was made\n\n{_made(run)}",
    ]
    if license_name == "other":
        parts.append(LICENCE_UNKNOWN)
    return "\n".join(parts)


def _words(text: object) -> str:
    return as_words(shown(one_line(text)))


def _summary(run: Finished) -> str:
    head = ["%, with 95 % intervals", "validation", "test"]
    body = [
        ["average of the recalls", average(run.validation), average(run.test)],
        ["worst class", _worst(run.validation, run.seen.class_names), _worst(run.test, run.seen.class_names)],
    ]
    if "groups" in run.test:
        names = run.test["groups"]["names"]
        body.append(["worst group", *(_worst(found["groups"], names) for found in (run.validation, run.test))])
    return f"{markdown_table(head, body)}\n{INTERVALS}\n"


def _worst(found: dict[str, Any], names: Sequence[str]) -> str:
    return f"{worst(found)}" + (f": {_words(names[found['worst_class']])}" if "worst_class" in found else "")


def _classes(run: Finished) -> str:
    head = ["class", "training examples", "validation %", "test %"]
    body = [
        [_words(name), str(run.training_examples[label]), recall(run.validation, label), recall(run.test, label)]
        for label, name in enumerate(run.seen.class_names)
    ]
    return f"{markdown_table(head, body)}\nIn brackets how many of how many, and the 95 % Wilson interval.\n"


def _groups(run: Finished) -> list[str]:
    if "groups" not in run.test:
        return []
    judging, asking = run.validation["groups"], run.test["groups"]
    names = enumerate(asking["names"])
    body = [[_words(name), recall(judging, label), recall(asking, label)] for label, name in names]
    return [f"## Accuracy on each group\n\n{markdown_table(['group', 'validation %', 'test %'], body)}"]


def _data(run: Finished) -> str:
    told, counts = run.spec.data, (len(run.stored.train), len(run.stored.validation), len(run.stored.test))
    thinned = "" if told.imbalance is None else f", thinned to a largest class {told.imbalance:g} times the smallest"
    return (
        f"{as_code(public(told.source))}{thinned}: {counts[0]} examples for training, {counts[1]} for validation, "
        f"{counts[2]} for test. Fingerprint (SHA-256) of all three as the network sees them: "
        f"{as_code(run.seen.fingerprint)}.\n"
    )


def _intended(run: Finished) -> str:
    return (
        f"To tell these {len(run.seen.class_names)} classes apart on inputs like those it was trained on, where the "
        "class that is recognised least matters as much as the average. It says nothing useful of inputs of any other "
        "kind, or of other classes, and its scores were not tested as probabilities. Before it decides on anything "
        "that matters to people, measure it on your own examples of each class.\n"
    )


def _limits(run: Finished) -> str:
    lines = [
        "One run on one split of one data set: another seed or another split gives other numbers.",
        "The least of several recalls is lower on few examples than on many, and which class it is may be chance.",
        "Runs are chosen among by their numbers on validation, so there those of a chosen run are optimistic; test "
        "numbers are for reading once, and none was used to choose.",
        used_validation(run.spec),
    ]
    if (few := fewest(run.test)) is not None:
        lines.append(
            f"The smallest class of the test set has {few} examples: each moves its recall by {100 / few:.1f} points."
        )
    return "".join(f"- {line}\n" for line in lines if line)


def _use(config: dict[str, Any], agreement: Agreement) -> str:
    told = config["inputs"]
    shape = (1, *told["shape"])
    values = {"shape": shape, "dtype": told["dtype"], "inputs": INPUTS, "scores": SCORES}
    kind = "inputs" if told["range"] is None else "images with pixels in [0, 1], channels first"
    view = "" if config["view"] is None else " Window, normalisation and size that the network wants are in the graph."
    own = _innermost(config["network"])["kind"] in OTHERS
    torch_code = ON_TORCH.format(**values, **(OF_THE_SAME_KIND if own else {"note": "", "more": ""}))
    size, classes = ", ".join(map(str, told["shape"])), len(config["class_names"])
    return (
        f"It takes {kind}, `(B, {size})` {told['dtype']}, as `evendistill.load_data` gives them, and gives scores "
        f"`(B, {classes})`; the largest names the class.{view} Whatever was put on the scores after training is in "
        f"these files.\n\nWith onnxruntime alone:\n\n```python\n{ON_ONNX.format(**values)}```\n\nWith torch and "
        f"evendistill, from `model.safetensors`; no pickle is read:\n\n```python\n{torch_code}```\n\n"
        f"On {agreement.examples} examples of validation, in batches of 1, 7 and up to 64, the ONNX file gave the "
        f"scores of the run to within {agreement.relative:.1e} of their scale.\n"
    )


def _innermost(told: Any) -> dict[str, Any]:  # noqa: ANN401
    while "of" in told:
        told = told["of"][0] if isinstance(told["of"], list) else told["of"]
    return told


def _made(run: Finished) -> str:
    told = json.dumps(without_paths(run.spec.canonical()), indent=2, sort_keys=True)
    data = "" if public(run.spec.data.source) == run.spec.data.source else " --data PATH"
    lines = [
        f"evendistill run recipe.yaml{data} --out runs",
        f"evendistill export runs/{run.spec.folder_name} --to exported",
    ]
    if run.recipe is None:
        lines[0] = f"evendistill run RECIPE{data} --out runs  # the recipe that asks for the run below"
    if isinstance(run.spec.network, OwnSpec):
        lines.insert(0, f"export PYTHONPATH=FOLDER  # that holds the module of {run.spec.network.path}")
    return f"```sh\n{chr(10).join(lines)}\n```\n\nThe run was told:\n\n```json\n{told}\n```\n"
