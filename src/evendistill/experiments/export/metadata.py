"""The front matter of a model card, as the Hugging Face hub reads it."""

from typing import Any

import yaml

from evendistill.experiments.export.finished import Finished
from evendistill.experiments.export.origin import is_on_hub
from evendistill.experiments.results import judged, robust_metric

TASKS = {True: "image-classification", False: "tabular-classification"}


def front_matter(run: Finished, *, is_image: bool, license_name: str) -> str:
    """YAML between two lines of dashes: licence, library, tags, data, and the numbers on test as they are."""
    source, name = run.spec.data.source, run.spec.data.words
    can_be_had = is_on_hub(source)
    told: dict[str, Any] = {
        "license": license_name,
        "library_name": "evendistill",
        "pipeline_tag": TASKS[is_image],
        "tags": ["onnx", "knowledge-distillation", "worst-class-accuracy", TASKS[is_image]],
        "datasets": [source] if can_be_had else [],
        "metrics": ["accuracy"],
        "model-index": [
            {
                "name": run.spec.folder_name,
                "results": [
                    {
                        "task": {"type": TASKS[is_image]},
                        "dataset": {"name": name, "type": source if can_be_had else name, "split": "test"},
                        "metrics": _metrics(run.test),
                    }
                ],
            }
        ],
    }
    plain = {key: value for key, value in told.items() if value != []}
    return f"---\n{yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)}---\n"


def _metrics(found: dict[str, Any]) -> list[dict[str, Any]]:
    names = ("accuracy", "average_accuracy", "worst_class_accuracy")
    values = {name: found[name] for name in names if name in found}
    if judged(found) is not found:
        values["worst_group_accuracy"] = robust_metric(found, 1)
    return [{"type": name, "name": name.replace("_", " "), "value": value} for name, value in values.items()]
