"""Whatever a recipe holds, every verb ends with an answer or one line, and writes nowhere but where it was told to."""

import contextlib
import io
import os
import re
import shutil
import signal
import sys
import unicodedata
import warnings
from unittest import mock

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evendistill import cli
from evendistill.experiments.grid import every_run
from evendistill.experiments.recipe import MOST_BYTES, read_recipe

RECIPE = yaml.safe_load("""{
  name: small, seeds: 2, teacher_seed: {fixed: 0}, robust_k: 1, grouping: class, view: null, published: null,
  data: {source: digits, imbalance: 5, profile: step, subset_seed: 1, group_column: null},
  training: {epochs: 2, learning_rate: 0.1, schedule: cosine, milestones: [], threads: 1},
  teachers: {
    network: {kind: own, path: "nets:small", arguments: {width: 8, names: [a, 1.5, null]}},
    objectives: [standard, {alpha: 0.5, base: standard}],
    mended: [post-shift, {kind: mean, others: [robust]}, {kind: logit-adjustment, tau: 0.5}]},
  students: {
    network: {kind: mlp, hidden: [4]}, objectives: {alphas: [0, 1], bases: [balanced]}, alone: true,
    temperatures: [3.0], validation_temperatures: [1.0], validation_labels: [teacher, "true"], onehot_weight: 0.0},
  baselines: [standard-distillation, {kind: logit-adjustment, taus: [0.5]}],
  selection: {rule: paper, factor: 1.0}, search: {epochs: 0.5, keep: 0.5}}
""")
VERBS = ("report", "select", "frontier", "diagnose")
# fmt: off
PATHS = ["../../x", "/etc/passwd", "/tmp/absolute/x", "..", ".", "a/../..", "~root/x", "//x", "x/", "C:\\x", "-rf"]
STEERING = ["\x1b[2J", "a\nb", "\r", "\x00", "\u202ea", "\u200f", "\ud800", "\x85", "\ufeff", "猫🐱", "é" * 200]
MARKUP = ["<script>alert(1)</script>", "[red]x[/red]", "[/]", "%s%n", "$(id)", "`id`", "'\";--", "&amp;", "|a|", "\\"]
LONG = ["x" * 300, "x" * 9_000, "x" * 50_000, "x/" * 3_000, "tradeoff-" * 40]
NUMBERS = [0, -1, 2**31, 2**63, 10**400, -(10**400), 1e308, 5e-324, float("nan"), float("inf"), -0.0, 1_000_000, 1001]
WORDS = ["standard", "robust", "teacher", "true", "mlp", "own", "paper", "all", "matched", "digits"]
values = st.recursive(
    st.sampled_from([None, True, False, b"\xff", [], {}, *PATHS, *STEERING, *MARKUP, *LONG, *NUMBERS, *WORDS])
    | st.integers() | st.floats() | st.text(max_size=20) | st.dates(),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from([*PATHS, *STEERING, "kind", "alpha", "alphas", "bases"]), inner, max_size=3),
    max_leaves=8,
)
NINES = [",".join([f"*b{n}"] * 9) for n in range(30)]
BOMB = f"[&b0 [{'1,' * 9}]{''.join(f', &b{n + 1} [{nine}]' for n, nine in enumerate(NINES))}]"
MERGED = f"{{<<: [&b0 {{a: 1}}{''.join(f', &b{n + 1} {{<<: [{nine}]}}' for n, nine in enumerate(NINES))}]}}"
RAW = [
    *(BOMB, MERGED, f"{{x: {BOMB}}}", f"{{{BOMB}: 1}}", "&s [*s]", "&s {a: *s}", "[&e standard, *e]", "*nobody", "&a"),
    *("{<<: 1}", "{<<: {a: 1}}", "!!python/object/apply:os.system [touch mark]", "!!python/name:os.system"),
    *("!!python/object/new:os.system [touch mark]", "!!python/module:os", "!!python/tuple [1]", "!import_call os"),
    *("!!set {a, b, c}", "!!omap [a: 1]", "!!pairs [a: 1]", "!!binary aGVsbG8=", "!!binary '???'", "2001-01-01"),
    *("2001-99-99", "2001-01-01T00:00:00Z", "12:30:45", "190:20:30.15", ":".join("1" * 100), ":".join("1" * 4_000)),
    *("0x" + "f" * 200, "0x" + "f" * 5_000, "0b" + "1" * 400, "0o7", "017", "9" * 250, "9" * 5_000, "1_000", "~"),
    *("1" + "0" * 400 + ".0", "1e400", "-.inf", ".nan", "yes", "{a: 1, a: 2}", "{[a]: 1}", "[.inf, .nan]", "[.nan]"),
    *("[" * 200 + "]" * 200, "[" * 3_000, "{a: " * 900 + "1" + "}" * 900, '["\\ud800"]'),
    *("{" + ", ".join(f"k{n}: 1" for n in range(3_000)) + "}", '"\\ud800"', "!!str 1", "!!int x", "!!float x"),
    *("{alphas: [" + "0.5," * 900 + "], bases: [" + "balanced," * 900 + "]}", "[" + "standard," * 2_000 + "]"),
    *(str([*range(1, 1001)]), "[{kind: mean, others: [" + "robust," * 200 + "]}]", "x" * 11_000, "!!null x"),
]
# fmt: on


