"""What an exported network is fed with, and what it gives, for people."""

from typing import Any

from evendistill.data.wording import listed, shown

BEFORE = "as the network saw them in training: nothing in the file scales or normalises"


def fed_with(config: dict[str, Any]) -> str:
    """The inputs: shape, type, range, and what the file does to them.

    Args:
        config: what an exported folder says of itself.
    """
    told = config["inputs"]
    size = ", ".join(map(str, told["shape"]))
    shape = f"(B, {size})" if size else "(B,)"
    kind = "" if told["range"] is None else ", pixels in [0, 1]"
    kind += ", channels first" if told["range"] is not None and len(told["shape"]) == 3 else ""
    if (view := config["view"]) is not None:
        cut, resized = ("cropping, " if view["crop"] else ""), (", resizing" if view["resize"] else "")
        return f"{shape} {told['dtype']}{kind}; in the file is what follows: {cut}normalisation{resized}"
    if config["run"] is None:
        return f"{shape} {told['dtype']}, {BEFORE}"
    return f"{shape} {told['dtype']}{kind}; nothing is to be normalised"


def feeding(config: dict[str, Any]) -> str:
    """One line: how to feed the ONNX file, and the order of the classes.

    Args:
        config: what an exported folder says of itself.
    """
    names = config["class_names"]
    return shown(
        f"feed {config['inputs']['name']!r} with {fed_with(config)}; {config['outputs']['name']!r} are "
        f"(B, {len(names)}) raw scores, in this order: {listed(names)}"
    )
