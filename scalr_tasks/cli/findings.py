"""What a check found: one line for each thing that was looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from scalr_tasks.cli.output import write_json, write_line

Level = Literal["ok", "warning", "error"]

_MARKS: Final[dict[Level, tuple[str, str]]] = {
    "ok": ("ok  ", "green"),
    "warning": ("warn", "yellow"),
    "error": ("FAIL", "red"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at, and what was found."""

    part: str
    """What was checked: `definitions`, `redis`, `workers`, `self`."""
    level: Level
    text: str


def write_lines(lines: Sequence[Line], *, as_json: bool) -> bool:
    """Write what was found, and return whether none of it is an error."""
    if as_json:
        write_json([{"part": line.part, "level": line.level, "text": line.text} for line in lines])
    else:
        for line in lines:
            mark, colour = _MARKS[line.level]
            write_line(mark, line.text, colour=colour)
    return all(line.level != "error" for line in lines)
