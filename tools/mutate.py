"""Mutation testing of the mathematics and the objectives: ``python tools/mutate.py [--max-children N]``.

mutmut leaves decorated functions alone, and many of ours are properties or run under ``no_grad``. So mutmut works on a
copy of the tree, in which each decorated method hands over to an undecorated twin that it does mutate. Settings stand
in pyproject.toml under ``[tool.mutmut]``.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import libcst as cst

COPY = Path("build/mutation")
LEAST_SHARE_KILLED = 0.9


class Undecorate(cst.CSTTransformer):
    """Moves the body of each decorated method into an undecorated twin beside it."""

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef | cst.FlattenSentinel[cst.FunctionDef]:
        """Replace a decorated method by itself without a body, followed by its twin."""
        if not updated_node.decorators:
            return updated_node
        twin = f"_undecorated_{updated_node.name.value}"
        lead = cst.parse_module(f"def lead(self, *args, **kwargs):\n    return self.{twin}(*args, **kwargs)").body[0]
        shell = cst.ensure_type(lead, cst.FunctionDef).with_changes(
            name=updated_node.name, decorators=updated_node.decorators
        )
        return cst.FlattenSentinel([shell, updated_node.with_changes(name=cst.Name(twin), decorators=[])])


def make_copy() -> None:
    """A fresh copy of what mutmut needs, decorated methods split."""
    shutil.rmtree(COPY, ignore_errors=True)
    for folder in ("src", "tests"):
        shutil.copytree(folder, COPY / folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy("pyproject.toml", COPY)
    for room in ("maths", "objectives"):
        for path in (COPY / "src/evendistill" / room).glob("*.py"):
            path.write_text(cst.parse_module(path.read_text()).visit(Undecorate()).code)


def main() -> int:
    """Run mutmut, list what survived, and fail when too little was killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--max-children", default="2", help="mutants that run at the same time")
    arguments = parser.parse_args()
    make_copy()
    mutmut = [sys.executable, "-m", "mutmut"]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    for command in (["run", "--max-children", arguments.max_children], ["export-cicd-stats"], ["results"]):
        subprocess.run([*mutmut, *command], cwd=COPY, env=environment, check=True)
    stats = json.loads((COPY / "mutants/mutmut-cicd-stats.json").read_text())
    caught = stats["killed"] + stats["timeout"]
    sys.stdout.write(f"{stats}\n{caught} of {stats['total']} mutants were caught: {caught / stats['total']:.1%}\n")
    return 0 if caught >= LEAST_SHARE_KILLED * stats["total"] else 1


if __name__ == "__main__":
    sys.exit(main())
