"""Assertions about what other processes rely on: the lock file, and payloads of older code.

    def test_the_contract() -> None:
        assert_contract_unchanged(registry, "tasks.lock.json")

Reads next: `registry/contract.py`, which compares.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scalr_tasks.envelope import new_nonce, stamp, write_head
from scalr_tasks.errors import KitError
from scalr_tasks.registry.contract import LOCK_FILE, compare, lock_document, read_lock
from scalr_tasks.registry.delivery import Misfit, receive
from scalr_tasks.registry.registry import Registry
from scalr_tasks.registry.task import Task
from scalr_tasks.testing.records import Arguments, arguments_of


def assert_contract_unchanged(registry: Registry[Any, Any], path: str | Path = LOCK_FILE) -> None:
    """Fail where the tasks of a registry are not those of its lock file.

    A safe change fails too: a file that is not kept up cannot tell the next one that breaks.

        assert_contract_unchanged(registry, "tasks.lock.json")

    Args:
        registry: the registry.
        path: the file that `scalr-tasks lock` wrote; `tasks.lock.json` in the current folder where left out.

    Raises:
        AssertionError: with every change, those first that break queued jobs or other services.
        ModuleError: there is no such file, or it is no lock file.
    """
    __tracebackhide__ = True
    changes = compare(read_lock(Path(path)), lock_document([registry.snapshot()]))
    if changes:
        ordered = sorted(changes, key=lambda change: (change.kind != "breaking", change.task))
        lines = [f"the tasks of registry {registry.name!r} are not those of {path}:"]
        lines += [f"  {change}" for change in ordered]
        lines.append("undo what breaks, or raise the task's version; then write the file anew: scalr-tasks lock")
        raise AssertionError("\n".join(lines))


def assert_payload_compatible(
    task: Task[..., Any], payload: str | bytes | Mapping[str, Any], *, version: int | None = None
) -> Arguments:
    """Fail where a job that older code has enqueued cannot be run by this code; returns its arguments as read here.

        assert_payload_compatible(send_invoice_email, '{"invoice_id": 1}', version=1)

    Args:
        task: the task that would run it.
        payload: the arguments as JSON or as a dict; or the whole job, as `redis-cli get arq:job:<id>` shows it.
        version: version of the task that wrote the arguments; that of this code where left out.

    Raises:
        AssertionError: it would be parked or dead, and why.
        KitError: a version was given with a whole job, which tells its own.
    """
    __tracebackhide__ = True
    text = json.dumps(payload) if isinstance(payload, Mapping) else payload
    raw = text.encode() if isinstance(text, str) else text
    declaration = task.declaration
    if b"\n" in raw.strip() and raw.startswith(b'{"v":'):
        if version is not None:
            raise KitError("version= was given with a whole job", way_out="leave it out: the job tells its version")
    else:
        compact = json.dumps(json.loads(raw), ensure_ascii=False, separators=(",", ":")).encode()
        head = write_head(task.name, new_nonce(), task_version=version or declaration.version)
        raw = stamp(head, compact, enqueued_at_ms=0)
    received = receive(raw, {task.name: declaration})
    if isinstance(received, Misfit):
        raise AssertionError(f"task {task.name!r} would park this job: {received.reason}")
    if received.refused is not None:
        raise AssertionError(f"a job of task {task.name!r} would be dead: {received.refused}")
    again = declaration.arguments.write(received.args, dict(received.kwargs or {}))
    return arguments_of(declaration, again)
