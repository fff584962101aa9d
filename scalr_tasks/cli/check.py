"""`scalr-tasks check`: what is wrong before it goes wrong; every finding at once.

Each part is a file of its own, imported when it is asked for: `--self` runs
every few seconds in a container, and loads neither arq, redis nor pydantic.
"""

from pathlib import Path

import click

from scalr_tasks.cli.app import EXIT_FAILED
from scalr_tasks.cli.findings import Line, write_lines


@click.command()
@click.argument("modules", nargs=-1, metavar="[MODULE[:REGISTRY]]...")
@click.option("--definitions", is_flag=True, help="The declarations of MODULE alone; no Redis is needed.")
@click.option("--self", "itself", is_flag=True, help="The workers of this container alone, over their sockets.")
@click.option(
    "--lock",
    "lock",
    is_flag=False,
    flag_value="tasks.lock.json",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Compare MODULE with a lock file; tasks.lock.json where no FILE is given.",
    metavar="[FILE]",
)
@click.option("--queued", is_flag=True, help="Validate every queued job against MODULE; changes nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def command(
    modules: tuple[str, ...], definitions: bool, itself: bool, lock: Path | None, queued: bool, as_json: bool
) -> None:
    """Find what is wrong with tasks, Redis and workers, all of it at once.

    The declarations of MODULE, then Redis, then whether a living worker serves each queue of MODULE, even an empty
    one; without MODULE, Redis and the queues that are known. A worker killed without notice counts as alive for 12 s.

    --self asks the workers that were started in this folder by this user (SCALR_TASKS_SOCKET_DIR names another place)
    whether their event loops turn. It is meant for the probe of a container.

    --lock tells changes that break queued jobs, other services or readers of results from safe ones. --queued names
    each job in Redis that the new code could not run. Both are for CI, before a deploy.

    Exit status: 0 nothing is wrong, or warnings only; 1 an error; 2 a module cannot be imported, or wrong usage.
    """
    for option, is_given in (("--definitions", definitions), ("--lock", lock is not None), ("--queued", queued)):
        if is_given and not modules:
            raise click.UsageError(f"{option} needs a MODULE")
    lines: list[Line] = []
    if definitions:
        lines += _definitions(modules)
    if itself:
        lines += _itself()
    if lock is not None or queued:
        lines += _contract(modules, lock, queued=queued)
    if not (definitions or itself or lock is not None or queued):
        lines += _everything(modules)
    if not write_lines(lines, as_json=as_json):
        raise SystemExit(EXIT_FAILED)


def _definitions(modules: tuple[str, ...]) -> list[Line]:
    from scalr_tasks.cli.check_definitions import definition_lines, load  # noqa: PLC0415  loads pydantic

    return definition_lines(load(modules))


def _itself() -> list[Line]:
    from scalr_tasks.cli.check_self import self_lines  # noqa: PLC0415  only this part needs sockets

    return self_lines()


def _contract(modules: tuple[str, ...], lock: Path | None, *, queued: bool) -> list[Line]:
    from scalr_tasks.cli.check_contract import lock_lines, queued_lines  # noqa: PLC0415  loads pydantic and redis
    from scalr_tasks.cli.modules import load_registries  # noqa: PLC0415  likewise

    registries = load_registries(modules)
    lines = [] if lock is None else lock_lines(registries, lock)
    return [*lines, *queued_lines(registries)] if queued else lines


def _everything(modules: tuple[str, ...]) -> list[Line]:
    from scalr_tasks.cli.check_definitions import definition_lines, load  # noqa: PLC0415  loads pydantic
    from scalr_tasks.cli.check_workers import redis_and_worker_lines  # noqa: PLC0415  loads redis

    loaded = load(modules)
    return [*definition_lines(loaded), *redis_and_worker_lines(loaded.registries, modules)]
