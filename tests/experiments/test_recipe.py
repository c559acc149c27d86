"""Whatever a recipe file holds, the answer is a grid or one line that names file, field and mistake."""

import tracemalloc
from importlib import resources

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evendistill.experiments.objectives import ObjectiveSpec
from evendistill.experiments.recipe import MOST_BYTES, MOST_SEEDS, GridSpec, read_recipe
from evendistill.experiments.spec import MlpSpec
from evendistill.training.recipe import Recipe

DEMO = resources.files("evendistill.experiments").joinpath("recipes/demo.yaml").read_text(encoding="utf-8")
FIELDS = sorted(
    {"name", "data", "training", "teachers", "students", "seeds", "teacher_seed", "robust_k", "fixed", "alpha", "base"}
    | {"kind", "hidden", "width", "network", "objectives", "temperatures", "validation_temperatures", "source"}
    | {"validation_labels", "onehot_weight", "teacher_view", "feature_weight", "imbalance", "profile", "subset_seed"}
    | set(vars(Recipe()))
)
WORDS = ["mlp", "convnet", "standard", "robust", "true", "teacher", "digits", "matched", "step", "sgd", "last"]
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=8) | st.dates()
)
junk = st.recursive(
    scalars | st.integers(-(2**80), 2**80),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4) | st.integers(), inner, max_size=6)
    ),
    max_leaves=12,
)
TOKENS = ["!!int ", "!!float ", "!!bool ", "!!timestamp ", "!!binary ", "!!set ", "!!omap ", "!!python/name:os.system "]
TOKENS += [
    "name",
    "seeds",
    ": ",
    "\n",
    "\n  ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "&a ",
    "*a",
    "<<",
    "? ",
    "| ",
    "> ",
    '"',
]
TOKENS += [
    "---",
    "...",
    "%",
    "0x_",
    "1e5",
    "2001-99-99",
    "12:61",
    "x",
    "'",
    "#",
    "\t",
    "\x00",
    "\u2028",
    "é",
    "9" * 5000,
]


def put(plain, path, value):
    """The recipe with one value in another place's stead; numbers are positions in lists."""
    if not path:
        return value
    first, *rest = path
    if isinstance(plain, list):
        return [put(old, rest, value) if position == first else old for position, old in enumerate(plain)]
    return {**plain, first: put(plain.get(first, {}), rest, value)}


def places(plain, path=()):
    """Every place in nested mappings and lists."""
    yield path
    inside = plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ()
    for key, value in inside:
        yield from places(value, (*path, key))


def complaint(path):
    """The one line that a bad recipe gets, without the name of the file."""
    with pytest.raises(ValueError, match=r"recipe\.yaml") as caught:
        read_recipe(path)
    message = str(caught.value)
    assert type(caught.value) is ValueError
    assert message.startswith(str(path))
    assert len(message.splitlines()) == 1
    assert message.isprintable()
    assert len(message) < len(str(path)) + 700
    return message.removeprefix(str(path)).removeprefix(": ")


def test_the_packaged_demo_is_what_it_says(read_plain):
    grid = read_plain(DEMO)
    corners = [ObjectiveSpec.model_validate(name) for name in ("standard", "balanced", "robust")]
    assert grid.name == "digits-lt"
    assert grid.data.source == "digits"
    assert list(grid.teachers.objectives) == list(grid.students.objectives) == corners
    assert grid.teachers.network == MlpSpec(kind="mlp", hidden=(128, 128))
    assert grid.students.validation_labels == ("teacher", "true")
    assert grid.seeds == (0, 1, 2)
    assert grid.teacher_seed == "matched"
    assert grid.training.update_every != Recipe().update_every


def test_what_a_recipe_leaves_out_has_its_default(read_plain, plain):
    del plain["training"], plain["seeds"], plain["students"]
    grid = read_plain(plain)
    assert grid.training == Recipe()
    assert grid.seeds == (0, 1, 2)
    assert grid.students is None
    assert (grid.robust_k, grid.teacher_seed) == (1, "matched")


@pytest.mark.parametrize(
    ("told", "seeds"), [(4, (0, 1, 2, 3)), (1, (0,)), ([5, 2], (5, 2)), (1000, tuple(range(1000)))]
)
def test_seeds_are_a_count_or_a_list(read_plain, plain, told, seeds):
    assert read_plain({**plain, "seeds": told}).seeds == seeds


