"""Nothing in the package's source can run what a file holds."""

import ast
import re
from pathlib import Path

import pytest
import yaml

import evendistill

RUNNING_CODE = ("pickle", "cPickle", "_pickle", "dill", "joblib", "shelve", "cloudpickle", "marshal", "code", "pty")
UNSAFE_YAML = ("unsafe_load", "full_load", "unsafe_load_all", "full_load_all", "UnsafeLoader", "FullLoader", "Loader")


def faults(source):
    """What must not stand in the package's source: lines that load code from files, or could."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"imports {name}" for name in names if name.split(".")[0] in RUNNING_CODE)
        if isinstance(node, ast.Attribute | ast.Name):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            owner = node.value.id if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) else ""
            if name in UNSAFE_YAML and owner == "yaml":
                yield f"uses yaml.{name}"
        if isinstance(node, ast.Call):
            yield from _calls(node)


def _calls(node):
    name, told = ast.unparse(node.func), {each.arg: ast.unparse(each.value) for each in node.keywords}
    if name in ("eval", "exec", "compile", "__import__", "os.system", "os.popen", "runpy.run_path"):
        yield f"calls {name}"
    if re.search(r"(?<!safetensors\.)torch\.load$|hub\.load$", name) and told.get("weights_only") != "True":
        yield f"calls {name} without weights_only=True"
    if told.get("allow_pickle", "False") != "False" or told.get("shell", "False") != "False":
        yield f"calls {name} with {told}"
    if told.get("trust_remote_code", "False") != "False" or name.endswith("torch.jit.load"):
        yield f"calls {name}"
    if name in ("yaml.load", "yaml.load_all") and told.get("Loader") not in ("_StrictSafeLoader", "yaml.SafeLoader"):
        yield f"calls {name} with {told}"


@pytest.mark.parametrize(
    "source",
    [
        *("import pickle", "from dill import loads", "import joblib.memory", "def f():\n    import shelve", "eval(x)"),
        *(
            "torch.load(a)",
            "torch.load(a, weights_only=False)",
            "import torch as t\nt.hub.load(a)",
            "torch.jit.load(a)",
        ),
        *("yaml.unsafe_load(a)", "yaml.load(a, Loader=yaml.Loader)", "yaml.load(a, yaml.SafeLoader)", "os.system(a)"),
        *("np.load(a, allow_pickle=True)", "subprocess.run(a, shell=True)", "f(trust_remote_code=flag)", "exec(a)"),
    ],
)
def test_the_search_for_faults_finds_them(source):
    assert list(faults(source))


def test_nothing_in_the_package_can_run_what_a_file_holds():
    files = sorted(Path(evendistill.__file__).parent.rglob("*.py"))
    assert len(files) > 100
    found = {path.name: told for path in files if (told := list(faults(path.read_text("utf-8"))))}
    assert found == {}
    from evendistill.experiments.yamlfile import _StrictSafeLoader

    assert issubclass(_StrictSafeLoader, yaml.SafeLoader)
    assert not issubclass(_StrictSafeLoader, yaml.FullLoader)
