"""Words of messages that more than one reader of data needs."""

from collections.abc import Iterable

MOST_LISTED = 20


def one_line(text: object) -> str:
    """The text with every run of white space, line ends too, as one space."""
    return " ".join(str(text).split())


def reason(error: BaseException) -> str:
    """What an error says, in one line; its kind if it says nothing."""
    return one_line(error) or type(error).__name__


def listed(words: Iterable[object]) -> str:
    """Words with commas between them, at most twenty, then how many more there are.

    Example:
        >>> listed(["img", "label"])
        'img, label'
    """
    texts = [one_line(word) for word in words]
    more = f" and {len(texts) - MOST_LISTED} more" if len(texts) > MOST_LISTED else ""
    return (", ".join(texts[:MOST_LISTED]) + more) or "none"