def test_a_bare_true_among_the_validation_labels_is_the_word(read_plain):
    assert "[teacher, true]" in DEMO
    assert yaml.safe_load(DEMO)["students"]["validation_labels"] == ["teacher", True]
    assert read_plain(DEMO).students.validation_labels == ("teacher", "true")


def test_objectives_may_be_names_or_mappings(read_plain, plain):
    told = ["robust", {"alpha": 0.5}, {"alpha": 0.5, "base": "standard"}]
    objectives = read_plain(put(plain, ["students", "objectives"], told)).students.objectives
    assert [objective.name for objective in objectives] == ["robust", "tradeoff-0.5", "tradeoff-0.5-standard"]


@pytest.mark.parametrize("number", ["1e-3", "1E-3", "+1e-3", "0.001", "1.0e-3"])
def test_a_number_may_be_written_with_an_exponent(read_plain, plain, number):
    """PyYAML by itself takes 1e-3 for a word."""
    text = yaml.safe_dump(put(plain, ["training", "learning_rate"], "RATE")).replace("RATE", number)
    assert read_plain(text).training.learning_rate == 0.001


def test_teachers_and_students_may_be_trained_in_ways_of_their_own(read_plain, plain):
    grid = read_plain(put(plain, ["students", "training"], {"epochs": 7}))
    assert (grid.training.epochs, grid.students.training.epochs, grid.teachers.training) == (2, 7, None)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (["seed"], "unknown field seed; did you mean seeds?"),
        (["traning"], "unknown field traning; did you mean training?"),
        (["training", "epoch"], "unknown field training.epoch; did you mean epochs?"),
        (["data", "imbalanc"], "unknown field data.imbalanc; did you mean imbalance?"),
        (["teachers", "network", "hiden"], "unknown field teachers.network.hiden; did you mean hidden?"),
        (["students", "temperature"], "unknown field students.temperature; did you mean temperatures?"),
        (["students", "training", "momentun"], "unknown field students.training.momentun; did you mean momentum?"),
        (["teacher_seed", "fix"], "unknown field teacher_seed.fix; did you mean fixed?"),
        (["data", "mlp"], "unknown field data.mlp"),
        (["xyzzy"], "unknown field xyzzy"),
        (["two\nlines\u2028"], r"unknown field two\nlines\u2028"),
    ],
)
def test_an_unknown_field_is_named_with_what_may_have_been_meant(write_recipe, plain, path, line):
    assert complaint(write_recipe(put(plain, path, 3))) == line