def put(plain, path, value):
    """The recipe with one value in another place's stead."""
    if not path:
        return value
    first, *rest = path
    if isinstance(plain, list):
        return [put(old, rest, value) if position == first else old for position, old in enumerate(plain)]
    return {**plain, first: put(plain.get(first), rest, value)} if isinstance(plain, dict) else plain


def places(plain, path=()):
    """Every place in nested mappings and lists."""
    yield path
    inside = plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ()
    for key, value in inside:
        yield from places(value, (*path, key))


@st.composite
def recipes(draw):
    """A good recipe, one to three of whose values are not what they were; maybe spoilt as text too."""
    plain, raw = RECIPE, []
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(list(places(RECIPE))[1:]))
        if draw(st.booleans()):
            plain = put(plain, place, f"RAW{len(raw)}RAW")
            raw.append(draw(st.sampled_from([each for each in RAW if len(each) < 3_000])))
        else:
            plain = put(plain, place, draw(values))
    text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=draw(st.booleans()), width=10**6)
    for number, each in enumerate(raw):
        text = text.replace(f"RAW{number}RAW", each)
    content = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        at, junk = draw(st.integers(0, len(content))), draw(st.binary(max_size=6) | st.just(b"#" * MOST_BYTES))
        content = content[:at] + junk + content[at + draw(st.integers(0, 20)) :]
    return content


