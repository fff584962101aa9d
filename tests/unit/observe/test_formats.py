"""`scalr_tasks/observe/formats.py`."""

import json
import logging
import re
import sys
from typing import Any

import pytest

from scalr_tasks.observe.formats import JOBS_LOGGER, MAX_ERROR_CHARS, JsonFormatter, TextFormatter, duration, one_line


def record(message: str, *args: object, name: str = JOBS_LOGGER, level: int = logging.INFO, **extra: object) -> Any:
    made = logging.LogRecord(name, level, __file__, 1, message, args, None)
    vars(made).update(extra)
    return made


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1000, "1 s"),
        (1540, "1.5 s"),
        (59_949, "59.9 s"),
        (59_999, "1 min"),
        (60_000, "1 min"),
        (200_000, "3 min 20 s"),
        (3_599_600, "1 h"),
        (7_500_000, "2 h 5 min"),
        (90_000_000, "25 h"),
    ],
)
def test_a_span_is_short_to_read(ms: int, text: str) -> None:
    assert duration(ms) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [("", ""), ("\n\n421 try later\nat mail.py", "421 try later"), ("x" * 999, "x" * (MAX_ERROR_CHARS - 1) + "…")],
)
def test_an_error_is_cut_to_a_line(text: str, line: str) -> None:
    assert one_line(text) == line


def test_a_line_of_text_is_time_mark_and_message() -> None:
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d ✓ send j1 41 ms", TextFormatter().format(record("✓ %s %s 41 ms", "send", "j1"))
    )


def test_a_line_of_another_logger_says_level_and_name() -> None:
    line = TextFormatter().format(record("✓ paid", name="app.billing", level=logging.WARNING))

    assert line.endswith(" WARNING app.billing ✓ paid")


def test_colours_are_written_only_where_asked_for() -> None:
    line = record("✗ send j1 SMTPError: 421")

    assert "\x1b" not in TextFormatter().format(line)
    assert "\x1b[33m✗\x1b[0m send j1" in TextFormatter(colours=True).format(line)


@pytest.mark.parametrize("forged", ["a\n18:00:00 ✓ forged", "a\r✓", "a\x1b[2J", "a\x9b2J", "a\u2028b"])
def test_no_text_of_an_error_can_forge_a_line(forged: str) -> None:
    line = TextFormatter(colours=True).format(record("✗ send j1 %s", forged))

    assert len(line.splitlines()) == 1
    assert "\x1b[2J" not in line
    assert "\x9b" not in line


def test_a_traceback_stands_below_its_line() -> None:
    line = TextFormatter().format(record("☠ send j1", traceback="Traceback:\n  mail.py\n"))

    assert line.splitlines()[1:] == ["    Traceback:", "      mail.py"]


def test_a_character_that_the_stream_cannot_write_is_escaped() -> None:
    assert r"\u2713 send" in TextFormatter("ascii").format(record("✓ send"))


def test_a_json_line_is_one_object_with_what_extra_holds() -> None:
    made = record("✓ %s", "send", event="attempt.succeeded", job="j1", attempt=2)
    made.created = 0.123

    line = JsonFormatter().format(made)

    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.123Z",
        "level": "info",
        "logger": JOBS_LOGGER,
        "message": "✓ send",
        "event": "attempt.succeeded",
        "job": "j1",
        "attempt": 2,
    }
    assert "✓" in line


def test_a_json_line_stays_one_line() -> None:
    made = record("a\nb", traceback="c\nd")

    assert "\n" not in JsonFormatter().format(made)
    assert json.loads(JsonFormatter().format(made))["traceback"] == "c\nd"


def test_an_exception_is_written_as_its_traceback() -> None:
    made = record("failed", level=logging.ERROR)
    try:
        int("x")
    except ValueError:
        made.exc_info = sys.exc_info()

    assert "ValueError" in json.loads(JsonFormatter().format(made))["traceback"]
    assert "    Traceback (most recent call last):" in TextFormatter().format(made)


class Silent:
    def __str__(self) -> str:
        raise ValueError("no text")


def test_an_object_without_a_text_does_not_lose_the_line() -> None:
    assert json.loads(JsonFormatter().format(record("a", order=Silent(), path={1, 2})))["order"] == "<Silent>"


def test_half_a_surrogate_pair_does_not_lose_the_line() -> None:
    for encoding in ("utf-8", "ascii"):
        assert JsonFormatter(encoding).format(record("a\ud800b")).encode(encoding)
        assert TextFormatter(encoding).format(record("a\ud800b")).encode(encoding)


def test_json_for_a_narrow_stream_is_still_the_same_text() -> None:
    line = JsonFormatter("ascii").format(record("✓ send"))

    assert line.isascii()
    assert json.loads(line)["message"] == "✓ send"
