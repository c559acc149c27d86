"""YAML files read safely and strictly, with one clear line for what is not YAML."""

import re
from pathlib import Path
from typing import Any

import yaml

MOST_CHARACTERS = 500
MOST_VALUES = 50_000  # of a file whose aliases are written out; reading so many takes seconds
MOST_LETTERS = 10_000  # of one value
MOST_DIGITS = 300  # of a whole number: more are no fraction, and take long to read


class _StrictSafeLoader(yaml.SafeLoader):
    """YAML 1.2 forbids to say a field twice and reads 1e-3 as a number; PyYAML would drop the first and read a word.

    Aliases can make a short file endless, so its values are counted before they are made.
    """

    nodes = 0

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            _check_size(node)
        return node

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - PyYAML's own
        self.nodes += 1
        if self.nodes > MOST_VALUES:
            raise _too_much("", None if parent is None else parent.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        said: set[str] = set()
        for word in (key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if word in said:
                raise yaml.constructor.ConstructorError(None, None, f"{word} is said twice", node.start_mark)
            said.add(word)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        if len(node.value) > MOST_DIGITS or abs(number := super().construct_yaml_int(node)) >= 10**MOST_DIGITS:
            raise ValueError(f"a whole number has at most {MOST_DIGITS} digits")
        return number


_StrictSafeLoader.add_constructor("tag:yaml.org,2002:int", _StrictSafeLoader.construct_yaml_int)
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


def _check_size(node: yaml.Node) -> None:
    """Refuse a file that holds too much, naming the innermost field that does."""
    sizes: dict[int, int] = {}
    if _size(node, sizes) <= MOST_VALUES:
        return
    fields: list[str] = []
    while isinstance(node, yaml.MappingNode):
        sizes[id(node)] = 0  # seen: it may hold itself
        inside = next(((key, each) for key, each in node.value if sizes[id(each)] > MOST_VALUES), None)
        if inside is None:
            break
        field, node = inside
        fields.append(str(field.value) if isinstance(field, yaml.ScalarNode) else "?")
    raise _too_much(f"{'.'.join(fields)}: " if fields else "", node.start_mark)


def _too_much(where: str, mark: yaml.Mark | None) -> yaml.YAMLError:
    problem = f"{where}more than {MOST_VALUES:,} values, or one of more than {MOST_LETTERS:,} letters"
    return yaml.constructor.ConstructorError(None, None, problem, mark)


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node holds once its aliases are written out; too many if it holds itself."""
    if id(node) not in known:
        known[id(node)] = MOST_VALUES + 1
        if isinstance(node, yaml.ScalarNode):
            known[id(node)] = 1 if len(node.value) <= MOST_LETTERS else MOST_VALUES + 1
        else:
            pairs = isinstance(node, yaml.MappingNode)
            inside = (each for pair in node.value for each in pair) if pairs else iter(node.value)
            known[id(node)] = min(1 + sum(_size(each, known) for each in inside), MOST_VALUES + 1)
    return known[id(node)]


def printable(text: str) -> str:
    """One line of at most 500 characters, what cannot be shown escaped."""
    line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text[:MOST_CHARACTERS])
    return line + ("..." if len(text) > MOST_CHARACTERS else "")
