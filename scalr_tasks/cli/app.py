"""The command `scalr-tasks`: its verbs, and how an error is shown.

A verb's module is imported only when the verb is used, so `--help` loads
neither arq, redis nor pydantic.

Exit status everywhere: 0 ok, 1 failed, 2 wrong usage or declaration, 3 not
found, 4 Redis not reachable.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from scalr_tasks.errors import (
    BrokerUnavailableError,
    DefinitionError,
    JobNotFoundError,
    ModuleError,
    ScalrTasksError,
    SettingsError,
    UnknownTaskError,
)
from scalr_tasks.names import nearest

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_NOT_FOUND: Final = 3
EXIT_UNREACHABLE: Final = 4

VERBS: Final[dict[str, tuple[str, str]]] = {
    "check": ("scalr_tasks.cli.check", "Find what is wrong before it goes wrong."),
    "dead": ("scalr_tasks.cli.dead", "Jobs that failed for good: list, show, retry, purge."),
    "demo": ("scalr_tasks.cli.demo", "Show typed tasks run through a real Redis, end to end."),
    "inspect": ("scalr_tasks.cli.inspect", "Show one job."),
    "lock": ("scalr_tasks.cli.lock", "Write the contract of a module's tasks to a file."),
    "migrate": ("scalr_tasks.cli.migrate", "Rewrite scalr_queue and arq code to typed tasks."),
    "parked": ("scalr_tasks.cli.parked", "Jobs that no running code understands: list, show, requeue, purge."),
    "queues": ("scalr_tasks.cli.queues", "Show what waits, what runs, and who works."),
    "stubs": ("scalr_tasks.cli.stubs", "Write typed handles for callers that cannot import a module."),
    "tasks": ("scalr_tasks.cli.tasks", "List a module's tasks."),
    "worker": ("scalr_tasks.cli.worker", "Run the jobs of a module's tasks."),
}
"""Verb -> module that holds it, and its help line."""


class Verbs(click.Group):
    """A group that loads a verb when it is used, and knows the nearest one."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return the verbs, in the order of the help."""
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        """Import a verb."""
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(VERBS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, VERBS[verb][1]) for verb in self.list_commands(ctx)])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest verb where there is none of that name."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            near = nearest(args[0], VERBS)
            hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(sorted(VERBS))}"
            raise click.UsageError(f"no command {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version  # noqa: PLC0415  costs 20 ms, and only --version needs it

        click.echo(f"scalr-tasks {version('scalr-tasks')}")
        ctx.exit()


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--redis-url", metavar="URL", help="Where Redis is, instead of SCALR_TASKS_REDIS_URL, REDIS_URL or localhost."
)
@click.option("--no-color", is_flag=True, help="No colours; NO_COLOR does the same.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def cli(redis_url: str | None, no_color: bool, debug: bool) -> None:  # noqa: ARG001  main() looks at --debug itself
    """Typed tasks over arq: run workers, look after jobs.

    Exit status: 0 ok, 1 failed, 2 wrong usage or declaration, 3 not found, 4 Redis not reachable.
    """
    if redis_url is not None:
        os.environ["SCALR_TASKS_REDIS_URL"] = redis_url
    if no_color:
        os.environ["NO_COLOR"] = "1"


def exit_status(error: ScalrTasksError) -> int:
    """Return the exit status that an error stands for."""
    match error:
        case BrokerUnavailableError():
            return EXIT_UNREACHABLE
        case JobNotFoundError():
            return EXIT_NOT_FOUND
        case DefinitionError() | ModuleError() | SettingsError() | UnknownTaskError():
            return EXIT_USAGE
    return EXIT_FAILED


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in arguments
    try:
        status = cli.main(args=list(arguments), prog_name="scalr-tasks", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except ScalrTasksError as error:
        if debug:
            raise
        click.echo(f"{type(error).__name__} [{error.code}]: {error}", err=True)
        sys.exit(exit_status(error))
    sys.exit(status if isinstance(status, int) else 0)
