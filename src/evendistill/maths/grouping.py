"""What may be judged in the place of classes, by name."""

from typing import Literal

Grouping = Literal["class", "attribute", "class x attribute"]
