"""What the documentation site has that no file says: the command line as the program has it, results, the notebook."""

import json
import re
from pathlib import Path
from typing import Any

import typer
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]


def on_files(files: Files, config: Any) -> Files:  # noqa: ANN401 - mkdocs
    """Add the generated pages, and the result files that pages link to."""
    files.append(File.generated(config, "cli.md", content=command_line()))
    files.append(File.generated(config, "notebooks/start.md", content=notebook(ROOT / "docs/notebooks/start.ipynb")))
    kept = ROOT / "results"
    for path in sorted({*kept.rglob("*"), *(kept / "published").glob("*")}):  # a link, which rglob does not follow
        if path.suffix in (".md", ".svg", ".json", ".csv"):
            files.append(File.generated(config, str(path.relative_to(ROOT)), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:  # noqa: ANN401 - mkdocs
    """On the site ``results`` lies beside the pages, in the project beside their folder."""
    depth = page.file.src_uri.count("/")
    return re.sub(rf"\]\((\.\./){{{depth + 1}}}results/", f"]({'../' * depth}results/", markdown)


def command_line() -> str:
    """Every verb with its arguments, from the program itself."""
    from evendistill.cli import app

    command = typer.main.get_command(app)
    parts = ["# Command line", "Every verb has `--help`. What follows is made from the program."]
    for name, verb in getattr(command, "commands", {}).items():
        parts += [f"## evendistill {name}", verb.help or "", f"`{verb.epilog}`" if verb.epilog else ""]
        lines = [_line(each) for each in verb.params]
        parts += ["| argument | what it does |\n| --- | --- |\n" + "\n".join(lines)] if lines else []
    return "\n\n".join(part for part in parts if part) + "\n"


def _line(parameter: Any) -> str:  # noqa: ANN401 - of typer's own click
    names = ", ".join(f"`{each}`" for each in [*parameter.opts, *parameter.secondary_opts])
    word = getattr(parameter, "metavar", None) or ""
    kind = "" if getattr(parameter, "is_flag", False) else f" {word}".rstrip()
    told = (getattr(parameter, "help", None) or "").replace("|", "\\|")
    default = getattr(parameter, "default", None)
    said = f" Default: `{default}`." if default not in (None, False, True) and not callable(default) else ""
    return f"| {names}{kind.replace('|', chr(92) + '|')} | {told}{said} |"


def notebook(path: Path) -> str:
    """A notebook as a page: its text, its code, and what the code printed."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", []):
            if printed := "".join(output.get("text", output.get("data", {}).get("text/plain", []))):
                parts.append(f"```text\n{printed.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"
