"""What the plugin says of one call by name; each message as a user reads it."""

import pytest

from tests.typing.plugin.conftest import Project

HEAD = """
from typing import Final, Literal
import scalr_tasks
from scalr_tasks import Registry, enqueue

NAME: Final = "send_invoice_email"

async def main(name: str, pair: Literal["rebuild", "send_invoice_email"], any_registry: Registry) -> None:
"""
LINE = HEAD.count("\n") + 1


def verdict(project: Project, call: str) -> list[str]:
    """What mypy says of one line."""
    project.write("app/web.py", f"{HEAD}    {call}\n")
    return [line.partition(": ")[2] for line in project.mypy("app/web.py") if line.startswith(f"app/web.py:{LINE}:")]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ('await enqueue("send_invoice_email", invoice_id=1)', []),
        ('await enqueue("send_invoice_email", 1, subject="x")', []),
        ("await enqueue(NAME, 1)", []),
        ("await enqueue(pair, 1)", []),
        ('await any_registry.enqueue("rebuild", 1)', []),
        (
            'await enqueue("send_invoice_emial", invoice_id=1)',
            ['error: Unknown task "send_invoice_emial"; did you mean "send_invoice_email"?  [unknown-task]'],
        ),
        (
            'await scalr_tasks.enqueue("rebuild_report", 1)',
            ['error: Unknown task "rebuild_report"; did you mean "rebuild"?  [unknown-task]'],
        ),
        ('await enqueue("xyz")', ['error: Unknown task "xyz"  [unknown-task]']),
        (
            'await any_registry.enqueue("rebild", 1)',
            ['error: Unknown task "rebild"; did you mean "rebuild"?  [unknown-task]'],
        ),
        (
            'await enqueue("send_invoice_email", invoice_idd=1)',
            [
                (
                    'error: Unexpected keyword argument "invoice_idd" for "enqueue("send_invoice_email")"; '
                    'did you mean "invoice_id"?  [call-arg]'
                )
            ],
        ),
        (
            'await enqueue("send_invoice_email", invoice_id="1")',
            [
                (
                    'error: Argument "invoice_id" to "enqueue("send_invoice_email")" has incompatible type "str"; '
                    'expected "int"  [arg-type]'
                )
            ],
        ),
        (
            'await enqueue("send_invoice_email")',
            ['error: Missing positional argument "invoice_id" in call to "enqueue("send_invoice_email")"  [call-arg]'],
        ),
        (
            'await enqueue("rebuild", 1, 2)',
            ['error: Too many arguments for "enqueue("rebuild")"  [call-arg]'],
        ),
        (
            "await enqueue(name)",
            [
                (
                    "error: Task name is not a literal string, so neither it nor the arguments can be checked  "
                    "[non-literal-task]"
                )
            ],
        ),
        (
            'reveal_type(await (await enqueue("rebuild", 1)).result())',
            ['note: Revealed type is "list[int]"'],
        ),
        (
            'reveal_type(await enqueue("send_invoice_email", 1))',
            ['note: Revealed type is "scalr_tasks.jobs.job.Job[str]"'],
        ),
    ],
)
def test_a_call_by_name_is_checked_like_the_handle(project: Project, call: str, said: list[str]) -> None:
    assert verdict(project, call) == said


def test_a_forgotten_await_is_seen_through_the_string(project: Project) -> None:
    assert verdict(project, 'enqueue("rebuild", 1)')[0].endswith("must be used  [unused-coroutine]")


def test_a_name_that_is_not_literal_passes_where_nobody_asked(project: Project) -> None:
    project.configure('tasks = ["app.tasks"]')

    assert verdict(project, "await enqueue(name)") == []


def test_without_task_modules_nothing_is_known_and_nothing_is_said(project: Project) -> None:
    project.configure()

    assert verdict(project, 'await enqueue("send_invoice_emial")') == []


