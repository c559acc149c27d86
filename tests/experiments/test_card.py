"""The model card: its numbers are those of the run, and names from the data are shown and never obeyed."""

import json
import math
import re
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from scipy.stats import binomtest

from evendistill.experiments.export.numbers import average, recall, worst
from evendistill.experiments.export.taught import kind_words, taught_lines, used_validation
from evendistill.experiments.run import train_run
from evendistill.experiments.spec import RunSpec
from evendistill.training.turns import drained

for package in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(package, reason="the extra onnx is not installed")

from evendistill.experiments.export import card as writing  # noqa: E402
from evendistill.experiments.export.export import export_run  # noqa: E402
from evendistill.experiments.export.finished import Finished  # noqa: E402
from evendistill.experiments.export.metadata import front_matter as front_matter_of  # noqa: E402

NOTHING: Any = None

TEACHER = {
    "data": {"source": "digits", "imbalance": 20},
    "network": {"kind": "mlp", "hidden": [16]},
    "objective": "standard",
    "training": {"epochs": 4, "batch_size": 32},
}
LISTENING = {"temperature": 2.5, "validation_labels": "true", "onehot_weight": 0.25}
STUDENT = TEACHER | {"objective": "robust", "teacher": TEACHER, "listening": LISTENING, "initialisation_seed": 7}
HOSTILE = ("<script>alert(1)", "a|b `x` [y](z)", "\x1b[2J\u202egone", "*star* $e$ & co")
SPLITS = ("validation", "test", "data")


def exported(plain, place, **more):
    spec = RunSpec.model_validate(plain)
    for each in (*spec.inputs, spec):
        drained(train_run(each, place / "runs"))
    done = export_run(place / "runs" / spec.folder_name, place / "shipped", **more)
    found = {split: json.loads((place / "runs" / spec.folder_name / f"{split}.json").read_text()) for split in SPLITS}
    return (done.folder / "README.md").read_text(encoding="utf-8"), found, spec


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    return exported(STUDENT, tmp_path_factory.mktemp("card"), license_name="apache-2.0")


def front_matter(card):
    return yaml.safe_load(card.split("---\n")[1])


