"""The words and the picture of what distillation did to whom, from comparisons made by hand."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import torch

import evendistill as ed
from evendistill.distillation.effects_over_seeds import over_seeds
from evendistill.experiments.report.effects import Comparison, Section
from evendistill.experiments.report.effects_picture import write_effects
from evendistill.experiments.report.effects_words import class_lines, effects_markdown, sentences, worst_k_lines


def comparison(names=("cat", "dog", "eel"), seeds=2, role="Selected student") -> Comparison:
    """Of predictions that are right more often with a teacher than without."""
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(len(names)), 30)

    def guess(right):
        return np.where(rng.random(len(labels)) < right, labels, rng.integers(0, len(names), len(labels)))

    found = [ed.effects(labels, guess(0.8), guess(0.7), guess(0.6)) for _ in range(seeds)]
    examples = tuple(range(1000, 1000 + len(names)))
    titles = role, "robust student of a standard teacher", "robust student without a teacher"
    return Comparison(*titles, True, tuple(found), over_seeds(found), tuple(names), examples)


def shown_as(**changed):
    found = comparison()
    return replace(found, mean=replace(found.mean, **changed))


def test_the_worst_k_table_ends_at_all_classes_that_are_present():
    lines = [worst_k_lines(comparison([str(name) for name in range(count)]))[1] for count in (2, 3, 5, 30)]
    assert [[line[0] for line in body] for body in lines] == [
        ["1", "2 (all)"],
        ["1", "2", "3 (all)"],
        ["1", "2", "3", "5 (all)"],
        ["1", "2", "3", "5", "30 (all)"],
    ]


def test_the_gain_of_the_worst_k_is_paired_by_seed():
    found = comparison(seeds=3)
    curves = [[[0.9], [0.5 + seed / 10], [0.3 + seed / 10]] for seed in range(3)]
    seeds = tuple(replace(each, worst_k=torch.tensor(curve)) for each, curve in zip(found.seeds, curves, strict=True))
    told = replace(found, seeds=seeds, mean=replace(found.mean, worst_k=torch.tensor(curves).mean(dim=0)))
    assert worst_k_lines(told)[1] == [["1 (all)", "90.0 ± 0.0", "60.0 ± 5.8", "40.0 ± 5.8", "+20.0 ± 0.0"]]


def test_who_gains_and_who_loses_is_named():
    told = shown_as(beyond_noise=torch.tensor([1, 0, -1]), amplified=torch.tensor([False, False, True]))
    words = " ".join(sentences(told))
    assert "Beyond noise class cat gained and class eel lost; the other 1 of 3 lie within it." in words
    assert "Amplified, with more errors than both the teacher and the student alone: class eel." in words
    assert [line[5][-1] for line in class_lines(told)[1]] == ["▲", ")", "▼"]
    none = " ".join(sentences(shown_as(beyond_noise=torch.tensor([0, 0, 0]), amplified=torch.zeros(3) > 0)))
    assert "None of the 3 classes gains or loses beyond noise." in none
    assert "Amplified" not in none
    both = " ".join(sentences(shown_as(beyond_noise=torch.tensor([1, 1, 0]))))
    assert "classes cat, dog gained and no class lost" in both


def test_of_many_names_a_dozen_are_told():
    found = comparison([f"<{number}>" for number in range(40)])
    told = replace(found, mean=replace(found.mean, beyond_noise=torch.tensor([-1] * 40)))
    words = " ".join(sentences(told))
    assert "no class gained and classes <0>, <1>," in words
    assert "<11> and 28 more lost" in words
    assert "<12>" not in words


def test_nothing_is_never_minus_nothing_and_absent_classes_have_no_gain():
    told = shown_as(
        gain=torch.tensor([-0.0001, torch.nan, 0.1]),
        recalls=torch.tensor([[0.5, torch.nan, 0.5]] * 3),
        inherited=torch.tensor([torch.nan, torch.nan, 0.5]),
        beyond_noise=torch.zeros(3).long(),
    )
    body = class_lines(told)[1]
    assert body[0][5].startswith("+0.0 (")
    assert body[1][2:6] == ["absent", "absent", "absent", "-"]
    assert body[0][7] == "-"
    assert "None of the 2 classes" in " ".join(sentences(told))
    assert "A teacher made no error, so there was nothing to inherit." in sentences(shown_as(inheritance=float("nan")))


def test_what_is_ours_and_how_sure_it_is_stands_above_the_tables():
    words = effects_markdown(Section((comparison(),)))
    for said in ("Lukasik et al. 2022", "is our definition", "both its Student t interval over seeds", "no correction"):
        assert said in words
    single = effects_markdown(Section((comparison(seeds=1),)))
    assert "one seed says nothing of other trainings" in single
    assert "Student t" not in single


def test_a_bar_in_a_name_does_not_end_its_cell():
    words = effects_markdown(Section((comparison(("a|b", "c", "d")),)))
    (line,) = (line for line in words.splitlines() if line.startswith("| a"))
    assert line.startswith(r"| a\|b | 1,000 | ")


def test_the_picture_is_the_same_at_every_drawing_and_says_what_it_shows(tmp_path):
    section = Section((comparison(), comparison(("$5 to $6", "x_{", "猫"), role="Standard distillation")))
    for name in ("one.svg", "two.svg", "one.png"):
        write_effects(section, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    words = "".join(ElementTree.fromstring((tmp_path / "one.svg").read_bytes()).itertext())
    for said in ("Selected student: robust", "Standard distillation: ", "cat", "$5 to $6", "x_{", "猫", "1,000"):
        assert said in words
    for said in ("Mean of the k least recalls", "student alone", "95 % interval over seeds", "gain in recall on test"):
        assert words.count(said) >= 2
    assert (tmp_path / "one.png").read_bytes()[:4] == b"\x89PNG"


def test_an_absent_class_has_no_part_in_the_picture(tmp_path):
    changed = {"gain": torch.tensor([0.1, torch.nan, 0.1]), "beyond_noise": torch.tensor([1, 0, 1])}
    write_effects(Section((shown_as(**changed),)), tmp_path / "absent.svg")
    words = "".join(ElementTree.fromstring((tmp_path / "absent.svg").read_bytes()).itertext())
    assert "gains beyond noise" in words
    assert "within noise" not in words


def test_many_classes_are_numbered(tmp_path):
    write_effects(Section((comparison([f"name-{label}" for label in range(100)]),)), tmp_path / "many.svg")
    words = "".join(ElementTree.fromstring((tmp_path / "many.svg").read_bytes()).itertext())
    assert "number of the class" in words
    assert "name-7" not in words
