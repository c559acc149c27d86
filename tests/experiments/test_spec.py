"""A run is named by its content: what changes results changes the name, and nothing else does."""

import json
from dataclasses import asdict, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from evendistill.experiments.objectives import ObjectiveSpec
from evendistill.experiments.spec import DataSpec, ListeningSpec, MlpSpec, RunSpec, ViewSpec
from evendistill.training.recipe import Recipe

TEACHER = {
    "data": {"imbalance": 20},
    "network": {"kind": "mlp", "hidden": [64]},
    "objective": "robust",
    "training": {"epochs": 3},
}
STUDENT = {
    "data": {"imbalance": 20},
    "network": {"kind": "convnet", "width": 8},
    "objective": {"alpha": 0.5},
    "training": {"epochs": 4},
    "teacher": TEACHER,
    "listening": {"temperature": 3.0, "validation_labels": "teacher"},
}
OTHER_DATA = {
    "source": "owner/name",
    "imbalance": 21,
    "profile": "step",
    "subset_seed": 1,
    "split_seed": 1,
    "image_column": "picture",
    "label_column": "kind",
    "group_column": "background",
    "validation": "validation",
    "test": "validation",
    "image_size": 64,
}
OTHER_VIEW = {"mean": [0.5], "std": [0.5], "pad": 4, "crop": 24, "flip": True, "resize": 64}
OTHER_TRAINING = {
    "epochs": 51,
    "batch_size": 64,
    "optimizer": "adamw",
    "learning_rate": 0.2,
    "momentum": 0.8,
    "nesterov": False,
    "weight_decay": 0.0,
    "schedule": "constant",
    "warmup_epochs": 1,
    "multiplier_step": 0.2,
    "update_every": 16,
    "update_examples": 100,
    "update_phase": "epoch",
    "gain": "cross_entropy",
    "iterate": "averaged",
    "precision": "bf16",
    "threads": 2,
    "sampler": "balanced",
    "compile": True,
    "capture": True,
    "decayed": "matrices",
    "processes": 2,
}
OTHER_RUN = {"initialisation_seed": 1, "order_seed": 1, "robust_k": 2, "grouping": "attribute"}
OTHER_LISTENING = {
    "temperature": 2.0,
    "validation_temperature": 1.0,
    "validation_labels": "true",
    "onehot_weight": 0.1,
    "teacher_view": "augmented",
    "feature_weight": 0.5,
}
CHANGES = [
    *[(("data", name), value) for name, value in OTHER_DATA.items()],
    *[(("training", name), value) for name, value in OTHER_TRAINING.items()],
    *[(("view", name), value) for name, value in OTHER_VIEW.items()],
    *[((name,), value) for name, value in OTHER_RUN.items()],
    (("network", "hidden"), [32]),
    (("network",), {"kind": "mlp"}),
    (("network",), {"kind": "mlp", "hidden": []}),
    (("network",), {"kind": "convnet"}),
    (("network",), {"kind": "resnet"}),
    (("network",), {"kind": "resnet", "depth": 56}),
    (("network",), {"kind": "resnet", "depth": 18, "stem": "small"}),
    (("network",), {"kind": "resnet", "depth": 18, "stem": "imagenet"}),
    (("network",), {"kind": "own", "path": "package.module:make"}),
    (("network",), {"kind": "own", "path": "package.module:make", "arguments": {"width": 3}}),
    (("network",), {"kind": "timm", "name": "resnet18"}),
    (("objective",), "balanced"),
    (("objective",), "reweighted"),
    (("objective",), "group-dro-train"),
    (("objective",), "group-dro-validation"),
    (("objective",), {"kind": "group-dro", "step_size": 0.1}),
    (("objective",), {"kind": "group-dro", "adjustment": 1.0}),
    (("objective",), "ada-margin"),
    (("objective",), {"kind": "ada-margin", "per": "class"}),
    (("objective",), "ada-alpha"),
    (("objective",), {"kind": "ada-alpha", "per": "class"}),
    (("objective",), "balanced-kd"),
    (("objective",), {"kind": "balanced-kd", "beta": 0.9}),
    (("objective",), {"kind": "balanced-kd", "weight": 2.0}),
    (("objective",), "standard"),
    (("objective",), {"alpha": 0.5}),
    (("objective",), {"alpha": 0.5, "base": "standard"}),
]


