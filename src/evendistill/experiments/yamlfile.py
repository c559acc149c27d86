"""YAML files read safely and strictly, with one clear line for what is not YAML."""

import re
from pathlib import Path
from typing import Any

import yaml

MOST_CHARACTERS = 500


class _StrictSafeLoader(yaml.SafeLoader):
    """YAML 1.2 forbids to say a field twice and reads 1e-3 as a number; PyYAML would drop the first and read a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        said = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := next((word for position, word in enumerate(said) if word in said[:position]), None):
            raise yaml.constructor.ConstructorError(None, None, f"{twice} is said twice", node.start_mark)
        return super().construct_mapping(node, deep)


_StrictSafeLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_yaml(path: Path) -> Any:  # noqa: ANN401 - whatever a file says
    """What a YAML file says, as plain values.

    Raises:
        ValueError: if it is not valid YAML, in one line with its place.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = printable(getattr(error, "problem", None) or str(error))
        raise ValueError(f"{path}{where}: not valid YAML: {problem}") from None
    except (UnicodeDecodeError, RecursionError):
        raise ValueError(f"{path}: not a YAML text file") from None
    except (ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:  # PyYAML lets them through
        raise ValueError(f"{path}: not valid YAML: a value cannot be read: {printable(str(error))}") from None


def printable(text: str) -> str:
    """One line of at most 500 characters, what cannot be shown escaped."""
    line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text[:MOST_CHARACTERS])
    return line + ("..." if len(text) > MOST_CHARACTERS else "")
