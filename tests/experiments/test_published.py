"""Published numbers: spot checks by a second reading of the paper, and the form of every row."""

import re
from itertools import pairwise

import pytest

from evendistill.experiments.published_numbers import read_published

NAMES = ("cifar10", "cifar100", "tiny-imagenet", "cifar10-lt", "cifar100-lt", "tiny-imagenet-lt", "imagenet")
SIZES = dict(zip(NAMES, (55, 52, 33, 73, 73, 48, 40), strict=True))
TABLE_1, TABLE_2, TABLE_3, TABLE_4, TABLE_5, TABLE_6 = (f"supplement table {number}" for number in range(1, 7))
FIGURE_2, FIGURE_3, FIGURE_4 = (f"supplement figure {number}" for number in range(2, 5))
MAIN_1, MAIN_2 = "main table 1", "main table 2"
OBJECTIVES = {"standard", "balanced", "robust", "tradeoff-0.25", "tradeoff-0.5", "tradeoff-0.75"}
METHODS = {"none", "post-shift", "ada-alpha", "ada-margin", "group-dro-train", "group-dro-validation"}
ALONE = {"none", "post-shift"}  # the teacher's network is the model


def percent(fraction):
    return None if fraction is None else round(100 * fraction, 2)


def numbers(row):
    return tuple(map(percent, (row.worst, row.worst_se, row.average, row.average_se)))


