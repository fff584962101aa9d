"""`docs/reference/cli.md`: every verb, as the click commands say."""

import re

import click
import pytest

from scalr_tasks.cli.app import VERBS, cli
from tests.docs.cli_reference import PAGE, leaves, page

COMMANDS = {" ".join(words): command for words, command in leaves(cli)}


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text("utf-8") == page(), "write it anew: python -m tests.docs.cli_reference"


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_tells_its_exit_codes(verb: str) -> None:
    command = COMMANDS[verb]

    assert isinstance(command, click.Group) or "Exit status: 0 " in (command.help or "")


@pytest.mark.parametrize(
    "verb", sorted(verb for verb in COMMANDS if re.search(r"list|show|tasks|queues|inspect|check", verb))
)
def test_every_verb_that_shows_something_writes_json_too(verb: str) -> None:
    assert any("--json" in parameter.opts for parameter in COMMANDS[verb].params)


def test_every_option_and_argument_is_explained() -> None:
    bare = [
        f"{verb} {parameter.opts[-1]}"
        for verb, command in COMMANDS.items()
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.help
    ]

    assert bare == []


def test_the_help_of_the_command_lists_every_verb_with_the_line_of_its_own_help() -> None:
    assert set(VERBS) == {verb for verb in COMMANDS if " " not in verb}
