"""FastAPI glue: a lifespan that checks Redis, a route that shows a job, and 422 for arguments that do not fit.

    app = FastAPI(lifespan=lifespan(registry))
    app.include_router(jobs_router(registry))
    answer_422(app)

Each of the three stands alone. None is needed to enqueue: a registry opens one
client for its process at the first call.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar, Final, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic_core import from_json

from scalr_tasks.broker.base import JobInfo
from scalr_tasks.envelope import new_job_id
from scalr_tasks.errors import InvalidArgumentsError
from scalr_tasks.registry.registry import Registry
from scalr_tasks.state import JobState

try:
    from fastapi import APIRouter, FastAPI, HTTPException, Request
    from fastapi.responses import JSONResponse, Response
except ModuleNotFoundError as _error:
    if _error.name != "fastapi":
        raise
    raise ModuleNotFoundError(f"{__name__} needs: pip install fastapi", name="fastapi") from None

App = TypeVar("App", bound=FastAPI)
AppLifespan = Callable[[App], AbstractAsyncContextManager[Mapping[str, Any] | None]]
"""The lifespan of an app, as FastAPI takes it."""

UNPROCESSABLE: Final = 422


def lifespan(
    *registries: Registry[Any, Any], around: "AppLifespan[App] | None" = None
) -> Callable[[App], AbstractAsyncContextManager[dict[str, Any]]]:
    """Return a lifespan for `FastAPI(lifespan=...)`: Redis is asked before the first request, clients close at the end.

        app = FastAPI(lifespan=lifespan(registry))
        app = FastAPI(lifespan=lifespan(registry, around=my_lifespan))

    Args:
        *registries: whose Redis is asked and whose clients are closed.
        around: the app's own lifespan, entered after the check and left before the clients close; what it
            yields is the app's state.

    Raises:
        BrokerUnavailableError: Redis does not answer, so the app does not start.
        BrokerRefusedError: Redis answers with an error, of a wrong password for example.
    """

    @asynccontextmanager
    async def composed(app: App) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            for registry in registries:
                await stack.enter_async_context(registry)
                # A script call like that of every enqueue: a server that may be pinged may still forbid scripts.
                await registry.job(new_job_id()).status()
            state = await stack.enter_async_context(around(app)) if around is not None else None
            yield dict(state or {})

    return composed


# -- one job -----------------------------------------------------------------------------


class JobFailure(BaseModel):
    """Why a job ended without a result."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    kind: str
    """`failed`, `aborted` or `expired`."""
    reason: str = ""
    """Why it is dead, where `kind` is `failed`: `failed`, `gave_up`, `invalid_arguments`, ..."""
    type: str
    """Class of the last error."""
    message: str
    """Text of the last error."""


class JobView(BaseModel):
    """What `GET /jobs/{job_id}` answers."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    job_id: str
    state: JobState
    task: str | None = None
    attempts: int = 0
    """Attempts so far that count."""
    result: JsonValue = None
    """What the task returned, as JSON, where the state is `done`."""
    error: JobFailure | None = None


def jobs_router(registry: Registry[Any, Any]) -> APIRouter:
    """Return a router with `GET /jobs/{job_id}`; 404 where nothing is known of the id.

        app.include_router(jobs_router(registry), dependencies=[Depends(logged_in)])

    The answer holds the result and the text of an error, so put it behind whatever guards the app.

    Args:
        registry: whose jobs are shown.
    """
    router = APIRouter()

    @router.get("/jobs/{job_id}", response_model=JobView, tags=["jobs"], summary="How a job is doing")
    async def show_job(job_id: str) -> Response:
        info = await registry.job(job_id).info()
        if info.state is JobState.NOT_FOUND:
            raise HTTPException(404, f"no job {job_id!r}: there was none of that id, or its result is no longer kept")
        # Written by pydantic: FastAPI's own writer fails on a result that is not a number.
        return Response(view_of(info).model_dump_json(), media_type="application/json")

    return router


def view_of(info: JobInfo) -> JobView:
    """Return what callers may see of a job.

    view_of(await job.info()).model_dump_json()
    """
    record = info.result
    result, failure = None, None
    if record is not None and record.kind == "done":
        result = from_json(record.body)
    elif record is not None and record.kind in {"failed", "aborted", "expired"}:
        error = record.error
        failure = JobFailure(kind=record.kind, reason=record.reason, type=error.type, message=error.message)
    return JobView(
        job_id=info.job_id, state=info.state, task=info.task, attempts=info.attempts, result=result, error=failure
    )


# -- arguments that do not fit -----------------------------------------------------------


def answer_422(app: FastAPI) -> None:
    """Let an `InvalidArgumentsError` that leaves a handler answer 422, in the form of FastAPI's own validation.

        answer_422(app)

    For apps whose callers give the arguments. Without it the error is a 500, which is right where a call that
    does not fit is the app's own mistake.
    """
    app.add_exception_handler(InvalidArgumentsError, _unprocessable)


async def _unprocessable(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, InvalidArgumentsError)
    detail = [
        {"type": "invalid_argument", "loc": [error.task, *problem.argument.split(".")], "msg": problem.problem}
        for problem in error.problems
    ]
    return JSONResponse({"detail": detail}, status_code=UNPROCESSABLE)
