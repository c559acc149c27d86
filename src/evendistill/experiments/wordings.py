"""What pydantic finds wrong with a value, in the words of a recipe: whole numbers, lists and mappings of fields."""

from typing import Any

NETWORK_OF_YOUR_OWN = 'a network of your own is {kind: own, path: "package.module:Class"}'
SUCH_AS = {"network": ", such as {kind: mlp}; " + NETWORK_OF_YOUR_OWN, "selection": ", such as {rule: paper}"}
SUCH_AS |= {
    "seeds": ", or a count such as 3",
    "objectives": ", such as [standard, robust]",
    "temperatures": ", such as [3]",
    "hidden": ", such as [128, 128]",
}
KINDS: dict[type, str] = {int: "a whole number", float: "a number", bool: "true or false", tuple: "a list"}
WORDS = {
    "missing": "is missing",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be finite",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} letters",
    "string_pattern_mismatch": "must be letters, digits, spaces, dots, dashes and underscores, the first no sign",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "too_short": "must be a list of at least {min_length}",
    "too_long": "must be a list of at most {max_length}",
    "dict_type": "must be a mapping of fields",
    "model_type": "must be a mapping of fields",
    "dataclass_type": "must be a mapping of fields",
    "model_attributes_type": "must be a mapping of fields",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
}


def worded(kind: str, message: str, context: dict[str, Any], field: str) -> str:
    """What is wrong with a value, without the value.

    Args:
        kind: of the mistake, as pydantic calls it.
        message: of pydantic, for kinds that have no words here.
        context: what pydantic knows beside it.
        field: the last part of the field's name.

    Example:
        >>> worded("greater_than_equal", "Input should be greater than or equal to 1", {"ge": 1}, "robust_k")
        'must be at least 1'
    """
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _of_a_kind(kind, context, field)
    if kind in WORDS:
        such = SUCH_AS.get(field, "") if WORDS[kind].startswith(("must be a mapping", "must be a list")) else ""
        return WORDS[kind].format(**context) + such
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _of_a_kind(kind: str, context: dict[str, Any], field: str) -> str:
    """One of several mappings, told apart by a word that is missing or unknown."""
    word = "rule" if "rule" in context["discriminator"] else "kind"
    if kind == "union_tag_not_found":
        return f"must say its {word}{SUCH_AS.get(field, '')}"
    own = f"; {NETWORK_OF_YOUR_OWN}" if "'own'" in context["expected_tags"] else ""
    known = context["expected_tags"].replace("'", "")
    return f"{word} must be one of {known}, got {context['tag']!r}{own}"
