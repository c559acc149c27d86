"""Table 2: baselines beside the student that validation chose, and what was printed for the same networks."""

import pytest

from evendistill.experiments.report.methods import (
    choice,
    methods,
    methods_markdown,
    printed,
    printed_markdown,
    printed_words,
)
from evendistill.experiments.report.table import as_json, make_table

RESNET = {"kind": "resnet", "depth": 56}
FIXED, MATCHED = {"fixed": 0}, "matched"


@pytest.fixture
def paper(plain):
    """The paper's networks and combinations; nothing of it is trained."""
    plain["teachers"] = {"network": RESNET, "objectives": ["standard", "balanced", "robust"]}
    plain["students"] |= {"network": RESNET, "validation_labels": ["teacher", "true"]}
    return plain | {"published": "cifar10-lt", "baselines": "all", "teacher_seed": FIXED}


@pytest.fixture
def table(finished_sweep, paper):
    return lambda **changes: make_table(finished_sweep(paper | changes, lambda spec: [0.9, 0.5]))


def numbers(row, table):
    return {(each.source, round(each.worst or 0, 4), round(each.average or 0, 4)) for each in printed(row, table)}


def lines(text):
    """Cells of a Markdown table by the first of each line; two label modes of a method differ in their titles."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()]
    found = {row[0]: row[1:] for row in rows if set(row[0]) != {"-"}}
    assert len(found) == len(rows) - 1
    return found


def test_the_printed_numbers_are_those_of_the_same_teacher_seeds(table):
    fixed = table()
    row = fixed.find("standard", "standard")
    assert ("supplement table 1", 0.3667, 0.6950) in numbers(row, fixed)
    assert ("main table 1", 0.3667, 0.6950) in numbers(row, fixed)
    assert "36.67 ± 0.28 (69.50 ± 0.13), supplement table 1" in printed_words(row, fixed)
    matched = table(teacher_seed=MATCHED)
    row = matched.find("standard", "standard")
    assert ("supplement table 3", 0.6012, 0.7739) in numbers(row, matched)
    assert "60.12 ± 0.56 (77.39 ± 0.10), supplement table 3" in printed_words(row, matched)


@pytest.mark.parametrize(("told", "source"), [(FIXED, "supplement table 3"), (MATCHED, "table 1")])
def test_numbers_of_the_other_teacher_seeds_are_never_shown(table, told, source):
    made = table(teacher_seed=told)
    for row in (*made.rows, *made.baselines):
        if row.student != "none":  # a teacher alone has the same seeds either way
            assert not [each for each in printed(row, made) if each.source.endswith(source)]


def test_each_combination_of_the_grid_has_its_own_printed_number(table):
    made, worst = table(), {}
    for row in made.rows:
        (cell,) = (each for each in printed(row, made) if each.source == "supplement table 1")
        worst[row.teacher, row.student_title] = cell.worst
    assert len(set(worst.values())) == len(worst) == 3 + 3 * 4
    assert worst["standard", "none"] == 0.5726
    assert worst["robust", "none"] == 0.7480
    assert worst["balanced", "robust, teacher-labelled"] == 0.7556
    assert worst["robust", "robust, true-labelled"] == 0.7470


def test_baselines_have_the_numbers_of_table_2(table):
    made = table()
    found = {row.title: {worst for _, worst, _ in numbers(row, made)} for row in made.baselines}
    assert found["post-shift of the standard teacher (our search)"] == {0.7433}
    assert 0.4752 in found["AdaMargin (our reconstruction)"]
    assert {0.4190, 0.4364} <= found["AdaAlpha (our reconstruction)"]
    assert 0.3667 in found["standard distillation"]
    assert 0.7123 in found["balanced student of a standard teacher (Menon et al. 2021)"]
    assert found["group DRO, multipliers from train (Sagawa et al. 2020)"] == {0.5159}
    assert found["group DRO, multipliers from validation"] == {0.5993}
    for title in (
        "reweighted loss, no teacher",
        "distilled group DRO, multipliers from validation (ours), true-labelled",
    ):
        assert found[title] == set()


def test_a_smaller_student_has_the_numbers_of_the_smaller_student(table, paper):
    paper["students"] |= {"network": {"kind": "resnet", "depth": 32}}
    made = table()
    row = made.find("standard", "standard")
    assert numbers(row, made) == {("supplement table 2", 0.5723, 0.7576)}
    # group DRO was printed for the larger network alone
    assert numbers(made.find_baseline("group-dro-train"), made) == set()


@pytest.mark.parametrize(
    ("teacher", "student"),
    [
        ({"kind": "mlp"}, {"kind": "mlp"}),
        ({"kind": "resnet", "depth": 20}, {"kind": "resnet", "depth": 20}),
        (RESNET, {"kind": "convnet"}),
        ({"kind": "convnet"}, RESNET),
        ({"kind": "resnet", "depth": 32}, RESNET),
    ],
    ids=lambda network: f"{network['kind']}-{network.get('depth', 0)}",
)
def test_other_networks_show_a_dash(table, paper, teacher, student):
    paper["teachers"]["network"], paper["students"]["network"] = teacher, student
    made = table()
    for row in (*made.rows, *made.baselines):
        run = row.cell.runs[0]
        if run.network.model_dump().get("depth") == 56 and row.cell.listening is None:
            continue  # a teacher alone, its shifts, and methods without a teacher are as printed
        assert printed(row, made) == [], row.title
        assert printed_words(row, made) == "-"


def test_nothing_is_printed_beside_a_table_that_names_no_paper(table):
    made = table(published=None)
    assert printed(made.find("standard", "standard"), made) == []
    assert "printed" not in methods_markdown(made).splitlines()[0]


def test_worst_k_numbers_are_beside_worst_k_alone(table):
    made = table(robust_k=2)
    assert {tuple(printed(row, made)) for row in made.rows} == {()}


def test_an_unknown_paper_is_refused_by_the_recipe(read_plain, plain):
    with pytest.raises(ValueError, match=r"recipe\.yaml: published: no published numbers for 'cifar-10-lt'; there are"):
        read_plain(plain | {"published": "cifar-10-lt"})


def test_the_table_has_every_method_and_last_the_selected_student(finished_sweep, paper):
    worst = {"balanced": 0.6, "reweighted": 0.8}
    made = make_table(finished_sweep(paper, lambda spec: [1.0, worst.get(spec.objective.name, 0.5)]))
    rows = methods(made)
    assert rows[:-1] == list(made.baselines)
    assert rows[-1] is made.selected
    shown = lines(methods_markdown(made))
    assert len(shown) == 1 + 13 + 1
    assert next(iter(shown)) == "method"
    assert made.selected is not None
    assert list(shown)[-1] == f"**{made.selected.title}** ★"
    assert shown["method"][0] == "worst-class accuracy"
    assert shown["reweighted loss, no teacher"] == ["80.0 ± 0.0", "90.0 ± 0.0", "80.0 ± 0.0", "-", "-"]
    name = "robust student of a standard teacher (Narasimhan & Menon 2021)"
    assert {title for title in shown if title.startswith(name)} == {
        f"{name}, teacher-labelled",
        f"{name}, true-labelled",
    }
    assert "63.85" in shown[f"{name}, teacher-labelled"][-1]
    assert "73.59" in shown[f"{name}, true-labelled"][-1]
    told = {entry["student"]: entry for entry in as_json(made)}
    assert told["reweighted"]["worst_class_accuracy"]["mean"] == pytest.approx(0.8)
    assert (told["reweighted"]["teacher"], told["post-shift"]["teacher"]) == ("none", "standard")


def test_without_baselines_there_is_no_table_2(table):
    assert methods_markdown(table(baselines=[])) == ""


def test_hyper_parameters_are_said_as_validation_chose_them(finished_sweep, paper):
    paper["students"] |= {"temperatures": [1, 3], "validation_temperatures": [0.5, 3]}
    told = [
        *("standard-distillation", "robust-student", "post-shift", "logit-adjustment", "ada-margin", "ada-alpha"),
        *("distilled-group-dro", "reweighted"),
        {"kind": "group-dro-train", "adjustments": [0, 2]},
    ]

    def validation(spec):
        likes = 0.5
        likes += 0.1 * (spec.listening is not None and spec.listening.temperature == 3)
        likes += 0.1 * (spec.listening is not None and spec.listening.validation_temperature == 0.5)
        likes += 0.1 * (getattr(spec.objective, "per", "") == "class")
        likes += 0.1 * (getattr(spec.objective, "adjustment", 0) == 2)
        likes += 0.1 * (getattr(spec.mend, "tau", 0) == 1.5)
        return [0.9, likes]

    made = make_table(finished_sweep(paper | {"baselines": told}, validation))
    said = [(row.student, row.cell.validation_labels, choice(row.cell)) for row in made.baselines]
    assert said == [
        ("standard-distillation", None, "T 3"),
        ("robust-student", "teacher", "T 3, validation T 0.5"),
        ("robust-student", "true", "T 3"),
        ("post-shift", None, ""),
        ("logit-adjustment", None, "tau 1.5"),
        ("ada-margin", None, "T 3, per class"),
        ("ada-alpha", None, "T 3, per class"),
        ("distilled-group-dro", "true", "T 3"),
        ("reweighted", None, ""),
        ("group-dro-train", None, "C 2"),
    ]


def test_every_combination_of_the_grid_is_beside_what_was_printed_for_it(table):
    made = table()
    shown = lines(printed_markdown(made))
    assert list(shown) == ["combination", *(row.title for row in made.rows)]
    name = "robust, teacher-labelled student of a balanced teacher"
    measured, beside = shown[name]
    assert measured.startswith("50.0 ± 0.0 (70.0 ± 0.0)")
    assert "75.56 ± 0.19 (80.81 ± 0.08), supplement table 1" in beside
    assert printed_markdown(table(published=None)) == ""
    assert printed_markdown(table(robust_k=2)) == ""
