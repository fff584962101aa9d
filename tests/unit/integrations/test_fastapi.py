"""The glue to FastAPI, asked over HTTP in this process, on a real Redis."""

import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from scalr_tasks import (
    BrokerUnavailableError,
    Context,
    GiveUp,
    InvalidArgumentsError,
    Registry,
    Settings,
)
from scalr_tasks.integrations.fastapi import JobView, answer_422, jobs_router, lifespan
from scalr_tasks.worker.worker import Worker, served
from tests.architecture.source import ROOT


@pytest.fixture
async def registry(redis_url: str) -> AsyncIterator[Registry]:
    registry = Registry("api", settings=Settings(redis=redis_url))

    @registry.task
    async def add(ctx: Context, a: int, b: int = 1) -> dict[str, int]:
        return {"sum": a + b}

    @registry.task
    async def not_a_number(ctx: Context) -> float:
        return float("nan")

    @registry.task
    async def gives_up(ctx: Context) -> None:
        raise GiveUp("the customer is gone")

    async with registry:
        yield registry


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Ask an app whose lifespan runs."""
    async with app.router.lifespan_context(app) as state:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        asked = httpx.AsyncClient(transport=_with_state(transport, state), base_url="http://api")
        async with asked:
            yield asked


def _with_state(transport: httpx.ASGITransport, state: Mapping[str, Any] | None) -> httpx.ASGITransport:
    """Give each request the lifespan's state, which a server does."""
    inner: Any = transport.app

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await inner(scope | {"state": dict(state or {})}, receive, send)

    transport.app = app
    return transport


def api(registry: Registry, **options: Any) -> FastAPI:
    app = FastAPI(lifespan=lifespan(registry, **options))
    app.include_router(jobs_router(registry))

    @app.post("/add/{a}", status_code=202)
    async def add(a: str) -> dict[str, str]:
        job = await registry.enqueue("add", a=int(a) if a.isdigit() else a)
        return {"job_id": job.job_id}

    return app


async def work(registry: Registry) -> None:
    await Worker(served(registry.app()), broker=registry.broker(), burst=True).run()


# -- the lifespan ------------------------------------------------------------------------


async def test_an_app_does_not_start_without_redis() -> None:
    registry = Registry("away", settings=Settings(redis="redis://127.0.0.1:1/0", enqueue_timeout_s=0.2))

    with pytest.raises(BrokerUnavailableError, match=r"redis://127\.0\.0\.1:1/0 did not answer"):
        async with lifespan(registry)(FastAPI()):
            pass


async def test_the_clients_are_closed_when_the_app_stops(registry: Registry) -> None:
    async with lifespan(registry)(FastAPI()):
        client = registry.broker().client
        await client.set("k", 1)

    assert registry.broker().client is not client


async def test_the_lifespan_of_the_app_runs_inside_and_its_state_reaches_requests(registry: Registry) -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        seen.append((await (await registry.enqueue("add", a=1)).status()).value)
        yield {"greeting": "hello"}
        seen.append((await (await registry.enqueue("add", a=1)).status()).value)

    app = api(registry, around=own)

    @app.get("/greeting")
    async def greeting(request: Request) -> str:
        answer: str = request.state.greeting
        return answer

    async with client_of(app) as client:
        answer = await client.get("/greeting")

    assert answer.json() == "hello"
    assert seen == ["queued", "queued"]


async def test_a_process_opens_few_connections_however_many_requests_it_answers(registry: Registry, redis: Any) -> None:
    async with client_of(api(registry)) as client:
        before = (await redis.info("stats"))["total_connections_received"]
        for number in range(50):
            assert (await client.post(f"/add/{number}")).status_code == 202
        after = (await redis.info("stats"))["total_connections_received"]

    assert after - before <= 2


# -- GET /jobs/{id} ----------------------------------------------------------------------


async def test_a_job_that_waits_is_shown(registry: Registry) -> None:
    async with client_of(api(registry)) as client:
        job_id = (await client.post("/add/1")).json()["job_id"]

        answer = await client.get(f"/jobs/{job_id}")

    assert answer.status_code == 200
    assert answer.json() == {
        "job_id": job_id,
        "state": "queued",
        "task": "add",
        "attempts": 0,
        "result": None,
        "error": None,
    }


async def test_a_job_that_is_done_shows_its_result(registry: Registry) -> None:
    job = await registry.enqueue("add", a=1)
    await work(registry)

    async with client_of(api(registry)) as client:
        shown = JobView.model_validate((await client.get(f"/jobs/{job.job_id}")).json())

    assert (shown.state, shown.result, shown.error) == ("done", {"sum": 2}, None)


async def test_a_result_that_json_does_not_know_is_null(registry: Registry) -> None:
    job = await registry.enqueue("not_a_number")
    await work(registry)

    async with client_of(api(registry)) as client:
        shown = (await client.get(f"/jobs/{job.job_id}")).json()

    assert (shown["state"], shown["result"]) == ("done", None)


async def test_a_job_that_is_dead_shows_its_error_without_the_traceback(registry: Registry) -> None:
    job = await registry.enqueue("gives_up")
    await work(registry)

    async with client_of(api(registry)) as client:
        shown = (await client.get(f"/jobs/{job.job_id}")).json()

    assert (shown["state"], shown["attempts"]) == ("dead", 1)
    assert (shown["error"]["kind"], shown["error"]["reason"]) == ("failed", "gave_up")
    assert "the customer is gone" in shown["error"]["message"]
    assert "Traceback" not in str(shown)


async def test_an_unknown_id_is_404(registry: Registry) -> None:
    async with client_of(api(registry)) as client:
        answer = await client.get("/jobs/nobody")

    assert answer.status_code == 404
    assert "no job 'nobody'" in answer.json()["detail"]


def test_the_route_is_typed_in_the_schema(registry: Registry) -> None:
    schema = api(registry).openapi()

    answer = schema["paths"]["/jobs/{job_id}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/JobView"}


# -- 422 ---------------------------------------------------------------------------------


async def test_arguments_that_do_not_fit_answer_422_where_the_app_asks_for_it(registry: Registry) -> None:
    app = api(registry)
    answer_422(app)

    async with client_of(app) as client:
        answer = await client.post("/add/secret-word")

    assert answer.status_code == 422
    (problem,) = answer.json()["detail"]
    assert problem["loc"] == ["add", "a"]
    assert "secret-word" not in answer.text


async def test_they_are_a_500_where_it_does_not(registry: Registry) -> None:
    async with client_of(api(registry)) as client:
        answer = await client.post("/add/word")

    assert answer.status_code == 500
    with pytest.raises(InvalidArgumentsError):
        await registry.enqueue("add", a="word")


def test_without_fastapi_the_import_says_what_to_install() -> None:
    code = "import sys; sys.modules['fastapi'] = None; import scalr_tasks.integrations.fastapi"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: scalr_tasks.integrations.fastapi needs: pip install fastapi"
    )