def read(plain):
    return RunSpec.model_validate(plain)


def changed(plain, path, value):
    name, *rest = path
    return {**plain, name: changed(plain.get(name, {}), rest, value) if rest else value}


def turned_round(plain):
    """The same mapping with every order of keys reversed."""
    if not isinstance(plain, dict):
        return plain
    return {name: turned_round(plain[name]) for name in reversed(plain)}


objectives = st.builds(
    lambda alpha, base: {"alpha": alpha, "base": base}, st.floats(0, 1), st.sampled_from(["balanced", "standard"])
)
networks = st.builds(lambda hidden: {"kind": "mlp", "hidden": hidden}, st.lists(st.integers(1, 99), max_size=2)) | (
    st.builds(lambda width: {"kind": "convnet", "width": width}, st.integers(1, 99))
)
trainings = st.fixed_dictionaries(
    {},
    optional={
        "epochs": st.integers(1, 99),
        "learning_rate": st.floats(1e-6, 9),
        "weight_decay": st.floats(0, 1),
        "iterate": st.sampled_from(["last", "averaged", "best"]),
        "checkpoint_every": st.floats(0, 99),
    },
)
teachers = st.fixed_dictionaries(
    {"data": st.just({}), "network": networks, "objective": objectives, "training": trainings},
    optional={"order_seed": st.integers(0, 9)},
)
students = st.builds(
    lambda student, teacher, temperature: student | {"teacher": teacher, "listening": {"temperature": temperature}},
    teachers,
    teachers,
    st.floats(0.1, 9),
)


def test_the_name_of_a_fixed_run_is_what_it_was_when_it_was_first_trained():
    """Golden: if this fails, every finished run in the world is trained again. Raise SCHEMA_VERSION knowingly."""
    assert read(TEACHER).hash == "2ddc1c2dd594"
    assert read(STUDENT).hash == "943dbdbe06c1"
    assert read(STUDENT).folder_name == "943dbdbe06c1-digits-tradeoff-0.5-from-robust-t3-teacher-labels-s0"
    assert read(TEACHER).folder_name == "2ddc1c2dd594-digits-robust-s0"


@pytest.mark.parametrize("plain", [TEACHER, STUDENT], ids=["teacher", "student"])
def test_the_order_of_keys_does_not_change_the_hash(plain):
    assert list(turned_round(plain)) != list(plain)
    assert read(turned_round(plain)).hash == read(plain).hash


@pytest.mark.parametrize("plain", [TEACHER, STUDENT], ids=["teacher", "student"])
def test_writing_defaults_out_does_not_change_the_hash(plain):
    written_out = read(plain).model_dump()
    assert written_out["data"]["profile"] == "exponential"
    assert read(written_out).hash == read(plain).hash
    with_training = changed(plain, ("training",), asdict(Recipe(**plain["training"])))
    assert read(with_training).hash == read(plain).hash


def test_an_integer_and_the_same_number_with_a_point_are_one_run():
    assert read(changed(TEACHER, ("data", "imbalance"), 20.0)).hash == read(TEACHER).hash
    assert read(changed(STUDENT, ("listening", "temperature"), 3)).hash == read(STUDENT).hash


@pytest.mark.parametrize(("path", "value"), CHANGES, ids=[".".join(path) + f"={value}" for path, value in CHANGES])
def test_whatever_changes_a_teacher_changes_its_hash_and_its_students(path, value):
    teacher = changed(TEACHER, path, value)
    assert read(teacher).hash != read(TEACHER).hash
    assert read({**STUDENT, "teacher": teacher}).hash != read(STUDENT).hash


