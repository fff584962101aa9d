"""How a verb writes: aligned tables or JSON on stdout, colours only at a terminal.

Texts come from Redis, where anybody may have put them: control characters are
written as escapes, in tables and in JSON alike.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click

from scalr_tasks.observe.formats import tame

_ABOVE_ASCII: Final = re.compile(r"[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What json.dumps leaves as it is, and a terminal should not be given."""


def write_json(value: Any, *, compact: bool = False) -> None:
    """Write one JSON document; on one line where `compact` says so."""
    text = json.dumps(value, indent=None if compact else 2, ensure_ascii=False)
    _write(_ABOVE_ASCII.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def write_table(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """Write rows under upper-case headings, columns as wide as they must be."""
    cells = [[tame(row[column]) for column in columns] for row in rows]
    _write_aligned([[column.upper() for column in columns], *cells])


def write_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Write names and values below each other, leaving out what has no value."""
    _write_aligned([[name, tame(value)] for name, value in fields if value])


def write_text(text: str, *, indent: str = "") -> None:
    """Write a text of several lines."""
    for line in text.splitlines():
        _write(indent + tame(line))


def write_line(mark: str, text: str, *, colour: str) -> None:
    """Write a line that begins with a mark in a colour."""
    _write(f"{coloured(mark, colour)} {tame(text)}")


def write_error(text: str) -> None:
    """Write one line to stderr; the verb goes on."""
    click.echo(tame(text), err=True)


def coloured(text: str, colour: str) -> str:
    """Return the text in a colour, where stdout is a terminal and nobody said no to colours."""
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return click.style(text, fg=colour)


def _write_aligned(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        _write("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _write(text: str) -> None:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding))


# -- times -------------------------------------------------------------------------------


def age(milliseconds: int) -> str:
    """Return a span in the largest unit that fits: `41ms`, `3s`, `14m`, `7h`, `2d`.

    >>> age(840_000)
    '14m'
    """
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds >= size:
            return f"{milliseconds // size}{unit}"
    return f"{max(0, milliseconds)}ms"


def span(milliseconds: int) -> str:
    """Return a length of time for eyes: `0.5s`, `45s`, `30m`, `7h 12m`.

    >>> [span(ms) for ms in (500, 45_000, 1_800_000, 25_920_000)]
    ['0.5s', '45s', '30m', '7h 12m']
    """
    seconds = round(milliseconds / 1000)
    if seconds < 120:
        return f"{milliseconds / 1000:.3g}s" if seconds < 10 else f"{seconds}s"
    hours, minutes = divmod(seconds // 60, 60)
    if not hours:
        return f"{minutes}m"
    return f"{hours}h {minutes}m" if minutes else f"{hours}h"


def moment(at_ms: int | None, now_ms: int) -> str:
    """Return a time with its distance from now; empty where there is none, or it is absurd.

    >>> moment(1_700_000_000_000, 1_700_000_180_000)
    '2023-11-14 22:13:20 UTC (3m ago)'
    >>> moment(1_700_000_000_000, 1_699_999_940_000)
    '2023-11-14 22:13:20 UTC (in 1m)'
    """
    if not at_ms:
        return ""
    try:
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):  # a foreign score may be any number
        return str(at_ms)
    distance = f"in {age(at_ms - now_ms)}" if at_ms > now_ms else f"{age(now_ms - at_ms)} ago"
    return f"{at:%Y-%m-%d %H:%M:%S} UTC ({distance})"
