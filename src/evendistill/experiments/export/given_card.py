"""The short model card of a network that no recipe made: what it is fed with, and its recall of each class."""

from typing import Any

import yaml

from evendistill.data.wording import one_line, shown
from evendistill.experiments.export.agreement import Agreement
from evendistill.experiments.export.card import LICENCE_UNKNOWN, OF_THE_SAME_KIND, ON_ONNX, ON_TORCH
from evendistill.experiments.export.feeding import fed_with
from evendistill.experiments.export.metadata import TASKS
from evendistill.experiments.export.numbers import average, recall, worst
from evendistill.experiments.report.lines import as_words, markdown_table


def given_card(found: dict[str, Any], config: dict[str, Any], agreement: Agreement, *, license_name: str) -> str:
    """The card in Markdown, front matter first.

    Args:
        found: what :func:`evendistill.training.evidence.evidence` says of the examples it was exported with.
        config: what the folder says of itself.
        agreement: of the ONNX file with the network.
        license_name: as the Hugging Face hub calls it.
    """
    names, told = config["class_names"], config["inputs"]
    task = TASKS[len(told["shape"]) == 3]
    front = {"license": license_name, "library_name": "evendistill", "pipeline_tag": task, "tags": ["onnx", task]}
    body = [[as_words(shown(one_line(name))), recall(found, label)] for label, name in enumerate(names)]
    values = {"shape": (1, *told["shape"]), "dtype": told["dtype"], "inputs": told["name"]}
    values |= {"scores": config["outputs"]["name"]}
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n",
        f"# A classifier of {len(names)} classes\n",
        f"Written by evendistill {config['evendistill']} from a network in Python.\n",
        "## Accuracy\n",
        f"On {sum(found['total'])} examples that were given with it; whether they were held out, and which data they "
        "are, is for who exported it to say.\n",
        f"Average of the recalls {average(found)} %, worst class {worst(found)} %; in brackets 95 % intervals.\n",
        markdown_table(["class", "recall %"], body),
        "## How to use it\n",
        f"It takes {fed_with(config)}. The largest score names the class, in the order of the table.\n",
        f"```python\n{ON_ONNX.format(**values)}```\n",
        f"```python\n{ON_TORCH.format(**values, **OF_THE_SAME_KIND)}```\n",
        f"On {agreement.examples} of the examples the ONNX file gave the scores of the network to within "
        f"{agreement.relative:.1e} of their scale.\n",
    ]
    return "\n".join([*parts, *([LICENCE_UNKNOWN] if license_name == "other" else [])])
