"""Writes `docs/reference/errors/`: one page a code, from the classes and what to do about each.

python -m tests.docs.error_pages
"""

import inspect
from pathlib import Path

from scalr_tasks import errors
from scalr_tasks.errors import ScalrTasksError
from tests.unit.test_errors import TEXTS

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference" / "errors"

WHAT_TO_DO: dict[str, str] = {
    "ST101": "Nothing was written.\nUse the task's handle instead of its name where you can: a misspelled handle is found by the type checker.\n"
    "Where the name is right, the module that declares the task was not imported in this process.",
    "ST102": "Nothing was written.\nThe text names every argument that does not fit, and never its value.\n"
    "A type checker finds most of these before: call the handle, not a name in a string.\n"
    'Arguments are strict: `"1"` is no int. `@task(strict=False)` lets pydantic convert.\n'
    "On a worker it means that the job was enqueued by code with another signature; the job is dead and kept.",
    "ST103": "Nothing was written.\nPass what the task can look up by itself: an id, a path, a key.\n"
    "Arguments of more than 1 MB, or nested deeper than 64 levels, are refused with this error too.",
    "ST104": "A registry takes only the queues that it declares, so that no job waits where no worker looks.\n"
    "Declare the queue, or correct its name.\nThe bare `@task` of `default_registry` declares the queue that it names.",
    "ST105": "Nothing was written.\nThe text names the option of `.using(...)` and what it takes.",
    "ST106": "`ctx.state` is what the registry's lifespan yields, and a worker enters it.\n"
    "For a direct call, in a script or a test, enter it with `async with registry.running():`.",
    "ST107": "A blocking call would stop every other coroutine of the event loop.\nAwait the method of the same name without `_sync`.",
    "ST108": "One batch is one round trip to one Redis with one set of settings.\nSend the calls of each registry by themselves.",
    "ST109": "The thing belongs to a running job.\nPass what you need as an argument where there is none.",
    "ST110": "Raised while the module is imported, with its file and line.\nCorrect the declaration.\n"
    "`scalr-tasks check MODULE --definitions` lists every one of them at once.",
    "ST111": "A name is how a waiting job finds its task, so two tasks cannot share one.\nGive one of them another name with `name=`.",
    "ST112": "Once compiled, a registry takes no more tasks: they would exist for some workers and not for others.\n"
    "Import every module with tasks first, and compile last.",
    "ST113": "Callers may use a declared task; a worker needs its body.\nImport the module that implements it where the worker starts.",
    "ST201": "The job is over and kept, with its payload, error and traceback, for 30 days (`SCALR_TASKS_DEAD_TTL`).\n"
    "`.reason` tells why: `failed` (attempts used up), `gave_up` (`GiveUp`, or `give_up_on`), `invalid_arguments`, `bad_result` "
    "(ran, but its result cannot be kept), `worker_lost` (three workers were lost while it ran), `parked` (no code knew it for 24 hours).\n"
    "Correct the cause, then `scalr-tasks dead retry JOB`.",
    "ST202": "Somebody called `Job.abort`.\nEnqueue it anew if it was a mistake.",
    "ST203": "`expires` counts from the enqueue, `delay` included.\nGive it longer, or the queue more workers.",
    "ST204": "Results are kept for `keep_result` (an hour where nothing is said).\nAsk earlier, or keep them longer.",
    "ST205": "Job ids are shared by all tasks of a Redis.\nPut the task's name into ids that you choose: `send_invoice_email:17`.",
    "ST206": "Look at what is there: `scalr-tasks dead list`, `scalr-tasks parked list`.",
    "ST207": "The job was run by code with another result type.\nA result is not converted silently; read it with the code that wrote it, or run the job again.",
    "ST208": "`.sent_job_ids` holds the ids of what was stored.\n"
    "Sending the same `Call` objects again stores nothing twice: ids and nonces are made with the call.",
    "ST301": "The command was repeated until `enqueue_timeout_s` was over.\nAn enqueue that raised this may still have been stored, once; sending the same `Call` again is safe.\n"
    "At the command line the exit status is 4.",
    "ST302": "Redis is there and said no.\n`OOM`: it is full; give it memory, and `maxmemory-policy noeviction`.\n"
    "`NOPERM`, `NOAUTH`: the user of the URL may not do this.\n`READONLY`: the URL leads to a replica.",
    "ST303": "The text names the variable or the setting, and never a password.\nSee [settings](../settings.md).",
    "ST401": "The module must be importable from the current folder, and hold one registry or tasks of `default_registry`.\n"
    "Name the registry where there are several: `app.tasks:registry`.",
    "ST501": "Raised in a test, by the fixtures of `scalr_tasks.testing`.\nThe text says what the kit cannot do, and what to write instead.",
}


def codes() -> dict[str, type[ScalrTasksError]]:
    """Every code -> its class."""
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, ScalrTasksError)]
    return {kind.code: kind for kind in kinds if "code" in kind.__dict__ and kind is not ScalrTasksError}


def page(kind: type[ScalrTasksError]) -> str:
    """The page of one error."""
    fields = [name for name in inspect.signature(kind).parameters if name != "cause"]
    example = next(text for error, text in TEXTS if type(error) is kind)
    bases = [base.__name__ for base in kind.__mro__[1:] if base not in {object, Exception, BaseException}]
    lines = [
        f"# {kind.code} {kind.__name__}",
        "",
        inspect.cleandoc(kind.__doc__ or ""),
        "",
        "```",
        f"{kind.__name__} [{kind.code}]: {example}",
        "```",
        "",
        "## What to do",
        "",
        WHAT_TO_DO[kind.code],
        "",
        "## In code",
        "",
        f"`from scalr_tasks import {kind.__name__}`; it is also a {', '.join(f'`{base}`' for base in bases)}.",
        f"Fields: {', '.join(f'`{name}`' for name in fields)}.",
        "",
    ]
    return "\n".join(lines)


def index() -> str:
    """The list of all pages."""
    rows = [
        f"| [{code}]({code}.md) | `{kind.__name__}` | {inspect.cleandoc(kind.__doc__ or '').splitlines()[0]} |"
        for code, kind in sorted(codes().items())
    ]
    head = [
        "# Errors",
        "",
        "Every error has a stable code, typed fields, and a text that says what was wrong, where, and the way out.",
        "No text holds an argument's value or a secret.",
        "",
        "| code | class | meaning |",
        "| --- | --- | --- |",
    ]
    return "\n".join([*head, *rows, ""])


def pages() -> dict[str, str]:
    """File name -> content."""
    return {"README.md": index()} | {f"{code}.md": page(kind) for code, kind in codes().items()}


if __name__ == "__main__":
    for name, content in pages().items():
        (FOLDER / name).write_text(content)
