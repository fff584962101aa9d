"""`scalr-tasks lock`: write the contract of a module's tasks to a file that goes into version control."""

from pathlib import Path

import click

from scalr_tasks.cli.modules import load_registries
from scalr_tasks.registry.contract import LOCK_FILE, lock_document, lock_text


@click.command()
@click.argument("modules", nargs=-1, required=True, metavar="MODULE[:REGISTRY]...")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path(LOCK_FILE),
    show_default=True,
    help="The file.",
)
def command(modules: tuple[str, ...], out: Path) -> None:
    """Write the names, versions, arguments and results of a module's tasks to a lock file.

    `scalr-tasks check MODULE --lock` compares the code with it. The mypy plugin reads it as a manifest, where the
    source of the worker is not at hand.

    Exit status: 0 written, 2 a module cannot be imported or a declaration cannot work.
    """
    document = lock_document([registry.snapshot() for registry in load_registries(modules)])
    text = lock_text(document)
    is_new = not out.is_file() or out.read_text(encoding="utf-8") != text
    out.write_text(text, encoding="utf-8")
    count = len(document["tasks"])
    click.echo(f"{out}: {count} task{'' if count == 1 else 's'}{'' if is_new else ', as before'}")
