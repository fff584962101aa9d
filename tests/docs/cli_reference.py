"""Writes `docs/reference/cli.md`: every verb with its options and exit codes, from the click commands.

python -m tests.docs.cli_reference
"""

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from scalr_tasks.cli.app import cli

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "cli.md"

INTRODUCTION = """# Command line

`python -m scalr_tasks` is the same as `scalr-tasks`.
Data goes to stdout, log lines, questions and errors to stderr.
`--json` writes one document; control characters in what comes from Redis are written as escapes everywhere.
An error is one line that begins with its class and [code](errors/); `--debug` adds the traceback.

Exit status everywhere: 0 ok, 1 failed or unhealthy, 2 wrong usage or declaration, 3 not found, 4 Redis not reachable (`check` reports that as one of its findings, with 1).

The options below stand between `scalr-tasks` and the verb.
"""


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that lead to it, groups before what is in them."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        yield (*path, name), found
        if isinstance(found, click.Group):
            yield from leaves(found, (*path, name))


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, *_options(cli)]
    for words, command in leaves(cli):
        parts += [f"{'#' * (len(words) + 1)} {' '.join(words)}", "", "```", _usage(command, words), "```", ""]
        parts += [_text(command), ""]
        if not isinstance(command, click.Group):
            parts += _options(command)
    return "\n".join(parts).rstrip() + "\n"


def _usage(command: click.Command, words: tuple[str, ...]) -> str:
    pieces = command.collect_usage_pieces(click.Context(command))
    return " ".join(["scalr-tasks", *words, *(piece for piece in pieces if piece != "[OPTIONS]")])


def _text(command: click.Command) -> str:
    """The help of a command: one line for each sentence's paragraph."""
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _options(command: click.Command) -> list[str]:
    """The table of a command's options; its arguments stand in the usage. Not click's own text, which varies."""
    options = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
    rows = [f"| `{_cell(_names(each))}` | {_cell(_help(each))} |" for each in options]
    return ["| option | |", "| --- | --- |", *rows, ""] if rows else []


def _names(option: click.Option) -> str:
    names = ", ".join(option.opts)
    return names if option.is_flag else f"{names} {option.metavar or 'N'}"


def _help(option: click.Option) -> str:
    shown = f" Default {option.default}." if option.show_default else ""
    return f"{option.help}{shown}"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
