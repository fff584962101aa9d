"""Tasks whose source is not here: the plugin reads the lock file that the worker's project wrote."""

from datetime import date
from typing import Any, Literal

import pytest

from scalr_tasks import Registry
from scalr_tasks.registry.contract import lock_document, lock_text
from tests.typing.plugin.conftest import Project

HEAD = """
from datetime import date
from scalr_tasks import enqueue

async def main() -> None:
"""
LINE = HEAD.count("\n") + 1


def worker_lock() -> str:
    """What `scalr-tasks lock` writes for a worker elsewhere."""
    registry = Registry[Any, str]("billing")

    @registry.task(ctx=False)
    async def charge(
        invoice_id: int, day: date, /, kind: Literal["card", "cash"] = "card", *, tags: list[str] | None = None
    ) -> dict[str, int]: ...

    @registry.task(ctx=False)
    async def tag(**labels: int) -> None: ...

    return lock_text(lock_document([registry.snapshot()]))


@pytest.fixture
def elsewhere(project: Project) -> Project:
    """A project that has the lock file and not the source."""
    (project.folder / "app/tasks.py").unlink()
    project.write("billing.lock.json", worker_lock())
    project.configure('manifests = ["billing.lock.json"]')
    return project


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ('await enqueue("charge", 1, date(2026, 1, 1), kind="cash", tags=["a"])', []),
        ('await enqueue("tag", red=1)', []),
        (
            'await enqueue("chrage")',
            ['error: Unknown task "chrage"; did you mean "charge"?  [unknown-task]'],
        ),
        (
            'await enqueue("charge", "1", date(2026, 1, 1))',
            ['error: Argument 2 to "enqueue("charge")" has incompatible type "str"; expected "int"  [arg-type]'],
        ),
        (
            'await enqueue("charge", 1, date(2026, 1, 1), kind="gold")',
            [
                (
                    'error: Argument "kind" to "enqueue("charge")" has incompatible type "Literal[\'gold\']"; '
                    "expected \"Literal['card', 'cash']\"  [arg-type]"
                )
            ],
        ),
        (
            'await enqueue("tag", red="1")',
            ['error: Argument "red" to "enqueue("tag")" has incompatible type "str"; expected "int"  [arg-type]'],
        ),
        (
            'reveal_type(await enqueue("charge", 1, date(2026, 1, 1)))',
            ['note: Revealed type is "scalr_tasks.jobs.job.Job[dict[str, int]]"'],
        ),
    ],
)
def test_a_call_is_checked_from_the_lock_file_alone(elsewhere: Project, call: str, said: list[str]) -> None:
    elsewhere.write("app/web.py", f"{HEAD}    {call}\n")

    lines = [line.partition(": ")[2] for line in elsewhere.mypy("app/web.py") if line.startswith(f"app/web.py:{LINE}:")]

    assert lines == said


def test_a_warm_cache_sees_a_changed_lock_file(elsewhere: Project) -> None:
    elsewhere.write("app/web.py", f'{HEAD}    await enqueue("tag", red=1)\n')
    assert elsewhere.mypy() == []

    elsewhere.write("billing.lock.json", worker_lock().replace('"tag"', '"label"'))

    assert 'Unknown task "tag"' in elsewhere.mypy()[0]


@pytest.mark.parametrize("text", ["{", "{}", '{"tasks": {"a": {}}}'])
def test_a_file_that_is_no_lock_ends_the_run_with_one_line(elsewhere: Project, text: str) -> None:
    elsewhere.write("billing.lock.json", text)

    with pytest.raises(AssertionError, match="is no manifest; write it with: scalr-tasks lock MODULE"):
        elsewhere.mypy()
