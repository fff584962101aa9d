"""The example app as its compose file starts it: each command exists, and backend and worker do the work together."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
import yaml

from scalr_tasks.cli.app import VERBS, cli
from scalr_tasks.settings import VARIABLES
from tests.architecture.source import ROOT
from tests.support.until import until

FOLDER = ROOT / "examples" / "invoices"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service.get("image") == "invoices"]


def variables() -> dict[str, str]:
    lines = (FOLDER / ".env.shared").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def probe(service: str) -> list[str]:
    kind, *words = SERVICES[service]["healthcheck"]["test"]
    assert kind == "CMD"
    return words


def path_with_scripts() -> str:
    """Where the commands of this environment are, first."""
    return os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))


def refuse_unknown(words: list[str]) -> None:
    """Raise unless our own command line takes these words; nothing is run."""
    verb, *arguments = words[1:]
    assert verb in VERBS, f"scalr-tasks has no verb {verb!r}"
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    command.make_context(verb, list(arguments))


@pytest.mark.parametrize(
    "words", [*(SERVICES[name]["command"] for name in OURS), *(probe(name) for name in OURS)], ids=" ".join
)
def test_every_command_of_our_containers_exists_and_takes_its_arguments(words: list[str]) -> None:
    assert shutil.which(words[0], path=path_with_scripts()) is not None
    if words[0] == "scalr-tasks":
        refuse_unknown(words)


def test_a_wrong_command_in_a_compose_file_is_found() -> None:
    with pytest.raises(click.UsageError):
        refuse_unknown(["scalr-tasks", "worker", "app.tasks", "--quue", "bulk"])
    with pytest.raises(AssertionError):
        refuse_unknown(["scalr-tasks", "wroker", "app.tasks"])


def test_backend_and_worker_are_one_image_and_read_one_redis() -> None:
    assert OURS == ["backend", "worker"]
    assert {tuple(SERVICES[name]["env_file"]) for name in OURS} == {(".env.shared",)}
    assert variables()["REDIS_URL"] == "redis://redis:6379/0"
    assert set(variables()) <= set(VARIABLES)


def test_redis_never_drops_a_job_and_a_worker_has_time_to_end_its_jobs() -> None:
    words = SERVICES["redis"]["command"]
    grace_s = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))

    assert words[words.index("--maxmemory-policy") + 1] == "noeviction"
    assert grace_s > int(variables()["SCALR_TASKS_SHUTDOWN_GRACE"])
    assert {name: service["restart"] for name, service in SERVICES.items()} == dict.fromkeys(SERVICES, "unless-stopped")
    assert all("healthcheck" in service for service in SERVICES.values())


# -- as processes ------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def processes(redis_url: str, tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Backend and worker, started with the words of the compose file; the backend's URL, and their environment."""
    port = free_port()
    environment = dict(os.environ, **variables()) | {
        "REDIS_URL": redis_url,
        "PATH": path_with_scripts(),
        "UVICORN_PORT": str(port),  # read by uvicorn for --port, so that the words stay those of the file
        "SCALR_TASKS_SOCKET_DIR": str(tmp_path),
    }
    with ExitStack() as stack:
        for name in OURS:
            process = subprocess.Popen(SERVICES[name]["command"], cwd=FOLDER, env=environment, stderr=subprocess.PIPE)
            stack.callback(end, process)
        yield f"http://127.0.0.1:{port}", environment


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=20)
    finally:
        process.kill()


@pytest.fixture
async def client(processes: tuple[str, dict[str, str]]) -> AsyncIterator[httpx.AsyncClient]:
    """Asks the backend, once it answers."""
    async with httpx.AsyncClient(base_url=processes[0]) as client:

        async def answers() -> bool:
            try:
                return (await client.get("/healthz")).status_code == 200
            except httpx.TransportError:
                return False

        await until(answers, within_s=30)
        yield client


async def test_a_request_is_accepted_at_once_and_its_job_ends_in_the_worker(client: httpx.AsyncClient) -> None:
    accepted = await client.post("/invoices/41/send")
    job = f"/jobs/{accepted.json()['job_id']}"

    async def done() -> bool:
        return (await client.get(job)).json()["state"] == "done"

    await until(done, within_s=30)

    shown = (await client.get(job)).json()
    assert accepted.status_code == 202
    assert (shown["task"], shown["result"]["invoice_id"]) == ("send_invoice_email", 41)


async def test_a_value_that_does_not_fit_is_refused_by_the_backend(client: httpx.AsyncClient) -> None:
    assert (await client.post("/invoices/forty-one/send")).status_code == 422


async def test_the_probe_of_the_worker_answers_0_while_it_lives(
    client: httpx.AsyncClient, processes: tuple[str, dict[str, str]]
) -> None:
    environment = processes[1]

    def healthy() -> bool:
        done = subprocess.run(
            probe("worker"), cwd=FOLDER, env=environment, capture_output=True, check=False, timeout=20
        )
        return done.returncode == 0

    await until(healthy, within_s=20)
