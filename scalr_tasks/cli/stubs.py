"""`scalr-tasks stubs`: typed handles for callers that cannot import the worker."""

from pathlib import Path

import click

from scalr_tasks.cli.app import EXIT_FAILED
from scalr_tasks.cli.modules import load_registries
from scalr_tasks.cli.output import write_line
from scalr_tasks.cli.stub_proof import proofs
from scalr_tasks.typecheck.stubgen import Stubs, make_stubs


@click.command()
@click.argument("module", metavar="MODULE[:REGISTRY]")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("stubs"),
    show_default=True,
    help="The folder.",
)
@click.option("--name", metavar="NAME", help="Name of the module that is written; <registry>_tasks where left out.")
@click.option("--share", multiple=True, metavar="MODULE", help="Callers can import this module too; may be repeated.")
@click.option("--check", is_flag=True, help="Write nothing, and fail where the files are not what they would be.")
@click.option("--no-proof", is_flag=True, help="Do not run type checkers on a misspelled name.")
def command(module: str, out: Path, name: str | None, share: tuple[str, ...], check: bool, no_proof: bool) -> None:
    """Write a module of declared tasks for callers that cannot import MODULE.

    NAME.pyi is what type checkers read, NAME.py what Python imports. Classes of MODULE's own package become JSON in
    them, unless --share names where callers have them. Then each type checker that is installed is given a misspelled
    task: one that does not see the stubs would let it pass.

    Exit status: 0 written and seen, 1 stale or not seen, 2 a module cannot be imported or a declaration cannot work.
    """
    stubs = make_stubs(load_registries([module])[0].snapshot(), module=name, share=share)
    files = {out / f"{stubs.module}.pyi": stubs.interface, out / f"{stubs.module}.py": stubs.runtime}
    stale = [path for path, text in files.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if check:
        for path in stale:
            write_line(
                "FAIL", f"{path} is not what {module} declares; write it: scalr-tasks stubs {module}", colour="red"
            )
        if stale:
            raise SystemExit(EXIT_FAILED)
        write_line("ok  ", f"{out}/{stubs.module}: {len(stubs.tasks)} tasks, as {module} declares them", colour="green")
    else:
        out.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
            click.echo(f"{path}: {len(stubs.tasks)} tasks")
    if not no_proof:
        _prove(stubs, out)


def _prove(stubs: Stubs, out: Path) -> None:
    failed = False
    for proof in proofs(stubs, out):
        failed |= not proof.is_seen
        write_line("ok  " if proof.is_seen else "FAIL", proof.text, colour="green" if proof.is_seen else "red")
    if failed:
        raise SystemExit(EXIT_FAILED)
