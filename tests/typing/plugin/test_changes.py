"""The plugin over time: a warm cache, the daemon, parallel workers, circles, many tasks."""

import pytest

from tests.typing.plugin.conftest import TASKS, Project

CALLER = """
from scalr_tasks import enqueue

async def main() -> None:
    await enqueue("send_invoice_email", invoice_id=1)
"""

UNKNOWN = 'app/web.py:5: error: Unknown task "send_invoice_email"'
CHANGES = {
    "a renamed task": (TASKS.replace("def send_invoice_email", "def send_invoice_mail"), UNKNOWN),
    "a task renamed by name=": (TASKS.replace("@task\n", '@task(name="mail")\n'), UNKNOWN),
    "a renamed argument": (
        TASKS.replace("invoice_id", "invoice"),
        'app/web.py:5: error: Unexpected keyword argument "invoice_id" for "enqueue("send_invoice_email")"',
    ),
    "a removed task": (TASKS[: TASKS.index("@task")], UNKNOWN),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_warm_cache_sees(project: Project, change: str) -> None:
    source, said = CHANGES[change]
    project.write("app/web.py", CALLER)
    assert project.mypy() == []

    project.write("app/tasks.py", source)

    assert project.mypy()[0].startswith(said)
    project.write("app/tasks.py", TASKS)
    assert project.mypy() == []


def test_a_warm_cache_sees_a_deleted_module(project: Project) -> None:
    project.write("app/web.py", CALLER)
    assert project.mypy() == []

    (project.folder / "app/tasks.py").unlink()

    assert any(line.startswith(UNKNOWN) for line in project.mypy())


@pytest.mark.parametrize("change", CHANGES)
def test_the_daemon_sees(project: Project, change: str) -> None:
    source, said = CHANGES[change]
    project.write("app/web.py", CALLER)
    assert "\n".join(project.daemon("run", "--", "app")) == ""

    project.write("app/tasks.py", source)

    assert project.daemon("run", "--", "app")[0].startswith(said)
    project.write("app/tasks.py", TASKS)
    assert "\n".join(project.daemon("run", "--", "app")) == ""


def test_parallel_workers_say_the_same(project: Project) -> None:
    for number in range(6):
        project.write(f"app/web{number}.py", CALLER.replace("invoice_id", "invoice_idd"))

    said = project.mypy("-n", "2", "app")

    assert sorted(line.partition(":")[0] for line in said) == [f"app/web{number}.py" for number in range(6)]
    assert all('did you mean "invoice_id"?' in line for line in said)


def test_a_circle_of_imports_hides_nothing(project: Project) -> None:
    project.write("app/tasks.py", f"from app import web\n{TASKS}\nprint(web)\n")
    project.write("app/web.py", f"from app import tasks\n{CALLER}    await enqueue('rebild')\n    print(tasks)\n")

    (said,) = project.mypy("app/web.py")

    assert 'Unknown task "rebild"; did you mean "rebuild"?' in said
    project.write(
        "app/web.py", f"from app import tasks\n{CALLER.replace('invoice_id', 'invoice_idd')}    print(tasks)\n"
    )
    (said,) = project.mypy("app/web.py")
    assert 'did you mean "invoice_id"?' in said


def test_five_hundred_tasks_are_told_apart(project: Project) -> None:
    tasks = "".join(f"@task\nasync def task_{n}(ctx: Context, argument_{n}: int) -> None: ...\n\n" for n in range(500))
    calls = "".join(f'    await enqueue("task_{n}", argument_{n}=1)\n' for n in range(500))
    project.write("app/tasks.py", f"from scalr_tasks import Context, task\n{tasks}")
    project.write(
        "app/web.py",
        f'from scalr_tasks import enqueue\nasync def main() -> None:\n{calls}    await enqueue("task_17", argument_18=1)\n',
    )

    (said,) = project.mypy()

    assert 'Unexpected keyword argument "argument_18" for "enqueue("task_17")"; did you mean "argument_17"?' in said
