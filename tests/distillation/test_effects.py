"""Effects of distillation against loops over examples, scipy, and cases whose answer is plain."""

import math
from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr, ttest_1samp

import evendistill as ed
from evendistill.distillation.effects import Effects, effects
from evendistill.distillation.effects_over_seeds import over_seeds
from evendistill.maths.intervals import paired_interval
from evendistill.maths.metrics import class_recalls, worst_k

CLASSES = 5


def drawn(seed, *, rows=200, right=0.6, absent=()):
    """Labels and the three predictions, at random; the students copy the teacher now and then."""
    rng = np.random.default_rng(seed)
    labels = rng.choice([label for label in range(CLASSES) if label not in absent], size=rows)

    def guess(copied):
        guessed = np.where(rng.random(rows) < right, labels, rng.integers(0, CLASSES, rows))
        return guessed if copied is None else np.where(rng.random(rows) < 0.3, copied, guessed)

    teacher = guess(None)
    return labels, teacher, guess(teacher), guess(teacher)


def by_loops(labels, teacher, student, alone):
    """Counts of each class, one example after the other."""
    found = {name: [0] * CLASSES for name in ("total", "t", "s", "a", "gained", "lost", "wrong", "ours", "theirs")}
    found |= {name: [0] * CLASSES for name in ("only_ours", "only_theirs")}
    for y, t, s, a in zip(labels, teacher, student, alone, strict=True):
        found["total"][y] += 1
        found["t"][y] += t == y
        found["s"][y] += s == y
        found["a"][y] += a == y
        found["gained"][y] += s == y and a != y
        found["lost"][y] += a == y and s != y
        if t != y:
            found["wrong"][y] += 1
            found["ours"][y] += s == t
            found["theirs"][y] += a == t
            found["only_ours"][y] += s == t and a != t
            found["only_theirs"][y] += a == t and s != t
    return {name: [int(value) for value in values] for name, values in found.items()}


def shares(part, whole):
    return [math.nan if w == 0 else p / w for p, w in zip(part, whole, strict=True)]


def ends(gained, lost, count):
    return [end.tolist() for end in paired_interval(*map(torch.tensor, (gained, lost, count)))]


def close(values):
    return pytest.approx(values, abs=1e-12, nan_ok=True)


@given(st.integers(0, 10_000), st.integers(1, 60), st.sampled_from([(), (0,), (4,), (1, 3)]))
def test_every_number_is_that_of_loops_over_the_examples(seed, rows, absent):
    columns = drawn(seed, rows=rows, absent=absent)
    told, loops = effects(*columns, num_classes=CLASSES), by_loops(*columns)
    total, wrong = loops["total"], loops["wrong"]
    assert told.total.tolist() == total
    for row, name in zip(told.recalls.tolist(), "tsa", strict=True):
        assert row == close(shares(loops[name], total))
    assert (told.gained.tolist(), told.lost.tolist()) == (loops["gained"], loops["lost"])
    assert told.gain.tolist() == close([s - a for s, a in zip(*told.recalls[1:].tolist(), strict=True)])
    assert [told.lower.tolist(), told.upper.tolist()] == close_rows(ends(loops["gained"], loops["lost"], total))
    assert told.teacher_errors.tolist() == wrong
    assert told.inherited.tolist() == close(shares(loops["ours"], wrong))
    assert told.inherited_alone.tolist() == close(shares(loops["theirs"], wrong))
    gap = [ours - theirs for ours, theirs in zip(loops["ours"], loops["theirs"], strict=True)]
    assert told.inherited_gap.tolist() == close(shares(gap, wrong))
    expected = ends(loops["only_ours"], loops["only_theirs"], wrong)
    assert [told.inherited_lower.tolist(), told.inherited_upper.tolist()] == close_rows(expected)
    every = sum(wrong)
    assert told.inheritance == close(shares([sum(loops["ours"])], [every])[0])
    assert told.inheritance_alone == close(shares([sum(loops["theirs"])], [every])[0])
    assert told.inheritance_gap == close(shares([sum(gap)], [every])[0])
    expected = ends([sum(loops["only_ours"])], [sum(loops["only_theirs"])], [every])
    assert [[told.inheritance_lower], [told.inheritance_upper]] == close_rows(expected)


def close_rows(rows):
    return [close(row) for row in rows]


def test_worst_k_is_that_of_the_metrics_for_every_k():
    columns = drawn(3, absent=(2,))
    told = effects(*columns, num_classes=CLASSES)
    assert told.worst_k.shape == (3, 4)
    for row, predicted in zip(told.worst_k, columns[1:], strict=True):
        scores = torch.nn.functional.one_hot(torch.from_numpy(predicted), CLASSES).double()
        recalls = class_recalls(scores, torch.from_numpy(columns[0]))
        assert row.tolist() == close([worst_k(recalls, k) for k in (1, 2, 3, 4)])


