"""Names that files give to the numbers in a column, which must be the same in every split."""

from collections.abc import Mapping

from evendistill.data.wording import listed

Names = tuple[str, ...]


def agreed_names(names: Mapping[str, Names | None], *, origin: str, things: str) -> Names | None:
    """The names that the splits give, which some may leave out; None if none gives any.

    Args:
        names: of each split.
        origin: the source, for messages.
        things: what is named, for messages: "classes".

    Raises:
        ValueError: if two splits give different names.
    """
    given = {split: found for split, found in names.items() if found is not None}
    if len(set(given.values())) > 1:
        first, *others = given
        other = next(split for split in others if given[split] != given[first])
        raise ValueError(
            f"{origin}: splits must name the {things} alike, but {first!r} has {listed(given[first])}"
            f" and {other!r} has {listed(given[other])}"
        )
    return next(iter(given.values()), None)
