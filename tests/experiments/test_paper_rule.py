"""The paper's rule where there is nothing that it could compare with: refused as the recipe is read."""

import pytest
import yaml

from evendistill.experiments import derive
from evendistill.experiments.recipe import read_recipe

TOLD = "selection paper compares with the standard student of the standard teacher, which is not among these"
ALPHAS = {"alphas": [0, 0.5, 1]}


@pytest.fixture
def told(tmp_path, plain):
    """The recipe with these objectives, as it is read."""

    def read(teachers, students, **more):
        fields = plain | {"selection": {"rule": "paper"}} | more
        fields["teachers"] = plain["teachers"] | {"objectives": teachers}
        fields["students"] = plain["students"] | students
        (tmp_path / "paper.yaml").write_text(yaml.safe_dump(fields))
        return read_recipe(tmp_path / "paper.yaml")

    return read


@pytest.mark.parametrize(
    ("teachers", "students"),
    [
        (["standard"], {"objectives": ALPHAS, "shared": True}),
        (ALPHAS, {"objectives": ["standard"]}),
        (["standard", "robust"], {"objectives": ["standard"], "teacher": "mean"}),
    ],
)
def test_without_the_standard_student_it_is_refused(told, teachers, students):
    with pytest.raises(ValueError, match=TOLD):
        told(teachers, students)
    assert told(teachers, students, selection={"rule": "best-robust"})
    assert told(teachers, students, baselines=["standard-distillation"])


def test_shared_on_the_command_line_leaves_the_standard_student_what_it_is(told):
    every = ["standard", "balanced", "robust"]
    assert derive.shared(told(every, {"objectives": every})).selection.rule == "paper"
