"""Networks from elsewhere: each way of getting one wrong is one line."""

import functools
import importlib.util
import runpy
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from evendistill.models import own
from evendistill.models.own import ON_PATH, from_path, from_timm, imported

MODULE = """
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes, channels=1, width=2):
        super().__init__()
        self.got = {"num_classes": num_classes, "channels": channels, "width": width}

def recorded(got):
    network = nn.Identity()
    network.got = got
    return network

def plain(num_classes, width=2): return recorded({"num_classes": num_classes, "width": width})
def positional(channels, /, num_classes): return recorded({})
def keyword_only(*, num_classes, channels): return recorded({"num_classes": num_classes, "channels": channels})
def anything(**given): return recorded(given)
def starred(*channels, num_classes): return recorded({"num_classes": num_classes, "positional": channels})
def scores(num_classes): return [num_classes]
def broken(num_classes): return 1 + "a"
def long_winded(num_classes): raise TypeError("first\\nlast of many")
def refusing(num_classes): raise KeyError("its own affair")

answer = 42
"""


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Folder of a user's modules, on the path for the time of one test."""
    before = set(sys.modules)
    (tmp_path / "their_net.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def message(function, *args):
    """The one line of the ValueError."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the callers compare the whole message
        function(*args)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    return text


def test_the_callable_of_a_module_is_imported(modules):
    assert imported("their_net:Net")(3).got == {"num_classes": 3, "channels": 1, "width": 2}
    (modules / "theirs").mkdir()
    (modules / "theirs" / "deep.py").write_text("from torch.nn import Linear as make")
    assert imported("theirs.deep:make") is nn.Linear


@pytest.mark.parametrize("path", ["", "their_net", "their_net.Net", ":Net", "their_net:", ":"])
def test_a_path_of_another_form_is_refused(path):
    assert message(imported, path) == f'a network of your own is "package.module:callable", got {path!r}'


def test_a_module_that_is_not_there_is_named():
    assert message(imported, "no_such.net:Net") == (
        f"'no_such.net:Net': no_such.net cannot be imported: ModuleNotFoundError: No module named 'no_such'; {ON_PATH}"
    )


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("import no_such", "ModuleNotFoundError: No module named 'no_such'"),
        ("def f(:", "SyntaxError: invalid syntax"),
        ("raise RuntimeError('one\\ntwo')", "two"),
        ("raise RuntimeError", "RuntimeError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit('usage: ...')", "SystemExit: usage: ..."),
    ],
)
def test_a_module_that_fails_says_why_in_its_last_line(modules, code, line):
    (modules / "failing.py").write_text(code)
    assert message(imported, "failing:f") == f"'failing:f': failing cannot be imported: {line}"


def test_a_relative_module_is_refused():
    assert message(imported, ".net:f").startswith("'.net:f': .net cannot be imported: TypeError: ")


def test_a_name_that_is_not_there_is_named(modules):
    assert message(imported, "their_net:Nett") == "'their_net:Nett': their_net has no Nett; did you mean Net?"
    assert message(imported, "their_net:a:b") == "'their_net:a:b': their_net has no a:b"


def test_what_cannot_be_called_is_refused(modules):
    assert message(imported, "their_net:answer") == "'their_net:answer' must be callable, got int"


def test_the_current_directory_is_searched_only_if_the_path_has_it(tmp_path, monkeypatch, modules):
    (modules / "elsewhere").mkdir()
    (modules / "elsewhere" / "here_net.py").write_text("def f(): pass")
    monkeypatch.chdir(modules / "elsewhere")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", ".")])
    before = list(sys.path)
    assert "No module named 'here_net'" in message(imported, "here_net:f")
    assert sys.path == before
    sys.path.insert(0, "")
    assert imported("here_net:f").__name__ == "f"
    assert sys.path == ["", *before]


@pytest.mark.parametrize(
    ("name", "arguments", "got"),
    [
        ("Net", {}, {"num_classes": 7, "channels": 3, "width": 2}),
        ("Net", {"width": 5}, {"num_classes": 7, "channels": 3, "width": 5}),
        ("plain", {"width": 5}, {"num_classes": 7, "width": 5}),
        ("keyword_only", {}, {"num_classes": 7, "channels": 3}),
        ("anything", {"depth": 9}, {"num_classes": 7, "channels": 3, "depth": 9}),
        ("starred", {}, {"num_classes": 7, "positional": ()}),
    ],
)
def test_a_network_gets_the_classes_and_the_channels_that_it_takes(modules, name, arguments, got):
    assert from_path(f"their_net:{name}", 7, 3, arguments).got == got


def test_a_callable_without_a_signature_gets_no_channels(modules, monkeypatch):
    their_net = imported("their_net:plain").__globals__
    monkeypatch.setitem(their_net, "partial", functools.partial(their_net["plain"], width=4))
    assert from_path("their_net:partial", 7, 3, {}).got == {"num_classes": 7, "width": 4}

    class Unsigned:
        __signature__ = "none"

        def __call__(self, **given):
            return their_net["recorded"](given)

    monkeypatch.setitem(their_net, "unsigned", Unsigned())
    assert from_path("their_net:unsigned", 7, 3, {}).got == {"num_classes": 7}


def test_what_gives_no_network_is_refused(modules):
    assert message(from_path, "their_net:scores", 7, 3, {}) == "'their_net:scores' must give an nn.Module, got list"


@pytest.mark.parametrize(
    ("name", "arguments", "line"),
    [
        ("plain", {"depth": 1}, "TypeError: plain() got an unexpected keyword argument 'depth'"),
        ("plain", {"channels": 1}, "TypeError: plain() got an unexpected keyword argument 'channels'"),
        ("plain", {"num_classes": 1}, "TypeError: {plain} got multiple values for keyword argument 'num_classes'"),
        ("Net", {"channels": 1}, "TypeError: {Net} got multiple values for keyword argument 'channels'"),
        ("positional", {}, "TypeError: positional() missing 1 required positional argument: 'channels'"),
        ("broken", {}, "TypeError: unsupported operand type(s) for +: 'int' and 'str'"),
        ("long_winded", {}, "last of many"),
    ],
)
def test_a_call_that_does_not_fit_is_one_line_with_the_path(modules, name, arguments, line):
    line = line.format(plain="their_net.plain()", Net="their_net.Net()")
    text = message(from_path, f"their_net:{name}", 7, 3, arguments)
    assert text == f"'their_net:{name}' cannot be called: {line}"


def test_other_errors_of_the_call_are_the_users_to_see(modules):
    with pytest.raises(KeyError, match="its own affair"):
        from_path("their_net:refusing", 7, 3, {})


def test_a_path_that_is_wrong_is_refused_before_the_call(modules):
    assert (
        message(from_path, "their_net:Nett", 7, 3, {}) == "'their_net:Nett': their_net has no Nett; did you mean Net?"
    )


def stub(monkeypatch, create_model):
    monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=create_model))


def test_timm_gets_the_name_the_classes_and_the_channels(monkeypatch):
    calls, network = [], nn.Linear(1, 1)

    def create_model(*args, **given):
        calls.append((args, given))
        return network

    stub(monkeypatch, create_model)
    assert from_timm("resnet26", 7, 1, {"drop_rate": 0.1}) is network
    assert calls == [(("resnet26",), {"num_classes": 7, "in_chans": 1, "drop_rate": 0.1})]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("Unknown model (resnet_)"), "RuntimeError: Unknown model (resnet_)"),
        (AssertionError(), "AssertionError"),
        (TypeError("two\nlines"), "lines"),
    ],
)
def test_a_network_that_timm_does_not_make_is_one_line(monkeypatch, error, line):
    def create_model(name, **given):
        raise error

    stub(monkeypatch, create_model)
    assert message(from_timm, "resnet_", 7, 3, {}) == f"timm cannot make 'resnet_': {line}"


@pytest.mark.skipif(importlib.util.find_spec("timm") is not None, reason="timm is installed")
def test_without_timm_it_says_how_to_get_it():
    assert message(from_timm, "resnet26", 7, 3, {}) == (
        "timm cannot be imported: ModuleNotFoundError: No module named 'timm'; 'resnet26' needs `pip install timm`"
    )


@pytest.mark.parametrize("error", ["RuntimeError", "AttributeError", "OSError", "ImportError"])
def test_a_timm_that_fails_to_import_says_why(modules, monkeypatch, error):
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    (modules / "timm.py").write_text(f"raise {error}('operator torchvision::nms does not exist')")
    assert message(from_timm, "resnet26", 7, 3, {}) == (
        f"timm cannot be imported: {error}: operator torchvision::nms does not exist; "
        "'resnet26' needs `pip install timm`"
    )


def test_the_module_itself_does_not_import_timm(modules, monkeypatch):
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    (modules / "timm.py").write_text("raise RuntimeError")
    runpy.run_path(own.__file__)


def test_their_weights_come_from_the_global_generator_of_torch(modules):
    (modules / "drawing.py").write_text("from torch import nn\ndef f(num_classes): return nn.Linear(2, num_classes)")
    torch.manual_seed(3)
    expected = nn.Linear(2, 7).weight
    torch.manual_seed(3)
    assert torch.equal(from_path("drawing:f", 7, 1, {}).state_dict()["weight"], expected)