class Watcher:
    """Notes what this process writes, starts and connects to while it is on."""

    def __init__(self):
        self.inside, self.seen = None, []
        self.takes = {"os.mkdir": 1, "os.remove": 1, "os.rmdir": 1, "os.chmod": 1, "os.truncate": 1}
        self.takes |= {"os.rename": 2, "os.link": 2, "os.symlink": 2}
        never = r"os\.(system|exec|fork|posix_spawn)|subprocess\.Popen|pickle\.find_class|socket\.(connect|getaddrinfo)"
        self.never = re.compile(never)
        sys.addaudithook(self)

    def __call__(self, event, arguments):
        if self.inside is None:
            return
        if self.never.fullmatch(event):
            self.seen.append((event, str(arguments)[:200]))
            raise OSError(f"{event} is forbidden here")
        writes = event == "open" and bool((arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        for path in arguments[: 1 if writes else self.takes.get(event, 0)]:
            if isinstance(path, str | bytes | os.PathLike) and not self.may(os.path.realpath(os.fsdecode(path))):
                self.seen.append((event, os.fsdecode(path)))

    def may(self, path):
        return path.startswith(f"{self.inside}{os.sep}") or path == os.devnull or "__pycache__" in path

    @contextlib.contextmanager
    def on(self, inside):
        """Only in this folder may anything be written."""
        self.inside, self.seen = os.path.realpath(inside), []
        try:
            yield
        finally:
            self.inside = None
        assert self.seen == []


watcher = Watcher()


def too_long(*_):
    raise AssertionError("this took longer than a minute")


def evendistill(*words, out):
    """The command line in this process: exit code, standard output and error; it may write in one folder alone."""
    said, complained = io.StringIO(), io.StringIO()
    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(60)
    try:
        with (
            warnings.catch_warnings(),
            mock.patch.object(sys, "argv", ["evendistill", *map(str, words)]),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(complained),
            watcher.on(out),
            pytest.raises(SystemExit) as ended,
        ):
            cli.main()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return ended.value.code or 0, said.getvalue(), complained.getvalue()


def check_refused(done):
    code, out, err = done
    assert (code, out, err.count("\n"), err[-1:]) == (2, "", 1, "\n"), err
    assert err.startswith("evendistill: ")
    assert not [letter for letter in err[:-1] if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")]
    assert len(err) < 3_000


def check_folder_name(name, runs):
    """One component of a path, that leads nowhere but into the folder of runs."""
    assert len(name) <= 200
    assert re.fullmatch(r"[0-9a-f]{12}-[A-Za-z0-9.+-]*", name)
    assert (runs / name).resolve().parent == runs.resolve()


def check(content, root, verbs, *, smoke):
    """All that must hold of a recipe, whatever it is."""
    root = root / "fuzzed"
    (root / "in").mkdir(parents=True, exist_ok=True)
    shutil.rmtree(root / "out", ignore_errors=True)
    (root / "out" / "recipes").mkdir(parents=True)
    recipe, out = root / "in" / "recipe.yaml", root / "out"
    recipe.write_bytes(content)
    (out / "recipes" / "kept.yaml").write_bytes(content)
    done = evendistill("run", recipe, "--out", out, "--dry-run", out=out)
    assert list(out.rglob("*")) == [out / "recipes", out / "recipes" / "kept.yaml"]
    if is_good := done[0] == 0:
        runs = every_run(read_recipe(recipe)).values()
        names = {spec.folder_name for spec in runs}
        assert len(names) == len(runs)
        assert set(done[1].splitlines()) <= names
        for name in names:
            check_folder_name(name, out)
    else:
        check_refused(done)
    for verb in verbs:
        check_refused(evendistill(verb, recipe, "--out", out, out=out))
    code, said, complained = evendistill("status", out, out=out)
    assert (code, complained) == (0, "")
    assert said.startswith("0 finished" if not is_good else f"{len(done[1].splitlines())} waiting")
    if smoke:
        tried = evendistill("run", recipe, "--out", out, "--dry-run", "--smoke", out=out)
        assert (tried[0] == 0) if is_good else not check_refused(tried)
    assert sorted([*os.listdir(root), *os.listdir(root / "in")]) == ["in", "out", "recipe.yaml"]


def test_the_recipe_that_is_fuzzed_is_good(tmp_path):
    check(yaml.safe_dump(RECIPE).encode(), tmp_path, VERBS, smoke=True)
    assert len(every_run(read_recipe(tmp_path / "fuzzed" / "in" / "recipe.yaml"))) > 20


@pytest.mark.parametrize("place", [("robust_k",), ("teachers", "network", "arguments", "names")])
def test_no_trick_of_yaml_gets_past_the_reader(tmp_path, place):
    for raw in RAW:
        text = yaml.safe_dump(put(RECIPE, place, "RAW0RAW"), width=10**6)
        check(text.replace("RAW0RAW", raw).encode(), tmp_path, [], smoke=False)


@pytest.mark.parametrize(
    "content", [f"seeds: [{'1,' * 200_000}]", f"name: {'x' * MOST_BYTES}", "#" * (MOST_BYTES + 1)], ids=len
)
def test_a_file_that_is_too_large_is_not_read_to_its_end(tmp_path, content):
    check(content.encode(), tmp_path, [], smoke=False)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(content=recipes(), verb=st.sampled_from(VERBS), smoke=st.booleans())
def test_any_recipe_gives_an_answer_or_one_line(tmp_path_factory, content, verb, smoke):
    check(content, tmp_path_factory.getbasetemp(), [verb], smoke=smoke)


@pytest.mark.slow
@settings(max_examples=2_000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(content=recipes())
def test_thousands_of_recipes_give_an_answer_or_one_line(tmp_path_factory, content):
    check(content, tmp_path_factory.getbasetemp(), VERBS, smoke=True)
