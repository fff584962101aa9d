"""`scalr-tasks tasks`: what a module declares."""

from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

import click

from scalr_tasks.cli.modules import load_registries
from scalr_tasks.cli.output import span, write_json, write_table
from scalr_tasks.clock import SYSTEM_CLOCK
from scalr_tasks.registry.declaration import Declaration

NEXT_RUNS: Final = 5


@click.command()
@click.argument("modules", nargs=-1, required=True, metavar="MODULE[:REGISTRY]...")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--schema", is_flag=True, help="The JSON Schema of every task's arguments and result, as one document.")
@click.option("--asyncapi", is_flag=True, help="An AsyncAPI 3 document of one MODULE.")
def command(modules: tuple[str, ...], as_json: bool, schema: bool, asyncapi: bool) -> None:
    """List a module's tasks: signature, queue, rules, and the next runs of cron tasks.

    Exit status: 0 listed, 2 a module cannot be imported or a declaration cannot work.
    """
    if schema or asyncapi:
        _write_documents(modules, asyncapi=asyncapi)
        return
    declarations = [
        declaration for registry in load_registries(modules) for declaration in registry.app().declarations.values()
    ]
    if as_json:
        write_json([as_document(declaration) for declaration in declarations])
        return
    write_table(
        ["task", "queue", "retries", "timeout", "version"],
        [
            {
                "task": f"{one.name}{one.arguments.text}",
                "queue": one.queue,
                "retries": str(one.policy.retries),
                "timeout": span(one.policy.timeout_ms),
                "version": str(one.version),
            }
            for one in declarations
        ],
    )
    cron = [one for one in declarations if one.schedule is not None]
    if cron:
        click.echo()
        write_table(["cron", "due", "next runs (UTC)"], [_cron_row(one) for one in cron])


def _write_documents(modules: tuple[str, ...], *, asyncapi: bool) -> None:
    from scalr_tasks.registry.schema_documents import (  # noqa: PLC0415  only these two options need it
        asyncapi_document,
        schema_document,
    )

    apps = [registry.snapshot() for registry in load_registries(modules)]
    if asyncapi and len(apps) > 1:
        raise click.UsageError("--asyncapi describes one MODULE; give one")
    documents = [asyncapi_document(app) if asyncapi else schema_document(app) for app in apps]
    write_json(documents[0] if len(documents) == 1 else documents)


def next_runs(declaration: Declaration, count: int = NEXT_RUNS) -> list[datetime]:
    """Return the next runs of a cron task, in UTC."""
    if declaration.schedule is None:
        return []
    now = datetime.fromtimestamp(SYSTEM_CLOCK.now_ms() / 1000, UTC)
    return list(islice(declaration.schedule.ticks(now), count))


def as_document(declaration: Declaration) -> dict[str, Any]:
    """Return a task for `--json`."""
    policy, schedule = declaration.policy, declaration.schedule
    return {
        "name": declaration.name,
        "registry": declaration.registry,
        "where": declaration.where,
        "signature": declaration.arguments.text,
        "queue": declaration.queue,
        "version": declaration.version,
        "retries": policy.retries,
        "timeout_s": policy.timeout_ms / 1000,
        "backoff": {
            "first_s": policy.backoff.first,
            "factor": policy.backoff.factor,
            "max_s": policy.backoff.max,
            "jitter": policy.backoff.jitter,
        },
        "keep_result_s": policy.keep_result_ms / 1000,
        "expires_s": None if policy.expires_ms is None else policy.expires_ms / 1000,
        "cron": None
        if schedule is None
        else {
            "line": schedule.cron,
            "timezone": schedule.timezone,
            "catch_up": schedule.catch_up,
            "overlap": schedule.overlap,
            "next_runs": [run.isoformat() for run in next_runs(declaration)],
        },
        "doc": declaration.doc,
    }


def _cron_row(one: Declaration) -> dict[str, str]:
    assert one.schedule is not None
    runs = next_runs(one)
    return {
        "cron": one.name,
        "due": f"{one.schedule.cron} {one.schedule.timezone}",
        "next runs (UTC)": "  ".join(f"{run:%Y-%m-%d %H:%M:%S}" for run in runs[:3]),
    }