def test_all_changes_of_a_run_have_names_of_their_own():
    names = [read(changed(TEACHER, path, value)).hash for path, value in CHANGES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("name", "value"), OTHER_LISTENING.items())
def test_how_a_student_listens_changes_its_hash(name, value):
    assert read(changed(STUDENT, ("listening", name), value)).hash != read(STUDENT).hash


def test_milestones_change_the_hash():
    stepped = changed(TEACHER, ("training",), {"schedule": "step", "epochs": 9, "milestones": [3, 6]})
    assert read(stepped).hash != read(changed(stepped, ("training", "milestones"), [3, 7])).hash


def test_no_field_is_forgotten_by_the_tests_above():
    assert {field.name for field in fields(Recipe)} == {*OTHER_TRAINING, "milestones", "checkpoint_every"}
    assert set(DataSpec.model_fields) == {*OTHER_DATA, "hold", "workers"}
    assert set(ViewSpec.model_fields) == set(OTHER_VIEW)
    assert set(ListeningSpec.model_fields) == set(OTHER_LISTENING)
    parts = {"data", "view", "training", "network", "objective", "teacher", "listening", "mend", "others"}
    assert set(RunSpec.model_fields) == {*OTHER_RUN, *parts}


def test_how_often_a_run_saves_itself_does_not_change_the_hash():
    hurried = changed(STUDENT, ("training", "checkpoint_every"), 0.5)
    hurried = changed(hurried, ("teacher", "training", "checkpoint_every"), 7.0)
    assert read(hurried).hash == read(STUDENT).hash
    assert "checkpoint_every" not in json.dumps(read(hurried).canonical())


def test_where_images_wait_does_not_change_the_hash():
    elsewhere = changed(changed(STUDENT, ("data", "hold"), "stream"), ("data", "workers"), 4)
    elsewhere = changed(elsewhere, ("teacher", "data", "hold"), "memory")
    assert read(elsewhere).hash == read(STUDENT).hash


def test_a_student_is_not_its_teacher():
    same = {**TEACHER, "teacher": TEACHER, "listening": {"temperature": 1.0}}
    assert read(same).hash != read(TEACHER).hash
    assert (read(TEACHER).role, read(STUDENT).role) == ("teacher", "student")


@given(plain=teachers | students)
def test_a_spec_survives_json(plain):
    spec = read(plain)
    written = json.loads(json.dumps(spec.canonical()))
    assert written.pop("schema_version") == 1
    assert read(written).hash == spec.hash
    assert read(written).canonical() == spec.canonical()


def test_canonical_leaves_defaults_out():
    assert read({**TEACHER, "training": {}, "data": {"split_seed": 0}}).canonical() == {
        "schema_version": 1,
        "data": {},
        "network": {"kind": "mlp", "hidden": [64]},
        "objective": {"alpha": 1.0},
        "training": {},
    }


def test_two_networks_of_default_width_differ_by_their_kind():
    mlp, convnet = (changed(TEACHER, ("network",), {"kind": kind}) for kind in ("mlp", "convnet"))
    assert read(mlp).hash != read(convnet).hash


@pytest.mark.parametrize(
    ("name", "alpha", "base"),
    [("standard", 0.0, "standard"), ("balanced", 0.0, "balanced"), ("robust", 1.0, "balanced")],
)
def test_the_named_objectives_are_corners_of_the_trade_off(name, alpha, base):
    short = ObjectiveSpec.model_validate(name)
    assert short == ObjectiveSpec(alpha=alpha, base=base)
    assert short.name == name
    assert read({**TEACHER, "objective": name}).hash == read({**TEACHER, "objective": short.model_dump()}).hash


