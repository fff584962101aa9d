"""What `Registry.check` finds: declarations that cannot work, and those that probably should not.

Reads next: `definition.py`, whose `collecting_errors` gathers what is raised on import.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `Registry.check` has to say."""

    level: Literal["error", "warning"]
    text: str
    task: str | None = None
    """The task it is about, if it is about one."""
    where: str | None = None
    """`path/of/module.py:12`, where that is known."""

    def __str__(self) -> str:
        """Return the finding on one line."""
        return f"{self.level}: {self.text}"


def near_queue_names(names: Iterable[str]) -> list[Finding]:
    """Warn of queue names that differ by one typing mistake.

    >>> [str(each) for each in near_queue_names(["bulk", "bluk", "mail"])]
    ["warning: queues 'bluk' and 'bulk' are one typing mistake apart; is one of them meant to be the other?"]
    """
    return [
        Finding(
            "warning",
            f"queues {one!r} and {other!r} are one typing mistake apart; is one of them meant to be the other?",
        )
        for one, other in combinations(sorted(names), 2)
        if one_edit_apart(one, other)
    ]


def one_edit_apart(one: str, other: str) -> bool:
    """Tell whether one insertion, deletion, replacement or swap of neighbours turns one text into the other.

    Names that differ in a digit only (`bulk1`, `bulk2`) are meant to.

    >>> one_edit_apart("bulk", "bluk")
    True
    """
    if len(one) > len(other):
        one, other = other, one
    start = 0
    while start < len(one) and one[start] == other[start]:
        start += 1
    mine, theirs = one[start:], other[start:]
    if len(one) != len(other):
        return theirs[1:] == mine and not theirs[:1].isdigit()
    if mine[1:] == theirs[1:]:
        return mine != theirs and not (mine[:1].isdigit() and theirs[:1].isdigit())
    return mine[:2] == theirs[1::-1] and mine[2:] == theirs[2:]
