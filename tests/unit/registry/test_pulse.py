"""`registry/pulse.py` and `registry/pulse_server.py`: sockets of this process, and of ones that are gone."""

import asyncio
import logging
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from scalr_tasks.registry.pulse import Pulse, ask, own_folder, socket_folder
from scalr_tasks.registry.pulse_server import hang_up, listen

ME = Pulse(os.getpid(), answers=True)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a short path: the kernel refuses long ones for sockets."""
    with tempfile.TemporaryDirectory(prefix="st-") as name:
        monkeypatch.setenv("SCALR_TASKS_SOCKET_DIR", str(Path(name, "s")))
        yield Path(name, "s")


@pytest.fixture
async def listening(folder: Path) -> AsyncIterator[Path]:
    await listen()
    yield folder
    await hang_up()


def left_behind(path: Path) -> None:
    """What a process that was killed leaves: the name of a socket to which nobody listens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))


async def test_a_process_that_listens_answers(listening: Path) -> None:
    assert await asyncio.to_thread(ask, listening) == [ME]


async def test_a_socket_is_closed_by_its_last_user(folder: Path) -> None:
    await listen()
    await listen()
    await hang_up()
    still = await asyncio.to_thread(ask, folder)

    await hang_up()

    assert still == [ME]
    assert ask(folder) == []
    assert list(folder.iterdir()) == []


async def test_a_blocked_event_loop_does_not_answer_and_one_that_turns_beside_it_does(listening: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as blocked:
        blocked.bind(str(listening / "1.sock"))
        blocked.listen()

        pulses = await asyncio.to_thread(ask, listening, timeout_s=0.2)

    assert pulses == [Pulse(1, answers=False), ME]


def test_this_process_asked_from_its_own_blocked_loop_does_not_answer(folder: Path) -> None:
    async def blocked() -> list[Pulse]:
        await listen()
        try:
            return ask(folder, timeout_s=0.1)
        finally:
            await hang_up()

    assert asyncio.run(blocked()) == [Pulse(os.getpid(), answers=False)]


def test_a_file_that_a_dead_process_left_behind_is_removed_and_no_worker(folder: Path) -> None:
    left_behind(folder / "4194000.sock")
    (folder / "notes.txt").write_text("mine")

    assert ask(folder) == []

    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


async def test_a_worker_that_starts_clears_up_after_those_that_were_killed(folder: Path) -> None:
    left_behind(folder / "4194000.sock")
    left_behind(folder / f"{os.getpid()}.sock")

    await listen()

    pulses = await asyncio.to_thread(ask, folder)
    await hang_up()
    assert pulses == [ME]


def test_a_folder_that_is_not_there_holds_no_worker(folder: Path) -> None:
    assert ask(folder / "no" / "such") == []


async def test_a_folder_that_cannot_be_used_costs_a_warning_and_not_the_worker(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.write_text("a file is in the way")

    with caplog.at_level(logging.WARNING):
        await listen()
    await hang_up()

    assert "`scalr-tasks check --self` will not find this worker" in caplog.text


async def test_a_path_that_is_too_long_for_a_socket_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SCALR_TASKS_SOCKET_DIR", str(tmp_path / ("x" * 120)))

    await listen()
    await hang_up()

    assert "is too long for a socket; name a shorter folder in SCALR_TASKS_SOCKET_DIR" in caplog.text


def test_without_a_name_the_folder_is_that_of_the_user_and_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SCALR_TASKS_SOCKET_DIR", raising=False)
    here = socket_folder()
    monkeypatch.chdir(tmp_path)
    elsewhere = socket_folder()

    assert here.parent == elsewhere.parent == Path(tempfile.gettempdir(), f"scalr-tasks-{os.getuid()}")
    assert here != elsewhere


async def test_a_default_folder_to_which_others_may_write_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("SCALR_TASKS_SOCKET_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own_folder().mkdir(parents=True)
    own_folder().parent.chmod(0o777)

    await listen()
    await hang_up()

    assert "is not this user's alone" in caplog.text
    assert list(own_folder().iterdir()) == []