def test_a_task_of_one_registry_is_not_found_on_another(project: Project) -> None:
    project.write(
        "app/tasks.py",
        """
        from scalr_tasks import Context, Registry
        shop = Registry("shop")
        bills = Registry("bills")
        @shop.task
        async def send(ctx: Context, a: int) -> None: ...
        @bills.task(retries=1)
        async def charge(ctx: Context, b: str) -> None: ...
        """,
    )
    project.write(
        "app/web.py",
        """
        from app.tasks import bills, shop
        from scalr_tasks import enqueue
        async def main() -> None:
            await shop.enqueue("send", a=1)
            await bills.enqueue("charge", b="")
            await bills.enqueue("send", a=1)
            await enqueue("charge", b="")
        """,
    )

    assert project.mypy() == [
        'app/web.py:7: error: Task "send" is not declared on this registry, but on "app.tasks.shop"  [unknown-task]',
        'app/web.py:8: error: Task "charge" is not declared on this registry, but on "app.tasks.bills"  [unknown-task]',
    ]


@pytest.mark.parametrize(
    "source",
    [
        "class Mail:\n    @staticmethod\n    @task\n    async def send(ctx: Context, a: int) -> None: ...",
        "async def deliver(ctx: Context, a: int) -> None: ...\nsend_it = task(name='send')(deliver)",
        "async def send(ctx: Context, a: int) -> None: ...\nhandle = task(send)",
        "NAME = 'x'\nif NAME:\n    @task\n    async def send(ctx: Context, a: int) -> None: ...",
        "job = task\n@job(name='send')\nasync def deliver(ctx: Context, a: int) -> None: ...",
        "from scalr_tasks import task as job\n@job\nasync def send(ctx: Context, a: int) -> None: ...",
        "from scalr_tasks import declare\n@declare()\nasync def send(a: int) -> None:\n    raise NotImplementedError",
        "@task\ndef send(ctx: Context, a: int) -> None: ...",
    ],
)
def test_a_task_is_known_however_it_is_declared(project: Project, source: str) -> None:
    project.write("app/tasks.py", f"from scalr_tasks import Context, task\n{source}\n")
    project.write(
        "app/web.py",
        """
        from scalr_tasks import enqueue
        async def main() -> None:
            await enqueue("send", b=1)
        """,
    )

    assert project.mypy() == [
        'app/web.py:4: error: Unexpected keyword argument "b" for "enqueue("send")"  [call-arg]',
    ]


def test_a_name_that_only_the_run_time_knows_silences_unknown_names(project: Project) -> None:
    project.write(
        "app/tasks.py",
        """
        import os
        from scalr_tasks import Context, task
        @task(name=os.environ["NAME"])
        async def send(ctx: Context) -> None: ...
        """,
    )

    assert verdict(project, 'await enqueue("whatever")') == []


def test_an_implementation_of_a_contract_is_no_second_task(project: Project) -> None:
    project.configure('tasks = ["app.contracts", "app.tasks"]')
    project.write(
        "app/contracts.py",
        """
        from scalr_tasks import declare
        @declare()
        async def send(a: int) -> None:
            raise NotImplementedError
        """,
    )
    project.write(
        "app/tasks.py",
        """
        from app import contracts
        from scalr_tasks import Context
        @contracts.send.implement
        async def send(ctx: Context, a: int) -> None: ...
        """,
    )

    assert project.mypy() == []


def test_two_tasks_of_one_name_are_an_error_at_the_second(project: Project) -> None:
    project.configure('tasks = ["app.tasks", "app.more"]')
    project.write(
        "app/more.py", "from scalr_tasks import Context, task\n@task\nasync def rebuild(ctx: Context) -> None: ...\n"
    )

    (said,) = project.mypy()

    assert said == (
        'app/more.py:2: error: Two tasks are named "rebuild"; the first is "app.tasks.rebuild_report"  [duplicate-task]'
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("task = []", "pyproject.toml: [tool.scalr_tasks] has no option 'task'; did you mean 'tasks'?"),
        ('tasks = "app"', "pyproject.toml: [tool.scalr_tasks] expected tasks to be a list of strings"),
    ],
)
def test_a_wrong_section_ends_the_run_with_one_line(project: Project, line: str, said: str) -> None:
    project.configure(line)

    with pytest.raises(AssertionError, match=r"no option|expected tasks") as caught:
        project.mypy()

    assert said in str(caught.value)


def test_a_task_module_that_is_not_there_is_named(project: Project) -> None:
    project.configure('tasks = ["app.tasks", "app.tsaks"]')

    said = verdict(project, 'await enqueue("nothing")')

    assert said == [
        'error: Unknown task "nothing"; task module "app.tsaks" of [tool.scalr_tasks] cannot be found  [unknown-task]'
    ]