def test_at_alpha_one_the_base_has_no_say():
    spelt = [{"alpha": 1, "base": "standard"}, {"alpha": 1.0}, "robust", ObjectiveSpec(alpha=1, base="standard")]
    assert {read({**TEACHER, "objective": objective}).hash for objective in spelt} == {read(TEACHER).hash}
    assert ObjectiveSpec(alpha=1, base="standard").name == "robust"


@pytest.mark.parametrize(
    ("told", "name"),
    [({"alpha": 0.25}, "tradeoff-0.25"), ({"alpha": 0.5, "base": "standard"}, "tradeoff-0.5-standard")],
)
def test_other_trade_offs_are_named_by_alpha_and_base(told, name):
    assert ObjectiveSpec.model_validate(told).name == name


def test_the_validation_temperature_is_the_temperature_unless_told_otherwise():
    untold = ListeningSpec(temperature=3, validation_labels="teacher")
    assert ListeningSpec(temperature=3, validation_labels="teacher", validation_temperature=3.0) == untold
    assert ListeningSpec(temperature=3, validation_labels="teacher", validation_temperature=1) != untold
    assert read(changed(STUDENT, ("listening", "validation_temperature"), 3)).hash == read(STUDENT).hash


def test_a_validation_temperature_that_nobody_reads_is_no_part_of_the_name():
    true = changed(STUDENT, ("listening", "validation_labels"), "true")
    assert read(changed(true, ("listening", "validation_temperature"), 1)).hash == read(true).hash


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("seed",), 0),
        (("data", "imbalanced"), 3),
        (("data", "source"), ""),
        (("data", "source"), 3),
        (("view", "std"), [0]),
        (("view", "pads"), 3),
        (("network", "hiden"), [3]),
        (("network", "width"), 3),
        (("network", "kind"), "resnet50"),
        (("network",), {"kind": "resnet", "depth": 21}),
        (("network",), {"kind": "resnet", "depth": 18}),
        (("network",), {"kind": "resnet", "depth": 20, "stem": "small"}),
        (("training", "epoch"), 3),
        (("objective",), {"alpha": 0.5, "bias": "standard"}),
        (("objective",), "worst"),
        (("objective",), {"alpha": 1.2}),
        (("objective",), {"alpha": float("nan")}),
        (("data", "imbalance"), 0.5),
        (("data", "imbalance"), float("inf")),
        (("data", "subset_seed"), -1),
        (("data", "split_seed"), 2**63),
        (("order_seed",), "0"),
        (("initialisation_seed",), True),
        (("initialisation_seed",), 1.0),
        (("robust_k",), 0),
        (("network", "hidden"), [0]),
        (("teacher",), TEACHER),
        (("listening",), {"temperature": 1.0}),
    ],
)
def test_a_misspelt_field_or_an_impossible_value_is_refused(path, value):
    with pytest.raises(ValidationError):
        read(changed(TEACHER, path, value))


@pytest.mark.parametrize(
    "listening",
    [
        {},
        {"temperature": 0},
        {"temperature": float("inf")},
        {"temperature": 1, "validation_temperature": -1},
        {"temperature": 1, "onehot_weight": 1.5},
        {"temperature": 1, "validation_labels": "none"},
        {"temperature": 1, "teacher_view": "dirty"},
        {"temperature": 1, "feature_weight": -0.1},
        {"temperature": 1, "feature_weight": float("inf")},
        {"temperature": 1, "feature_weight": float("nan")},
    ],
)
def test_impossible_listening_is_refused(listening):
    with pytest.raises(ValidationError):
        read({**STUDENT, "listening": listening})


def test_a_spec_cannot_be_changed():
    spec = read(TEACHER)
    with pytest.raises(ValidationError, match="frozen"):
        spec.order_seed = 3
    assert isinstance(spec.network, MlpSpec)
    assert spec.network.hidden == (64,)


def test_the_seed_of_the_order_is_told_in_the_name_of_the_folder():
    assert read({**TEACHER, "order_seed": 7}).folder_name.endswith("-digits-robust-s7")