CHECKS = [
    ("cifar10", TABLE_1, "standard", "none", "", (86.48, 0.32, 93.74, 0.05)),
    ("cifar10", TABLE_1, "standard", "robust", "teacher", (90.94, 0.16, 92.54, 0.05)),
    ("cifar10", TABLE_1, "robust", "robust", "true", (87.32, 0.21, 91.16, 0.10)),
    ("cifar10", TABLE_2, "robust", "robust", "teacher", (83.80, 0.95, 88.71, 0.24)),
    ("cifar10", TABLE_3, "standard", "robust", "true", (88.15, 0.66, 91.03, 0.47)),
    ("cifar10", TABLE_4, "robust", "ada-margin", "", (90.37, 0.26, 94.02, 0.12)),
    ("cifar10", TABLE_5, "", "group-dro-train", "", (86.65, 0.49, 93.61, 0.09)),
    ("cifar10", FIGURE_2, "tradeoff-0.5", "tradeoff-0.25", "unstated", (90.54, 0.22, 93.82, 0.09)),
    ("cifar10", FIGURE_4, "standard", "tradeoff-0.25", "unstated", (89.85, 0.22, 93.08, 0.07)),
    ("cifar10", FIGURE_4, "standard", "ada-margin", "", (83.57, 0.64, 92.09, None)),
    ("cifar10", MAIN_1, "robust", "standard", "", (90.12, None, 94.07, None)),
    ("cifar10", MAIN_2, "tradeoff-0.25", "standard", "", (90.11, 0.23, 94.28, 0.06)),
    ("cifar10", MAIN_2, "standard", "post-shift", "unstated", (88.60, 0.35, 92.16, 0.18)),
    ("cifar100", TABLE_1, "robust", "standard", "", (48.20, 1.15, 73.23, 0.07)),
    ("cifar100", TABLE_1, "standard", "robust", "true", (44.61, 1.55, 69.02, 0.30)),
    ("cifar100", TABLE_2, "robust", "robust", "teacher", (19.15, 0.00, 52.90, 0.00)),
    ("cifar100", TABLE_3, "robust", "standard", "", (47.79, 0.82, 73.48, 0.11)),
    ("cifar100", TABLE_4, "standard", "ada-alpha", "", (43.50, 0.62, 73.96, 0.09)),
    ("cifar100", FIGURE_2, "robust", "tradeoff-0.25", "unstated", (48.99, 0.72, 70.45, 0.16)),
    ("cifar100", FIGURE_4, "tradeoff-0.75", "tradeoff-0.25", "unstated", (48.57, 0.55, 70.42, 0.14)),
    ("cifar100", MAIN_1, "robust", "robust", "teacher", (27.59, None, 54.79, None)),
    ("cifar100", MAIN_2, "robust", "standard", "", (48.40, 1.47, 73.22, 0.26)),
    ("tiny-imagenet", TABLE_1, "robust", "robust", "true", (17.36, 1.32, 43.92, 0.30)),
    ("tiny-imagenet", TABLE_4, "standard", "ada-margin", "", (18.17, 3.89, 61.30, 0.28)),
    ("tiny-imagenet", TABLE_5, "", "group-dro-train", "", (0.00, None, 6.55, 0.41)),
    ("tiny-imagenet", FIGURE_2, "tradeoff-0.5", "tradeoff-0.75", "unstated", (19.29, 1.27, 51.88, 0.18)),
    ("tiny-imagenet", MAIN_2, "", "group-dro-validation", "true", (11.38, 1.79, 48.78, 0.21)),
    ("cifar10-lt", TABLE_1, "standard", "standard", "", (36.67, 0.28, 69.50, 0.13)),
    ("cifar10-lt", TABLE_1, "balanced", "robust", "teacher", (75.56, 0.19, 80.81, 0.08)),
    ("cifar10-lt", TABLE_2, "balanced", "robust", "true", (74.39, 0.34, 78.68, 0.16)),
    ("cifar10-lt", TABLE_3, "standard", "balanced", "", (72.41, 0.52, 81.97, 0.11)),
    ("cifar10-lt", TABLE_4, "balanced", "ada-alpha", "", (66.23, 0.39, 77.87, 0.16)),
    ("cifar10-lt", TABLE_5, "", "group-dro-validation", "true", (59.93, 0.59, 74.39, 0.17)),
    ("cifar10-lt", FIGURE_3, "balanced", "tradeoff-0.75", "unstated", (75.15, 0.38, 81.40, 0.10)),
    ("cifar10-lt", MAIN_2, "standard", "standard", "", (60.12, 0.56, 77.39, 0.10)),
    ("cifar100-lt", TABLE_1, "robust", "robust", "true", (13.18, 0.61, 31.88, 0.20)),
    ("cifar100-lt", TABLE_2, "balanced", "robust", "teacher", (13.41, 0.72, 33.37, 0.17)),
    ("cifar100-lt", TABLE_3, "robust", "robust", "teacher", (9.66, 1.15, 37.10, 0.15)),
    ("cifar100-lt", TABLE_4, "robust", "ada-margin", "", (12.46, 0.36, 42.90, 0.07)),
    ("cifar100-lt", FIGURE_3, "balanced", "tradeoff-0.5", "unstated", (16.06, 0.89, 43.82, 0.14)),
    ("cifar100-lt", MAIN_1, "balanced", "none", "", (3.75, None, 47.55, None)),
    ("cifar100-lt", MAIN_2, "standard", "standard", "", (0.00, 0.00, 46.01, 0.16)),
    ("tiny-imagenet-lt", TABLE_1, "robust", "balanced", "", (4.77, 0.41, 38.41, 0.15)),
    ("tiny-imagenet-lt", TABLE_4, "balanced", "ada-alpha", "", (0.00, None, 0.50, None)),
    ("tiny-imagenet-lt", FIGURE_3, "robust", "tradeoff-0.25", "unstated", (7.98, 0.21, 36.28, 0.17)),
    ("tiny-imagenet-lt", MAIN_2, "robust", "tradeoff-0.75", "unstated", (6.04, 0.25, 26.91, 0.16)),
]


@pytest.mark.parametrize(("name", "source", "teacher", "student", "labels", "printed"), CHECKS)
def test_a_second_reading_of_the_paper_gives_the_same_numbers(name, source, teacher, student, labels, printed):
    cell = (source, teacher, student, labels)
    (row,) = [
        row for row in read_published(name) if (row.source, row.teacher, row.student, row.validation_labels) == cell
    ]
    assert numbers(row) == printed


@pytest.mark.parametrize(
    ("teacher", "student", "labels", "worst", "errors", "average"),
    [
        ("standard", "none", "", (0.00, 11.54, 24.01, 30.35), (None,) * 4, (67.29, None)),
        ("robust", "post-shift", "unstated", (3.57, 11.64, 18.86, 23.17), (None,) * 4, (48.83, None)),
        ("robust", "standard", "", (3.79, 10.22, 22.61, 29.01), (0.11, 0.33, 0.32, 0.21), (64.54, 0.01)),
        ("standard", "robust", "true", (0.00, 8.32, 18.77, 23.95), (None, 1.04, 0.03, 0.31), (59.65, 0.01)),
    ],
)
def test_imagenet_has_four_rows_a_cell(teacher, student, labels, worst, errors, average):
    cell = (teacher, student, labels)
    rows = [row for row in read_published("imagenet") if (row.teacher, row.student, row.validation_labels) == cell]
    assert [row.robust_k for row in rows] == [1, 10, 50, 100]
    assert [numbers(row) for row in rows] == [(*pair, *average) for pair in zip(worst, errors, strict=True)]


