"""What the plugin catches in tests that do not use it well."""

from tests.testing.runs import Project

WITHOUT = """\
import pytest
from app import greet


def enqueue():
    greet.enqueue_sync("anna")


def test_plain():
    enqueue()


def test_swallowed():
    try:
        enqueue()
    except BaseException:
        pass


def test_status():
    greet.job("a").status_sync()


@pytest.fixture
def seeded():
    enqueue()


def test_in_a_fixture(seeded):
    pass


def test_of_the_kit_is_not_meant(tasks):
    enqueue()


def test_after_the_kit():
    enqueue()
"""


def test_an_enqueue_without_a_fixture_fails_and_says_what_to_do(project: Project) -> None:
    project.write("test_app.py", WITHOUT)

    run = project.run()

    assert run.outcomes() == "4 failed, 1 passed, 1 error", run.output
    assert "this test uses registry 'app' outside the test kit; either" in run.output
    for way in ("take `tasks` as a parameter", "take `tasks_inline`", "set `tasks_guard = false`"):
        assert way in run.output
    assert "redis://127.0.0.1:1/0" not in run.output  # nobody tried


def test_an_enqueue_while_a_test_module_is_imported_fails_too(project: Project) -> None:
    project.write("test_app.py", "from app import greet\n\ngreet.enqueue_sync('anna')\n\ndef test_it(): ...\n")

    run = project.run()

    assert "this test uses registry 'app' outside the test kit" in run.output
    assert run.outcomes() == "1 error"


def test_the_guard_can_be_switched_off(project: Project) -> None:
    project.write("test_app.py", "from app import greet\n\ndef test_it():\n    greet.enqueue_sync('anna')\n")

    run = project.run(ini="tasks_guard = false", environ={"SCALR_TASKS_ENQUEUE_TIMEOUT": "100ms"})

    assert "BrokerUnavailableError: redis://127.0.0.1:1/0 did not answer" in run.output
    assert run.outcomes() == "1 failed"


LEFT = """\
from app import greet


def test_left(tasks):
    greet.enqueue_sync("anna")


def test_asserted(tasks):
    greet.enqueue_sync("anna")
    tasks.assert_enqueued(greet)


def test_run(tasks):
    greet.enqueue_sync("anna")
    tasks.drain_sync()


def test_cleared(tasks):
    greet.enqueue_sync("anna")
    tasks.clear()


def test_one_of_two(tasks):
    greet.enqueue_sync("anna")
    greet.enqueue_sync("otto")
    tasks.assert_enqueued(greet.call("anna"))
"""


def test_strict_mode_fails_a_test_that_leaves_jobs_nobody_looked_at(project: Project) -> None:
    project.write("test_app.py", LEFT)

    run = project.run(ini="tasks_strict = true")

    assert run.outcomes() == "2 failed, 3 passed"
    assert "this test enqueued jobs that it neither ran nor looked at:\n  1. greet(name='otto')" in run.output


def test_without_strict_mode_they_pass(project: Project) -> None:
    project.write("test_app.py", LEFT)

    assert project.run().outcomes() == "5 passed"


def test_a_forgotten_await_fails_the_test(project: Project) -> None:
    project.write(
        "test_app.py",
        """\
from app import greet


async def test_enqueue(tasks):
    greet.enqueue("anna")


async def test_drain(tasks):
    tasks.drain()


async def test_of_another_coroutine(tasks):
    async def mine(): ...

    mine()
""",
    )

    run = project.run(ini="asyncio_mode = auto")

    assert run.outcomes().startswith("2 failed, 1 passed"), run.output
    assert "coroutine 'Task.enqueue' was never awaited: nothing was sent; write await before it" in run.output
    assert "coroutine 'TaskKit.drain' was never awaited" in run.output


def test_warnings_are_still_shown(project: Project) -> None:
    project.write("test_app.py", "import warnings\n\ndef test_it(tasks):\n    warnings.warn('look here')\n")

    run = project.run()

    assert run.outcomes() == "1 passed, 1 warning"
    assert "look here" in run.output
