"""The two forms of a log line: text for eyes, one JSON object for machines.

Both write a record on one line, a traceback apart, whatever its message holds:
control characters are shown as escapes, so that no error's text can forge a
line or move the cursor.
"""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any, Final

MAX_ERROR_CHARS: Final = 300
"""Longest error text in a line; the whole of it is kept with the dead job."""

JOBS_LOGGER: Final = "scalr_tasks.worker"
"""The logger of the lines that begin with a mark."""

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters, line separators, and what turns the direction of writing round."""

_MARKS: Final = {
    "→": "36",
    "✓": "32",
    "✗": "33",
    "☠": "31",
    "←": "33",
    "~": "36",
    "■": "33",
    "⌛": "33",
    "⏸": "35",
    "◷": "36",
}
"""First character of a job's line -> its colour."""

_LEVEL_COLOURS: Final = {"WARNING": "33", "ERROR": "31", "CRITICAL": "31"}


def duration(ms: int) -> str:
    """Return a span of time for eyes.

    >>> [duration(ms) for ms in (41, 2000, 1540, 200_000, 7_500_000)]
    ['41 ms', '2 s', '1.5 s', '3 min 20 s', '2 h 5 min']
    """
    if ms < 1000:
        return f"{ms} ms"
    if ms < 59_950:
        return f"{round(ms / 1000, 1):g} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    big, small = (f"{hours} h", f"{minutes} min") if hours else (f"{minutes} min", f"{seconds} s")
    return big if small.startswith("0 ") else f"{big} {small}"


def one_line(text: str) -> str:
    """Return the first line of a text, cut to a bounded length."""
    lines = text.strip().splitlines()
    line = lines[0] if lines else ""
    return line if len(line) <= MAX_ERROR_CHARS else line[: MAX_ERROR_CHARS - 1] + "…"


def tame(text: str) -> str:
    r"""Return a text with its control characters as escapes, so that it cannot move the cursor or forge a line.

    >>> tame("a\x1b[2J")
    'a\\x1b[2J'
    """
    return _CONTROL.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _writable(text: str, encoding: str) -> str:
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _traceback(record: logging.LogRecord, formatter: logging.Formatter) -> str:
    said = getattr(record, "traceback", None)
    if isinstance(said, str):
        return said.rstrip()
    return formatter.formatException(record.exc_info) if record.exc_info else ""


class TextFormatter(logging.Formatter):
    """`18:34:07 ✓ send_invoice_email 1730 41 ms`, with colours where asked for."""

    def __init__(self, encoding: str = "utf-8", *, colours: bool = False) -> None:
        super().__init__()
        self._encoding = encoding
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, and its traceback below."""
        message = tame(record.getMessage())
        if record.name == JOBS_LOGGER and message[:1] in _MARKS:
            message = self._paint(message[0], _MARKS[message[0]]) + message[1:]
        else:
            message = f"{self._paint(record.levelname, _LEVEL_COLOURS.get(record.levelname))} {record.name} {message}"
        at = datetime.fromtimestamp(record.created, UTC).astimezone()
        line = f"{self._paint(f'{at:%H:%M:%S}', '2')} {message}"
        traceback = _traceback(record, self)
        if traceback:
            body = "\n".join(f"    {tame(part)}" for part in traceback.splitlines())
            line = f"{line}\n{self._paint(body, '2')}"
        return _writable(line, self._encoding)

    def _paint(self, text: str, colour: str | None) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colours and colour else text


class JsonFormatter(logging.Formatter):
    """`{"time": …, "level": …, "logger": …, "message": …, "event": …, "job": …}` on one line."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    def format(self, record: logging.LogRecord) -> str:
        """Return the JSON object of a record."""
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD and name not in line}
        traceback = _traceback(record, self)
        if traceback:
            line["traceback"] = traceback
        text = json.dumps(line, ensure_ascii=self._encoding.lower() not in {"utf-8", "utf8"}, default=_plain)
        return _writable(text, self._encoding)


def _plain(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001  an object of the app's; its line must come out all the same
        return f"<{type(value).__name__}>"