def test_a_class_without_examples_has_no_numbers_and_is_not_amplified():
    told = effects(*drawn(1, absent=(2,)), num_classes=CLASSES)
    for name in ("gain", "lower", "upper", "inherited", "inherited_alone", "inherited_gap", "inherited_lower"):
        assert getattr(told, name)[2].isnan(), name
    assert told.recalls[:, 2].isnan().all()
    assert not told.amplified[2]
    assert not told.recalls[:, [0, 1, 3, 4]].isnan().any()


def test_of_a_teacher_without_errors_there_is_nothing_to_inherit():
    told = effects([0, 0, 1, 1], [0, 0, 1, 1], [0, 1, 1, 0], [0, 0, 1, 1])
    assert told.inherited.isnan().all()
    assert told.inherited_gap.isnan().all()
    assert math.isnan(told.inheritance)
    assert math.isnan(told.inheritance_gap)
    assert math.isnan(told.inheritance_upper)
    assert told.gain.tolist() == [-0.5, -0.5]


def test_another_wrong_class_is_not_inherited():
    told = effects([0] * 4, [1, 1, 2, 0], [1, 2, 2, 1], [2, 2, 1, 1], num_classes=3)
    assert told.inherited.tolist()[0] == pytest.approx(2 / 3)
    assert told.inherited_alone.tolist()[0] == 0
    assert told.teacher_errors.tolist() == [3, 0, 0]


def copied(right, rows=100):
    """Predictions of class 0 of which so many are right; the rest say class 1."""
    return [0] * right + [1] * (rows - right)


@pytest.mark.parametrize(
    ("teacher", "student", "alone", "amplified"),
    [
        (80, 50, 80, True),
        (40, 50, 80, False),  # the teacher is worse still
        (80, 78, 80, False),  # within the interval
        (50, 50, 80, False),  # just as bad as the teacher
        (80, 80, 50, False),
    ],
)
def test_amplified_is_worse_than_both(teacher, student, alone, amplified):
    told = effects([0] * 100, copied(teacher), copied(student), copied(alone), num_classes=2)
    assert told.amplified.tolist() == [amplified, False]


def test_exchanging_the_two_students_turns_the_signs():
    labels, teacher, student, alone = drawn(5)
    told, turned = effects(labels, teacher, student, alone), effects(labels, teacher, alone, student)
    assert torch.equal(told.gain, -turned.gain)
    assert torch.equal(told.lower, -turned.upper)
    assert torch.equal(told.inherited, turned.inherited_alone)
    assert told.inheritance_gap == -turned.inheritance_gap
    assert torch.equal(told.worst_k, turned.worst_k[[0, 2, 1]])


@given(st.permutations(range(CLASSES)), st.integers(0, 100))
def test_neither_the_order_of_examples_nor_the_numbers_of_classes_matter(order, seed):
    columns = drawn(seed)
    rows = np.random.default_rng(seed).permutation(len(columns[0]))
    told = effects(*columns, num_classes=CLASSES)
    other = effects(*(np.array(order)[column[rows]] for column in columns), num_classes=CLASSES)
    assert other.inheritance == told.inheritance
    assert torch.equal(other.worst_k, told.worst_k)
    for name in ("gain", "lower", "inherited", "inherited_upper", "amplified", "total"):
        here, there = getattr(told, name), getattr(other, name)[list(order)]
        assert torch.equal(here.double().nan_to_num(-9), there.double().nan_to_num(-9)), name


def test_labels_come_in_any_form_and_the_number_of_classes_from_all_of_them():
    columns = drawn(2)
    expected = effects(*columns)
    for made in (list, torch.from_numpy, lambda column: column.astype(np.uint8), lambda c: torch.from_numpy(c).int()):
        assert torch.equal(effects(*(made(column) for column in columns)).lower, expected.lower)
    assert len(effects([0, 1], [0, 1], [0, 4], [0, 1]).gain) == 5
    assert len(effects([0, 1], [0, 1], [0, 1], [0, 1], num_classes=7).gain) == 7


def test_a_lower_level_gives_narrower_intervals():
    columns = drawn(4)
    wide, narrow = effects(*columns), effects(*columns, level=0.5)
    assert (wide.level, narrow.level) == (0.95, 0.5)
    assert bool((narrow.upper - narrow.lower < wide.upper - wide.lower).all())
    assert narrow.inheritance_upper - narrow.inheritance_lower < wide.inheritance_upper - wide.inheritance_lower