def table(card, section):
    """The lines of the table under a heading, cells apart; an escaped bar is within a cell."""
    part = card.split(f"## {section}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_the_front_matter_has_the_very_numbers_of_the_run(student):
    card, found, spec = student
    told = front_matter(card)
    (entry,) = told["model-index"]
    values = {metric["type"]: metric["value"] for metric in entry["results"][0]["metrics"]}
    names = ("accuracy", "average_accuracy", "worst_class_accuracy")
    assert values == {name: found["test"][name] for name in names}
    assert (told["license"], told["library_name"], told["pipeline_tag"]) == (
        "apache-2.0",
        "evendistill",
        "image-classification",
    )
    assert entry["name"] == spec.folder_name
    assert "datasets" not in told
    assert "## License" not in card


def test_the_hub_s_own_library_reads_it(student):
    hub = pytest.importorskip("huggingface_hub", reason="the extra hub is not installed")
    results = hub.ModelCard(student[0]).data.eval_results
    assert [result.metric_type for result in results] == ["accuracy", "average_accuracy", "worst_class_accuracy"]
    assert results[2].metric_value == student[1]["test"]["worst_class_accuracy"]
    assert results[0].dataset_split == "test"


def test_each_class_has_its_counts_and_interval(student):
    card, found, _ = student
    lines = table(card, "Recall of each class")
    assert [line[0] for line in lines] == [str(digit) for digit in range(10)]
    assert [int(line[1]) for line in lines] == found["data"]["training_examples"]
    for column, split in ((2, "validation"), (3, "test")):
        for label, line in enumerate(lines):
            correct, total = found[split]["correct"][label], found[split]["total"][label]
            within = binomtest(correct, total).proportion_ci(method="wilson")
            told = (
                f"{100 * correct / total:.1f} ({correct} of {total}; {100 * within.low:.1f} to {100 * within.high:.1f})"
            )
            assert line[column] == told


def test_average_and_worst_class_are_those_of_the_run_with_intervals(student):
    card, found, _ = student
    average_line, worst_line = table(card, "Accuracy")
    for column, split in ((1, "validation"), (2, "test")):
        told = found[split]
        assert average_line[column] == average(told)
        assert average_line[column].startswith(f"{100 * told['average_accuracy']:.1f} (")
        assert worst_line[column].startswith(f"{100 * told['worst_class_accuracy']:.1f} (")
        assert worst_line[column].endswith(f": {told['worst_class']}")


def test_it_says_what_taught_it_what_it_is_not_for_and_how_to_make_it_again(student):
    card, found, spec = student
    told = dict(table(card, "What taught it"))
    assert told["objective"] == "robust"
    assert told["teacher"] == "standard, multilayer perceptron, hidden 16"
    assert told["temperature"].startswith("2.5, ")
    assert (told["validation labels"], told["weight of the true label"]) == ("true", "0.25")
    assert found["data"]["fingerprint"] in card
    assert "also moved the multipliers of this run" in card
    least = min(found["test"]["total"])
    assert (
        f"The smallest class of the test set has {least} examples: each moves its recall by {100 / least:.1f}" in card
    )
    assert f"evendistill export runs/{spec.folder_name} --to" in card
    assert json.loads(re.findall(r"```json\n(.*?)```", card, flags=re.DOTALL)[0]) == spec.canonical()
    for word in ("## Intended use", "## Limits", "One run on one split"):
        assert word in card


def test_names_from_the_data_cannot_steer_the_card(tmp_path):
    generator = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in HOSTILE:
            (tmp_path / "data" / split / name).mkdir(parents=True)
            for number in range(8):
                pixels = generator.integers(0, 256, (4, 4, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "data" / split / name / f"{number}.png")
    data = {"source": str(tmp_path / "data")}
    told = TEACHER | {"data": data, "training": {"epochs": 1, "batch_size": 8}}
    card, _, _ = exported(told, tmp_path)
    shown = [line[0] for line in table(card, "Recall of each class")]
    assert set(shown) == {
        r"\<script\>alert(1)",
        r"a\|b \`x\` \[y\](z)",
        "\\\\x1b\\[2J\\\\u202egone",
        r"\*star\* \$e\$ &amp; co",
    }
    assert all(len(line) == 4 for line in table(card, "Recall of each class"))
    assert "<script>" not in card
    assert not re.search("[\x1b\u202e]", card)
    assert "## License" in card


def test_a_name_of_several_lines_is_one():
    assert writing._words("two\nlines\r## three") == "two lines ## three"


def test_data_of_the_hub_are_named_and_a_path_is_not():
    def told(source):
        spec = RunSpec.model_validate(TEACHER | {"data": {"source": source}})
        run = Finished(spec, NOTHING, NOTHING, NOTHING, {}, {"average_accuracy": 0.5}, (), None)
        return yaml.safe_load(front_matter_of(run, is_image=True, license_name="mit").split("---\n")[1])

    assert told("owner/name")["datasets"] == ["owner/name"]
    assert "datasets" not in told("tests/experiments")
    (result,) = told("/home/someone/pictures.npz")["model-index"][0]["results"]
    assert result["dataset"] == {"name": "pictures", "type": "pictures", "split": "test"}
    assert result["metrics"] == [{"type": "average_accuracy", "name": "average accuracy", "value": 0.5}]


def test_groups_have_a_table_of_their_own(tmp_path):
    generator = np.random.default_rng(0)
    told = {}
    for split in ("train", "test"):
        labels, sex = np.tile([0, 1], 40), np.repeat([0, 1], 40)
        told |= {
            f"x_{split}": generator.normal(size=(80, 5)) + labels[:, None],
            f"y_{split}": labels,
            f"sex_{split}": sex,
        }
    np.savez(tmp_path / "people.npz", **told)
    data = {"source": str(tmp_path / "people.npz"), "group_column": "sex"}
    card, found, _ = exported(TEACHER | {"data": data, "grouping": "attribute"}, tmp_path)
    lines, groups = table(card, "Accuracy on each group"), found["test"]["groups"]
    assert [line[0] for line in lines] == groups["names"]
    assert [line[2] for line in lines] == [recall(groups, 0), recall(groups, 1)]
    assert table(card, "Accuracy")[2][2].startswith(worst(groups))
    values = {each["type"]: each["value"] for each in front_matter(card)["model-index"][0]["results"][0]["metrics"]}
    assert values["worst_group_accuracy"] == min(groups["recalls"])
    assert front_matter(card)["pipeline_tag"] == "tabular-classification"


def test_numbers_without_counts_and_of_absent_classes():
    bare = {"recalls": [0.5, None], "average_accuracy": 0.5}
    assert [recall(bare, 0), recall(bare, 1), average(bare), worst(bare)] == ["50.0", "-", "50.0", "50.0"]


def test_the_interval_of_the_average_is_that_of_one_class_where_there_is_one():
    within = binomtest(30, 40).proportion_ci(method="wilson")
    one = {"recalls": [0.75], "average_accuracy": 0.75, "recall_lower": [within.low], "recall_upper": [within.high]}
    assert average(one) == f"75.0 ({100 * within.low:.1f} to {100 * within.high:.1f})"
    four = {name: value * 4 if isinstance(value, list) else value for name, value in one.items()}
    low, high = (0.75 + (end - 0.75) / math.sqrt(4) for end in (within.low, within.high))
    assert average(four) == f"75.0 ({100 * low:.1f} to {100 * high:.1f})"


def test_every_kind_of_run_says_what_it_is():
    mean = TEACHER | {"teacher": TEACHER, "mend": {"kind": "mean", "others": ["robust"]}}
    mean["others"] = [TEACHER | {"objective": "robust"}]
    shifted = TEACHER | {"teacher": TEACHER, "mend": {"kind": "post-shift"}}
    specs = [RunSpec.model_validate(each) for each in (TEACHER, shifted, mean)]
    assert [kind_words(spec) for spec in specs] == [
        "standard network, trained on labels",
        "post-shift-of-standard teacher",
        "mean-of-standard-and-robust teacher",
    ]
    assert dict(taught_lines(specs[2]))["made of"] == "finished teachers: standard and robust"
    assert [bool(used_validation(spec)) for spec in specs] == [False, True, False]


def test_a_path_of_this_machine_is_nowhere_in_what_is_exported(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    place = tmp_path / "ann's secrets"
    place.mkdir()
    np.savez(place / "arrays.npz", x=rng.normal(size=(120, 5)).astype("float32") + labels[:, None], y=labels)
    source = str(place / "arrays.npz")
    recipe = {"name": "a", "data": {"source": source}, "training": {"epochs": 1}, "seeds": [0]}
    recipe["teachers"] = {"network": {"kind": "mlp", "hidden": [4]}, "objectives": ["standard"]}
    (tmp_path / "runs" / "recipes").mkdir(parents=True)
    (tmp_path / "runs" / "recipes" / "a.yaml").write_text(yaml.safe_dump(recipe))
    spec = {"data": {"source": source}, "network": {"kind": "mlp", "hidden": [4]}, "objective": "standard"}
    card, _, _ = exported(spec | {"training": {"epochs": 1}}, tmp_path)
    for path in (tmp_path / "shipped").iterdir():
        assert b"secrets" not in path.read_bytes(), path
    assert "`arrays.npz`: " in card
    assert "evendistill run recipe.yaml --data PATH --out runs" in card
    assert json.loads((tmp_path / "shipped" / "config.json").read_text())["spec"]["data"]["source"] == "arrays.npz"
