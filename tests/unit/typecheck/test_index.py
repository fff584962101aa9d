import os
from pathlib import Path

import pytest

from scalr_tasks.typecheck.index import Sources, Written, tasks_in


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("@task\nasync def send(): ...", ("send", "send", "task")),
        ("@task()\ndef send(): ...", ("send", "send", "task")),
        ("@registry.task(retries=3)\nasync def send(): ...", ("send", "send", "registry.task")),
        ("@app.registry.task(name='mail')\nasync def send(): ...", ("mail", "send", "app.registry.task")),
        ("@task(name=None)\nasync def send(): ...", ("send", "send", "task")),
        ("@task(name=NAME)\nasync def send(): ...", (None, "send", "task")),
        ("@task(**options)\nasync def send(): ...", (None, "send", "task")),
        ("@declare()\nasync def send(): ...", ("send", "send", "declare")),
        ("class Mail:\n  @staticmethod\n  @task\n  def send(): ...", ("send", "Mail.send", "task")),
        ("if x:\n  @task\n  def send(): ...", ("send", "send", "task")),
        ("try:\n  pass\nexcept E:\n  @task\n  def send(): ...", ("send", "send", "task")),
        ("def make():\n  @task\n  def send(): ...", ("send", "", "task")),
        ("send = task(deliver)", ("deliver", "send", "task")),
        ("send: Any = registry.task(name='mail')(deliver)", ("mail", "send", "registry.task")),
        ("from scalr_tasks import task as job\n@job\ndef send(): ...", ("send", "send", "task")),
        ("@lru_cache\ndef cached(): ...", ("cached", "cached", "lru_cache")),
    ],
)
def test_a_declaration_is_read_from_the_source(source: str, found: tuple[str | None, str, str]) -> None:
    (written,) = tasks_in(source)

    assert (written.task, written.symbol, written.decorator) == found


@pytest.mark.parametrize(
    "source",
    [
        "def plain(): ...",
        "@send.implement\nasync def send_it(): ...",
        "copy = send.using(delay=3)",
        "x = task",
        "x = task(name='a')",
        "def outer():\n  @lru_cache\n  def inner(): ...",
        "this is no Python",
    ],
)
def test_what_declares_no_task_is_left_out(source: str) -> None:
    assert tasks_in(source) == ()


def test_a_decorator_of_another_name_is_left_to_the_types() -> None:
    assert [each.is_certain for each in tasks_in("@job\ndef a(): ...\n@x.task\ndef b(): ...")] == [False, True]


def test_a_source_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    path, sources = tmp_path / "tasks.py", Sources()
    path.write_text("@task\ndef one(): ...")
    first = sources.tasks(str(path))
    assert sources.tasks(str(path)) is first

    path.write_text("@task\ndef two(): ...")
    os.utime(path, ns=(1, 1))

    assert sources.tasks(str(path)) == (Written("two", "two", "task", 2),)


def test_a_file_that_is_gone_declares_nothing(tmp_path: Path) -> None:
    assert Sources().tasks(str(tmp_path / "gone.py")) == ()