def test_margins_are_correlated_with_gains_over_the_classes_present():
    margins = np.array([0.9, 0.3, np.nan, 0.5, -0.1])
    told = effects(*drawn(6, absent=(2,)), num_classes=CLASSES, margins=margins)
    assert told.margin_correlation is not None
    present = [0, 1, 3, 4]
    expected = spearmanr(margins[present], told.gain.numpy()[present])[0]
    assert told.margin_correlation.value == pytest.approx(expected)
    assert told.margins is not None
    assert told.margins[present].tolist() == margins[present].tolist()
    assert effects(*drawn(6)).margin_correlation is None


def test_fewer_than_three_classes_have_no_order_to_speak_of():
    told = effects([0, 1, 1], [0, 1, 0], [0, 1, 1], [0, 1, 0], margins=[0.5, 0.1])
    assert told.margin_correlation is None
    assert told.margins is not None


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"teacher": [0, 1]}, "^teacher has 2 rows, labels have 3$"),
        ({"alone": [0, 1, 1, 1]}, "^alone has 4 rows, labels have 3$"),
        ({"student": [0, 2, 1]}, "^student has class 2 in row 1, which is out of range: there are 2 classes$"),
        ({"labels": [0, 1, 5]}, "^labels has class 5 in row 2, which is out of range: there are 2 classes$"),
        ({"alone": [0, 1, -1], "num_classes": None}, "^alone has class -1 in row 2, .*: classes count from 0$"),
        ({"student": [0.0, 1.0, 1.0]}, r"^student must be integer classes of shape \(N,\), got torch.float32 \(3,\)$"),
        ({"teacher": np.zeros((3, 2), int)}, r"^teacher must be integer .*, got torch.int64 \(3, 2\)$"),
        ({"teacher": np.array(["a", "b", "c"])}, r"^teacher must be integer .*, got ndarray$"),
        ({"labels": torch.zeros(0, dtype=torch.long)}, "^there are no examples to compare$"),
        ({"margins": [0.1, 0.2, 0.3]}, r"^margins must be one for each of 2 classes, got shape \(3,\)$"),
        ({"margins": [0.1, math.inf]}, "^margins must be finite where a class has examples, class 1 has inf$"),
        ({"margins": [0.1, None]}, "^margins must be numbers, NaN for a class without examples, got "),
        ({"level": 1.0}, r"^level must lie in \(0, 1\), got 1.0$"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(told, said):
    plain = {"labels": [0, 1, 1], "teacher": [0, 1, 1], "student": [0, 1, 1], "alone": [0, 1, 1], "num_classes": 2}
    with pytest.raises(ValueError, match=said):
        effects(**plain | told)


def test_the_public_name_is_this_function():
    assert ed.effects is effects
    assert "effects" in ed.__all__


def test_the_mean_over_seeds_has_the_t_interval_of_scipy():
    seeds = [effects(*drawn(seed), num_classes=CLASSES, margins=np.arange(5) * seed) for seed in (1, 2, 3, 4)]
    told = over_seeds(seeds)
    gains = np.stack([each.gain.numpy() for each in seeds])
    expected = ttest_1samp(gains, 0).confidence_interval(0.95)
    assert told.gain.tolist() == close(gains.mean(axis=0).tolist())
    assert told.lower.tolist() == close(expected.low.tolist())
    assert told.upper.tolist() == close(expected.high.tolist())
    gaps = [each.inheritance_gap for each in seeds]
    total = ttest_1samp(gaps, 0).confidence_interval(0.95)
    assert told.inheritance_gap == pytest.approx(np.mean(gaps))
    assert (told.inheritance_lower, told.inheritance_upper) == close((total.low, total.high))
    assert told.inheritance == pytest.approx(np.mean([each.inheritance for each in seeds]))
    assert told.inheritance - told.inheritance_alone == pytest.approx(told.inheritance_gap)
    assert (told.seeds, told.level) == (4, 0.95)
    assert told.worst_k[2, 1].item() == pytest.approx(np.mean([each.worst_k[2, 1].item() for each in seeds]))
    assert told.recalls[0].tolist() == close(np.mean([each.recalls[0].numpy() for each in seeds], axis=0).tolist())
    assert told.margins is not None
    assert told.margins.tolist() == [0, 2.5, 5, 7.5, 10]
    assert told.margin_correlation is not None
    assert told.margin_correlation.value == pytest.approx(spearmanr(np.arange(5), told.gain.numpy())[0])


def test_no_interval_over_seeds_leaves_what_a_difference_of_shares_can_be():
    told = over_seeds([seed_of(student, 50) for student in (95, 20)])  # two seeds: the quantile is 12.7
    assert (told.lower[0].item(), told.upper[0].item()) == (-1, 1)
    gaps = [effects([0, 0], [1, 1], [1, 1], [0, 0]), effects([0, 0], [1, 1], [0, 0], [0, 0])]
    assert (over_seeds(gaps).inheritance_lower, over_seeds(gaps).inheritance_upper) == (-1, 1)


def test_over_seeds_errors_of_all_teachers_are_counted_together():
    columns = [drawn(seed) for seed in (1, 2, 3)]
    told = over_seeds([effects(*each, num_classes=CLASSES) for each in columns])
    together = by_loops(*(np.concatenate(parts) for parts in zip(*columns, strict=True)))
    assert told.teacher_errors.tolist() == together["wrong"]
    assert told.inherited.tolist() == close(shares(together["ours"], together["wrong"]))
    assert told.inherited_alone.tolist() == close(shares(together["theirs"], together["wrong"]))


def test_a_seed_whose_teacher_makes_no_error_on_a_class_adds_none():
    one = effects([0, 0, 1, 1], [1, 0, 1, 1], [1, 0, 1, 1], [0, 0, 1, 1])
    two = effects([0, 0, 1, 1], [0, 0, 1, 0], [0, 0, 1, 1], [0, 0, 1, 0])
    told = over_seeds([one, two])
    assert told.inherited.tolist() == [1, 0]
    assert told.inherited_alone.tolist() == [0, 1]
    assert told.teacher_errors.tolist() == [1, 1]


def test_the_interval_over_examples_is_that_of_mean_counts():
    seeds = [effects(*drawn(seed, absent=(2,)), num_classes=CLASSES) for seed in (1, 2)]
    told = over_seeds(seeds)
    counts = [np.mean([getattr(each, name).numpy() for each in seeds], axis=0) for name in ("gained", "lost", "total")]
    lower, upper = ends(*(count.tolist() for count in counts))
    assert told.lower_over_examples.tolist() == close(lower)
    assert told.upper_over_examples.tolist() == close(upper)


def seed_of(student, alone, teacher=90, rows=100):
    return effects([0] * rows, copied(teacher, rows), copied(student, rows), copied(alone, rows), num_classes=2)


@pytest.mark.parametrize(
    ("students", "alone", "rows", "expected"),
    [
        ((52, 52, 52), 50, 100, 0),  # the seeds agree exactly, but two examples say little
        ((90, 52, 53), 50, 100, 0),  # examples are sure, the seeds are not
        ((80, 81, 79), 50, 100, 1),
        ((20, 21, 19), 50, 100, -1),
        ((80,), 50, 100, 1),  # of a single seed the examples alone decide
        ((52,), 50, 100, 0),
    ],
)
def test_beyond_noise_is_beyond_both_kinds_of_chance(students, alone, rows, expected):
    told = over_seeds([seed_of(student, alone, rows=rows) for student in students])
    assert told.beyond_noise.tolist() == [expected, 0]
    assert told.amplified.tolist() == [expected < 0, False]


def test_a_class_is_not_amplified_where_the_teacher_is_as_bad():
    told = over_seeds([seed_of(20 + seed, 50, teacher=15) for seed in (0, 1, 2)])
    assert told.beyond_noise[0] == -1
    assert not told.amplified[0]


def test_a_single_seed_has_no_interval_over_seeds_but_that_of_its_own_errors():
    one = effects(*drawn(8), num_classes=CLASSES)
    told = over_seeds([one])
    assert told.lower.isnan().all()
    assert told.upper.isnan().all()
    assert torch.equal(told.lower_over_examples, one.lower)
    assert (told.inheritance_lower, told.inheritance_upper) == (one.inheritance_lower, one.inheritance_upper)
    assert torch.equal(told.gain, one.gain)


def test_seeds_that_do_not_belong_together_are_refused():
    plain = effects(*drawn(1), num_classes=CLASSES)
    with pytest.raises(ValueError, match=r"^there are no effects to average$"):
        over_seeds([])
    with pytest.raises(ValueError, match=r"^seed 1 has level 0.9, the first has 0.95$"):
        over_seeds([plain, effects(*drawn(1), num_classes=CLASSES, level=0.9)])
    for other in (effects(*drawn(1), num_classes=6), effects(*drawn(1, absent=(2,)), num_classes=CLASSES)):
        with pytest.raises(ValueError, match=r"^seed 1 has examples of other classes than the first$"):
            over_seeds([plain, other])


def test_margins_that_one_seed_lacks_are_left_out():
    with_margins = effects(*drawn(1), num_classes=CLASSES, margins=[0.1, 0.2, 0.3, 0.4, 0.5])
    told = over_seeds([with_margins, effects(*drawn(2), num_classes=CLASSES)])
    assert told.margins is None
    assert told.margin_correlation is None


def test_every_attribute_is_told_of():
    for kind in (Effects, type(over_seeds([effects(*drawn(1))]))):
        for field in fields(kind):
            assert f"        {field.name}: " in (kind.__doc__ or ""), field.name
