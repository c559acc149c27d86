"""Which way of ranking teachers tells beforehand whose robust student will be best, measured on finished runs."""

from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import torch

from evendistill.distillation.predictors import NAMES, Predictors, predictors
from evendistill.distillation.reference import joint_reference
from evendistill.experiments.cells import Cell
from evendistill.experiments.results import Found, is_finished, summarise
from evendistill.experiments.sources import check_finished, from_run, loaded
from evendistill.experiments.sweep import Sweep
from evendistill.maths.calibration import calibration_error
from evendistill.maths.rank_correlation import RankCorrelation, spearman
from evendistill.storage.files import known

Key = tuple[str, float]  # a teacher and a temperature
LEAST_FOR_INTERVAL = 5  # drawn anew, four teachers are the same one or two in every other draw


@dataclass(frozen=True)
class Ranked:
    """A teacher at a temperature, and the best robust student that learned from it.

    Attributes:
        teacher: its objective, or its mend.
        temperature: that students learn at.
        predictors: means over the seeds.
        is_mended: whether it was mended, on the very examples that it is judged by here.
        student: the student on test, its other hyper-parameters chosen on validation; None if none is finished.
        terms: the calibration term of each class, means over the seeds.
    """

    teacher: str
    temperature: float
    predictors: Predictors
    is_mended: bool
    student: Found | None
    terms: tuple[float, ...] = ()


@dataclass(frozen=True)
class Ranking:
    """All teachers of a sweep, at every temperature that their robust students learn at.

    Attributes:
        teachers: the one with the least calibration term first.
        correlations: of each predictor with the worst-class accuracy of the students, whole teachers drawn anew for the
            interval; empty for fewer than three.
        trained: the same without mended teachers.
        within: the same among the teachers of each temperature.
        class_names: one a class.
    """

    teachers: tuple[Ranked, ...]
    correlations: dict[str, RankCorrelation]
    trained: dict[str, RankCorrelation]
    within: dict[float, dict[str, RankCorrelation]]
    class_names: tuple[str, ...] = ()

    @property
    def too_few(self) -> int | None:
        """How many distinct teachers there are to draw anew, if they are too few for an interval; None else."""
        count = len({each.teacher for each in self.teachers if each.student is not None})
        return count if count < LEAST_FOR_INTERVAL else None


def rank(sweep: Sweep) -> Ranking:
    """Rank the teachers of a sweep by what was known before any student was trained.

    Raises:
        ValueError: if a teacher is not finished or keeps no scores, or no robust student is asked for.
    """
    if sweep.is_trial:
        raise ValueError(f"{sweep.recipe} has not ended its search; run it first")
    students = _robust_students(sweep)
    if not students:
        raise ValueError(f"{sweep.recipe} has no robust students of teachers, so there is nothing to rank teachers for")
    found, names = _predicted(sweep, students)
    ranked = [
        Ranked(*key, found[key][0], _is_mended(cells), _best(cells, sweep), found[key][1])
        for key, cells in students.items()
    ]
    ranked.sort(key=lambda each: -each.predictors.calibration)
    measured = [each for each in ranked if each.student is not None]
    apart = {
        temperature: _correlations([each for each in measured if each.temperature == temperature])
        for temperature in sorted({each.temperature for each in measured})
    }
    trained = [each for each in measured if not each.is_mended]
    return Ranking(tuple(ranked), _correlations(measured), _correlations(trained), apart, names)


def _robust_students(sweep: Sweep) -> dict[Key, list[Cell]]:
    """Cells of robust students by the name of their teacher and the temperature."""
    students: dict[Key, list[Cell]] = {}
    for cell in sweep.cells:
        if cell.is_student and cell.teacher and cell.student and cell.listening and cell.student.name == "robust":
            students.setdefault((cell.teacher.name, cell.listening.temperature), []).append(cell)
    return students


