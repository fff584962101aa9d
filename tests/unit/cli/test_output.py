import io
import json
import sys

import pytest

from scalr_tasks.cli.output import coloured, moment, write_fields, write_json, write_line, write_table, write_text

HOSTILE = ["a\x1b[2Jb", "a\nFAIL b", "a\rb", "a\x9b2Jb", "a\u202eb", "a\u2028b", "a\x00b"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_moves_the_cursor_forges_a_line_or_turns_the_writing_round(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(["job"], [{"job": text}])
    write_fields([("job", text)])
    write_line("ok  ", text, colour="green")

    written = capsys.readouterr().out
    assert len(written.splitlines()) == 4
    assert not set(written) & set("\x1b\r\x9b\u202e\u2028\x00")


@pytest.mark.parametrize("text", [*HOSTILE, "half \ud800 a pair"])
def test_json_writes_control_characters_as_escapes_and_keeps_the_text(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json({"job": text, "name": "Zoë"})

    written = capsys.readouterr().out
    assert json.loads(written) == {"job": text, "name": "Zoë"}
    assert not set(written) & set("\x1b\r\x9b\u202e\u2028\x00")
    assert "Zoë" in written


def test_a_character_that_stdout_cannot_write_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))

    write_text("Zoë × 2\nnext")
    sys.stdout.flush()

    assert raw.getvalue() == b"Zo\\xeb \\xd7 2\nnext\n"


def test_columns_are_as_wide_as_they_must_be(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(["job", "why"], [{"job": "a", "why": "failed"}, {"job": "a-longer-one", "why": ""}])

    assert capsys.readouterr().out == "JOB           WHY\na             failed\na-longer-one\n"


def test_a_field_without_a_value_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    write_fields([("job", "a"), ("error", "")])

    assert capsys.readouterr().out == "job  a\n"


def test_there_are_colours_only_at_a_terminal_that_nobody_asked_to_be_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere = coloured("ok", "green")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    at_a_terminal = coloured("ok", "green")
    monkeypatch.setenv("NO_COLOR", "1")

    assert (elsewhere, at_a_terminal, coloured("ok", "green")) == ("ok", "\x1b[32mok\x1b[0m", "ok")


@pytest.mark.parametrize(("at_ms", "shown"), [(None, ""), (0, ""), (10**18, str(10**18))])
def test_a_time_that_is_none_is_empty_and_an_absurd_one_is_its_number(at_ms: int | None, shown: str) -> None:
    assert moment(at_ms, 1_700_000_000_000) == shown