def test_the_mean_of_more_of_the_worst_classes_is_greater():
    rows = read_published("imagenet")
    for fewer, more in pairwise(rows):
        if fewer.robust_k < more.robust_k:
            assert fewer.worst is not None
            assert more.worst is not None
            assert fewer.worst < more.worst


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_there_once(name):
    rows = read_published(name)
    assert len(rows) == SIZES[name]
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("name", NAMES)
def test_every_number_can_be_an_accuracy(name):
    for row in read_published(name):
        if row.worst is None:
            assert numbers(row) == (None,) * 4
            continue
        assert row.average is not None
        assert 0 <= row.worst <= row.average <= 1
        assert all(error is None or 0 <= error < 0.04 for error in (row.worst_se, row.average_se))
        assert row.robust_k in ({1, 10, 50, 100} if name == "imagenet" else {10} if name == "tiny-imagenet-lt" else {1})
        assert row.repeats in {None, 5, 10}


def test_only_one_point_is_printed_without_numbers():
    (row,) = [row for name in NAMES for row in read_published(name) if row.worst is None]
    assert (row.source, row.teacher, row.student) == (FIGURE_4, "standard", "standard")


@pytest.mark.parametrize("name", NAMES)
def test_every_row_says_what_was_trained(name):
    network = "ResNet-18" if "imagenet" in name else "ResNet-56"
    for row in read_published(name):
        group_dro = row.student.startswith("group-dro")
        assert row.teacher in ({""} if group_dro else OBJECTIVES)
        assert row.student in OBJECTIVES | METHODS
        assert row.teacher_network == ("" if group_dro else network)
        smaller = row.source in (TABLE_2, FIGURE_4)
        assert row.student_network == ("" if row.student in ALONE else "ResNet-32" if smaller else network)
        if not name.endswith("-lt"):
            assert "balanced" not in (row.teacher, row.student)


@pytest.mark.parametrize("name", NAMES)
def test_every_row_says_whose_teacher_and_whose_labels(name):
    seeds = {TABLE_3: "matched", MAIN_2: "unstated"}
    for row in read_published(name):
        distilled = row.teacher and row.student not in ALONE
        assert row.teacher_seed == (seeds.get(row.source, "fixed") if distilled else "")
        moved = row.student in {"robust", "post-shift", "group-dro-validation"} or row.student.startswith("tradeoff")
        assert bool(row.validation_labels) == moved
        assert row.validation_labels in {"", "teacher", "true", "unstated"}


@pytest.mark.parametrize("name", NAMES)
def test_the_alphas_as_printed_are_those_of_the_objectives(name):
    ends = {0.0: "balanced" if name.endswith("-lt") else "standard", 1.0: "robust"}
    for row in read_published(name):
        if printed := re.search(r"alphas (\S+) and ([\d.]+)", row.note.split(";")[0]):
            teacher, student = (ends.get(float(alpha), f"tradeoff-{alpha}") for alpha in printed.groups())
            assert (row.teacher, row.student) == (teacher, student)
        else:
            assert not row.source.startswith("supplement figure") or "baseline" in row.note


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("cifar100", "imagenet")])
def test_the_first_tables_agree_where_the_paper_does(name):
    rows = read_published(name)
    cell = {(row.teacher, row.student, row.validation_labels): numbers(row) for row in rows if row.source == TABLE_1}
    main = [row for row in rows if row.source == MAIN_1]
    assert len(main) == (12 if name.endswith("-lt") else 6)
    for row in main:
        worst, _, average, _ = cell[row.teacher, row.student, row.validation_labels]
        assert numbers(row) == (worst, None, average, None)


def test_numbers_quoted_in_notes_are_in_the_files():
    for name in NAMES:
        rows = read_published(name)
        printed = {(percent(row.worst), percent(row.average)) for row in rows}
        quoted = [pair for row in rows for pair in re.findall(r"(\d+\.\d\d) \((\d+\.\d\d)\)", row.note)]
        assert {(float(worst), float(average)) for worst, average in quoted} <= printed


def test_an_unknown_data_set_is_refused():
    with pytest.raises(ValueError, match=r"'cifar-10'; there are some for cifar10, cifar10-lt, .*tiny-imagenet-lt"):
        read_published("cifar-10")