def test_a_misspelt_needed_field_is_called_misspelt_rather_than_missing(write_recipe, plain):
    plain["teacherss"] = plain.pop("teachers")
    assert complaint(write_recipe(plain)) == "unknown field teacherss; did you mean teachers?"


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (["students", "objectives"], [{"alpha": 1.2}], "objectives.0.alpha: must be at most 1,"),
        (["students", "objectives"], [{"base": "standard"}], "students.objectives.0.alpha: is missing"),
        (["students", "objectives"], ["robst"], "must be one of standard, balanced, robust or a mapping with alpha"),
        (["students", "objectives"], [], "students.objectives: "),
        (["students", "objectives"], "robust", "students.objectives: "),
        (["students", "objectives"], ["robust", {"alpha": 1}], "must differ from one another, got robust twice"),
        (["teachers", "objectives"], ["standard", "standard"], "must differ from one another, got standard twice"),
        (["students", "temperatures"], [0], "students.temperatures.0: must be above 0, got 0"),
        (["students", "temperatures"], [float("inf")], "temperatures.0: must be finite, got inf"),
        (["students", "temperatures"], [1, 1.0], "students.temperatures: must differ from one another, got 1.0 twice"),
        (["students", "temperatures"], 3, "students.temperatures: "),
        (["students", "validation_temperatures"], [2, 2], "students.validation_temperatures: must differ"),
        (["students", "validation_labels"], ["true", True], "students.validation_labels: must differ"),
        (["students", "validation_labels"], ["false"], "must be 'teacher' or 'true', got 'false'"),
        (["students", "validation_labels"], [], "students.validation_labels: "),
        (["students", "onehot_weight"], 1.5, "students.onehot_weight: "),
        (["teachers", "network"], {"kind": "resnet50"}, "teachers.network: "),
        (["teachers", "network"], {"kind": "resnet", "depth": 21}, "6 n + 2, such as 20, 32 or 56, got 21"),
        (["teachers", "network"], {"kind": "two\nlines"}, "teachers.network: "),
        (["teachers", "network"], {"hidden": [3]}, "teachers.network: must say its kind, such as {kind: mlp}; a"),
        (["teachers", "network"], "mlp", "teachers.network: "),
        (["teachers", "network", "hidden"], [8, 0], "teachers.network.hidden.1: must be at least 1"),
        (["data", "imbalance"], 0.5, "data.imbalance: must be at least 1, got 0.5"),
        (["data", "imbalance"], float("nan"), "data.imbalance: "),
        (["data", "profile"], "steep", "data.profile: must be 'exponential' or 'step', got 'steep'"),
        (["data", "subset_seed"], -1, "data.subset_seed: "),
        (["data"], None, "data: "),
        (["data", "source"], "", "data.source: must not be empty"),
        (["view"], {"stds": [1]}, "unknown field view.stds; did you mean std?"),
        (["view"], {"std": [0]}, "view.std.0: must be above 0, got 0"),
        (["training", "epochs"], 0, "training: epochs must be at least 1, got 0"),
        (["training", "epochs"], "5", "training: epochs must be"),
        (["training", "schedule"], "cosin", "schedule must be one of cosine, step, constant, got 'cosin'"),
        (["training", "milestones"], [1], "milestones belong to schedule 'step'"),
        (["training", 3], 4, "training.3: keys should be strings"),
        (["training"], [1], "training: "),
        (["name"], "../escape", "name: "),
        (["name"], "", "name: "),
        (["name"], "a\n", "name: "),
        (["name"], 3, "name: must be text, got 3"),
        (["seeds"], "three", "seeds: must be a list, or a count such as 3, got 'three'"),
        (["students", "temperatures"], 3, "students.temperatures: must be a list, such as [3], got 3"),
        (["training", "epochs"], 1.5, "training: epochs must be a whole number, got 1.5"),
        (["teachers", "network"], {"kind": "vit"}, "teachers.network: kind must be one of mlp, convnet, resnet"),
        (["teachers", "network"], {"kind": "vit"}, "got 'vit'; a network of your own is {kind: own, path: \""),
        (["teachers", "network"], "mlp", "must be a mapping of fields, such as {kind: mlp}, got 'mlp'; a network"),
        (["students", "objectives"], ["fancy"], "students.objectives.0: must be one of standard, balanced"),
        (["students", "objectives"], [{"kind": "fancy"}], "students.objectives.0: kind must be one of trade-off"),
        (["students", "objectives"], [{"alphas": [0, 1]}], "stands without a list around it: {alphas: [0, 0.5"),
        (["students", "objectives"], ["robust", {"alphas": [0]}], "students.objectives: a mapping of alphas stands"),
        (["selection"], {"rule": "best"}, "selection: rule must be one of paper, best-robust, weighted-sum"),
        (["robust_k"], 0, "robust_k: must be at least 1, got 0"),
        (["seeds"], 0, "seeds: must be a list or a count from 1 to 1000, got 0"),
        (["seeds"], -3, "seeds: must be a list or a count from 1 to 1000, got -3"),
        (["seeds"], MOST_SEEDS + 1, "seeds: must be a list or a count from 1 to 1000, got 1001"),
        (["seeds"], list(range(MOST_SEEDS + 1)), "seeds: "),
        (["seeds"], [], "seeds: "),
        (["seeds"], [0, 0], "seeds: must differ from one another, got 0 twice"),
        (["seeds"], [-1], "seeds.0: must be at least 0, got -1"),
        (["seeds"], [2**63], "seeds.0: "),
        (["seeds"], [1.5], "seeds.0: must be a whole number, got 1.5"),
        (["seeds"], True, "seeds: "),
        (["teacher_seed"], "macthed", "teacher_seed: must be matched or a mapping with fixed, got 'macthed'"),
        (["teacher_seed"], None, "teacher_seed: must be matched or a mapping with fixed, got None"),
        (["teacher_seed"], {"fixed": -1}, "teacher_seed.fixed: must be at least 0, got -1"),
        ([3], 4, "3: keys should be strings"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_field(write_recipe, plain, path, value, line):
    assert line in complaint(write_recipe(put(plain, path, value)))


@pytest.mark.parametrize("field", ["name", "data", "teachers"])
def test_a_missing_field_is_named(write_recipe, plain, field):
    del plain[field]
    assert complaint(write_recipe(plain)) == f"{field}: is missing"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", "a recipe is a mapping of fields, got NoneType"),
        ("- name: a list", "a recipe is a mapping of fields, got list"),
        ("hello", "a recipe is a mapping of fields, got str"),
        ("name: [small", ", line 1: not valid YAML: "),
        ("name: a\n\tdata: b", ", line 2: not valid YAML: "),
        ("name: a\n---\nname: b", ", line 2: not valid YAML: "),
        ("name: a\ndata: {source: digits, source: mnist}", ", line 2: not valid YAML: source is said twice"),
        ("name: a\nname: b", ", line 1: not valid YAML: name is said twice"),
        ("name: !!python/object/apply:os.system [ls]", "not valid YAML: could not determine a constructor"),
        ("name: 2001-99-99", "not valid YAML: a value cannot be read: "),
        ("name: !!bool maybe", "not valid YAML: a value cannot be read: "),
        ("name: !!timestamp soon", "not valid YAML: a value cannot be read: "),
        ("robust_k: " + "9" * 5000, "not valid YAML: a value cannot be read: "),
        ("name: *nobody", "not valid YAML: found undefined alias"),
        ("[" * 5000, "not a YAML text file"),
        (b"name: \xff\xfe", "not a YAML text file"),
        (b"name: \x00", "not valid YAML: "),
        ("#" * (MOST_BYTES + 1), "a recipe is at most 1 MiB"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_recipe_is_refused(write_recipe, content, line):
    assert line in complaint(write_recipe(content))


def test_a_missing_file_is_named(tmp_path):
    assert complaint(tmp_path / "recipe.yaml") == "there is no such recipe"
    (tmp_path / "recipe.yaml").mkdir()
    assert complaint(tmp_path / "recipe.yaml") == "there is no such recipe"


@pytest.mark.parametrize("field", ["name", "data", "seeds", "training", "teacher_seed", "epochs"])
def test_a_recipe_that_unfolds_a_millionfold_is_refused_without_unfolding_it(write_recipe, plain, field):
    """Nine lists of nine lists of ...: shown whole they take 45 MB, two levels more and no memory would hold them."""
    bomb = "\n".join(["  - &l0 [1, 1, 1]", *(f"  - &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 8))])
    plain.pop(field, None)
    text = yaml.safe_dump(plain) + f"{field}:\n{bomb}\n"
    if field == "epochs":
        text = yaml.safe_dump({**plain, "training": {}}).replace("training: {}", f"training:\n epochs:\n{bomb}")
    path = write_recipe(text)
    tracemalloc.start()
    try:
        assert field in complaint(path)
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


def check_answer(path, content):
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    try:
        grid = read_recipe(path)
    except ValueError:
        complaint(path)
    else:
        assert isinstance(grid, GridSpec)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(plain=junk)
def test_any_yaml_gives_a_grid_or_one_line(tmp_path_factory, plain):
    check_answer(tmp_path_factory.getbasetemp() / "recipe.yaml", yaml.safe_dump(plain))


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.sampled_from(list(places(yaml.safe_load(DEMO)))), value=junk)
def test_junk_in_any_place_of_a_good_recipe_gives_a_grid_or_one_line(tmp_path_factory, place, value):
    content = yaml.safe_dump(put(yaml.safe_load(DEMO), place, value))
    check_answer(tmp_path_factory.getbasetemp() / "recipe.yaml", content)


@settings(max_examples=300)
@given(tokens=st.lists(st.sampled_from(TOKENS), max_size=12))
def test_any_text_gives_a_grid_or_one_line(tmp_path_factory, tokens):
    check_answer(tmp_path_factory.getbasetemp() / "recipe.yaml", "".join(tokens))