def _is_mended(cells: list[Cell]) -> bool:
    return any(run.teacher is not None and run.teacher.mend is not None for run in cells[0].runs)


def _best(cells: list[Cell], sweep: Sweep) -> Found | None:
    done = [cell for cell in cells if all(is_finished(run, sweep.runs) for run in cell.runs)]
    if not done:
        return None
    on = {"robust_k": sweep.grid.robust_k}
    best = max(done, key=lambda cell: summarise(cell.runs, sweep.runs, "validation", **on).robust.mean)
    return summarise(best.runs, sweep.runs, "test", **on)


Known = tuple[Predictors, tuple[float, ...]]  # and the calibration term of each class


def _predicted(sweep: Sweep, students: dict[Key, list[Cell]]) -> tuple[dict[Key, Known], tuple[str, ...]]:
    # as the students have them: of each seed, or of a fixed one
    teachers = {name: [run.teacher for run in cells[0].runs if run.teacher] for (name, _), cells in students.items()}
    for run in (run for runs in teachers.values() for run in runs):
        check_finished(sweep.runs / run.folder_name)
    data = loaded(sweep.grid.data)  # only now: it may have to be fetched
    values: dict[Key, list[Predictors]] = {key: [] for key in students}
    terms: dict[Key, list[torch.Tensor]] = {key: [] for key in students}
    for seed in range(len(sweep.grid.seeds)):
        scores = {
            name: from_run(sweep.runs / runs[seed].folder_name, data).scores.double() for name, runs in teachers.items()
        }
        labels = data.validation.labels.cpu()
        reference = joint_reference(list(scores.values()), labels)
        for name, temperature in students:
            told = {"temperature": temperature, "reference": reference}
            values[name, temperature].append(predictors(scores[name], labels, **told))
            soft = (scores[name] / temperature).softmax(dim=1)
            terms[name, temperature].append(calibration_error(soft, reference))
    found = {key: _mean(values[key], terms[key]) for key in students}
    return found, tuple(map(str, data.class_names))


def _mean(values: list[Predictors], terms: list[torch.Tensor]) -> Known:
    """Over the seeds."""
    known = Predictors(*(fmean(getattr(each, name) for each in values) for name in NAMES))
    return known, tuple(torch.stack(terms).mean(dim=0).tolist())


def _correlations(measured: list[Ranked]) -> dict[str, RankCorrelation]:
    if len(measured) < 3:
        return {}
    worst = torch.tensor([each.student.robust.mean for each in measured if each.student])
    names = sorted({each.teacher for each in measured})
    clusters = torch.tensor([names.index(each.teacher) for each in measured])
    return {
        name: spearman(torch.tensor([getattr(each.predictors, name) for each in measured]), worst, clusters=clusters)
        for name in NAMES
    }


def as_json(ranking: Ranking) -> dict[str, Any]:
    """The same in plain values, accuracies as fractions; None for a correlation where one side has no order."""
    return {
        "teachers": [
            {
                "teacher": each.teacher,
                "temperature": each.temperature,
                "is_mended": each.is_mended,
                **asdict(each.predictors),
                "calibration_terms": list(each.terms),
                "student": each.student
                and {"worst_class_accuracy": vars(each.student.robust), "average_accuracy": vars(each.student.average)},
            }
            for each in ranking.teachers
        ],
        "correlations": {name: _plain(each, ranking) for name, each in ranking.correlations.items()},
        "trained": {name: _plain(each, ranking) for name, each in ranking.trained.items()},
        "within": {
            f"{temperature:g}": {name: _plain(each, ranking) for name, each in found.items()}
            for temperature, found in ranking.within.items()
        },
        "class_names": list(ranking.class_names),
    }


def _plain(found: RankCorrelation, ranking: Ranking) -> dict[str, float | None]:
    left_out = () if ranking.too_few is None else ("lower", "upper")
    return {name: None if name in left_out else known(value) for name, value in vars(found).items()}
