"""Words of messages that more than one reader of data needs."""

import unicodedata
from collections.abc import Iterable

MOST_LISTED = 20
UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # categories of what steers a terminal, or turns or hides the writing
JOINERS = "\u200c\u200d"  # within words of some scripts, and between the parts of an emoji


def shown(text: object) -> str:
    """The text as it can be shown anywhere: what would not be seen, but obeyed, is written out.

    Example:
        >>> print(shown("cat\\x1b[2J\\u202e"))
        cat\\x1b[2J\\u202e
    """
    hidden = {letter for letter in str(text) if unicodedata.category(letter) in UNSEEN and letter not in JOINERS}
    return "".join(ascii(letter)[1:-1] if letter in hidden else letter for letter in str(text))


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
