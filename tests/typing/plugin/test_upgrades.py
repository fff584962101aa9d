"""What a checker says of `@task.upgrade`; the plugin has no part in it."""

import pytest

from tests.typing.plugin.conftest import Project

HEAD = """
from scalr_tasks import Call, Context, task

@task(version=2)
async def send(ctx: Context, invoice_id: int, language: str) -> None: ...

@send.upgrade(from_version=1)
"""


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("def old(invoice: int) -> Call[None]:\n    return send.call(invoice_id=invoice, language='de')\n", []),
        (
            "def old(invoice: str) -> Call[None]:\n    return send.call(invoice_id=invoice, language='de')\n",
            [
                'error: Argument "invoice_id" to "call" of "Task" has incompatible type "str"; expected "int"  [arg-type]'
            ],
        ),
        (
            "def old(invoice: int) -> Call[None]:\n    return send.call(invoice_id=invoice)\n",
            ['error: Missing positional argument "language" in call to "call" of "Task"  [call-arg]'],
        ),
        (
            "def old(invoice: int) -> None: ...\n",
            [
                'error: Value of type variable "UpgradeFunction" of function cannot be "Callable[[int], None]"  [type-var]'
            ],
        ),
    ],
)
def test_both_sides_of_an_upgrade_are_checked(project: Project, function: str, said: list[str]) -> None:
    project.write("app/tasks.py", HEAD + function)

    assert [line.partition(": ")[2] for line in project.mypy("app/tasks.py")] == said
