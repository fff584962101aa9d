"""`scalr-tasks migrate`: from the untyped `scalr_queue`, or from arq's settings classes, to typed tasks.

Changes source text only, and only where it is sure: the rest is reported with
its line, and left as it is.

Reads next: `migrate_source.py`, `migrate_plan.py`, `migrate_rewrite.py`.
"""

import difflib
import importlib.util
from pathlib import Path

import click

from scalr_tasks.errors import ModuleError

EXIT_CHECK = 1


@click.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--write", is_flag=True, help="Change the files; otherwise the changes are only shown.")
@click.option("--check", is_flag=True, help="Change nothing; exit 1 where something is left to do.")
def command(path: Path, write: bool, check: bool) -> None:
    """Rewrite old calls, task lists, settings classes and cron jobs below PATH to the typed forms.

    PATH is the folder from which the app's modules are imported. Comments are kept. What is not rewritten, such as a
    task's name that is no literal, is reported with its line.

    Exit status: 0 done or shown, 1 with --check where something is left to do, 2 wrong usage.
    """
    if write and check:
        raise click.UsageError("--write and --check exclude each other")
    if importlib.util.find_spec("libcst") is None:
        raise ModuleError("scalr-tasks migrate", 'needs: pip install "scalr-tasks[migrate]"')
    changes, notes = _plan(path)
    for file, (old, new) in changes.items():
        if write:
            file.write_bytes(new.encode())  # as bytes: the ends of lines stay as they are
            click.echo(f"changed {file}")
        else:
            click.echo(_difference(file, old, new), nl=False)
    for note in notes:
        click.echo(note)
    if not changes and not notes:
        click.echo("nothing to do")
    if check and (changes or notes):
        raise SystemExit(EXIT_CHECK)


def _plan(path: Path) -> tuple[dict[Path, tuple[str, str]], list[str]]:
    """Return the old and the new text of every file that changes, and what must be looked at."""
    # Imported here: without the extra, the command still says what to install.
    from scalr_tasks.cli.migrate_plan import plan_module  # noqa: PLC0415
    from scalr_tasks.cli.migrate_rewrite import rewrite_all  # noqa: PLC0415
    from scalr_tasks.cli.migrate_source import read_sources  # noqa: PLC0415

    sources, notes = read_sources(path)
    plans = [plan for source in sources if (plan := plan_module(source)) is not None]
    changed = rewrite_all(sources, plans)
    notes += [note for source in sources for note in source.notes]
    texts = {source.path: (source.text, new) for source, new in changed}
    return texts, [str(note) for note in sorted(notes, key=lambda note: (str(note.path), note.line))]


def _difference(file: Path, old: str, new: str) -> str:
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), f"a/{file}", f"b/{file}", n=2
    )
    return "".join(lines)
