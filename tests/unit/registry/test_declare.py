"""`declare.py`: the contract in one module, the function in another."""

import pytest
from redis.asyncio import Redis

from scalr_tasks import Context, DefinitionError, MissingImplementationError, Registry, RegistryFrozenError
from scalr_tasks.registry.declare import DeclaredTask


@pytest.fixture
def send(registry: Registry) -> DeclaredTask[..., str]:
    @registry.declare(queue="bulk", retries=2)
    async def send(invoice_id: int, /, subject: str = "", *, copies: int = 1) -> str:
        raise NotImplementedError

    return send


async def test_a_contract_is_enqueued_without_its_function(
    registry: Registry, send: DeclaredTask[..., str], redis: Redis
) -> None:
    job = await send.enqueue(1, copies=2)

    assert await redis.zrange("arq:queue:bulk", 0, -1) == [job.job_id.encode()]
    assert send.signature == "(invoice_id: int, /, subject: str = '', *, copies: int = 1)"


async def test_an_async_function_implements_it(registry: Registry, send: DeclaredTask[..., str]) -> None:
    @send.implement
    async def body(ctx: Context, invoice_id: int, /, subject: str = "none", *, copies: int = 1, more: int = 5) -> str:
        return f"{ctx.task} {invoice_id} {subject} {copies} {more}"

    assert await body(1) == await send(1) == "send 1 none 1 5"
    assert registry.app().declarations["send"].takes_context


async def test_a_sync_function_implements_it_too(registry: Registry, send: DeclaredTask[..., str]) -> None:
    @send.implement
    def body(ctx: Context, invoice_id: int, /, subject: str = "", *, copies: int = 1) -> str:
        return f"sync {invoice_id}"

    assert body(1) == await send(1) == "sync 1"
    assert not registry.app().declarations["send"].is_async


async def test_what_is_missing_fails_in_the_worker_and_not_in_the_producer(
    registry: Registry, send: DeclaredTask[..., str]
) -> None:
    text = "declared without an implementation .*; put @send.implement over the function"

    await send.enqueue(1)
    with pytest.raises(MissingImplementationError, match=text):
        await send(1)
    with pytest.raises(MissingImplementationError, match=text):
        registry.compile()
    assert [finding.task for finding in registry.check()] == ["send"]


async def test_a_second_implementation_is_refused_with_the_place_of_the_first(send: DeclaredTask[..., str]) -> None:
    async def body(ctx: Context, invoice_id: int, /, subject: str = "", *, copies: int = 1) -> str:
        return ""

    send.implement(body)

    with pytest.raises(DefinitionError, match=r"implemented already, at tests/unit/registry/test_declare\.py:\d+"):
        send.implement(body)


async def no_copies(ctx: Context, invoice_id: int, /, subject: str = "") -> str: ...  # type: ignore[empty-body]
async def by_name(ctx: Context, invoice_id: int, subject: str = "", *, copies: int = 1) -> str: ...  # type: ignore[empty-body]
async def needs_more(ctx: Context, invoice_id: int, /, subject: str = "", *, copies: int = 1, x: int) -> str: ...  # type: ignore[empty-body]
async def no_default(ctx: Context, invoice_id: int, /, subject: str, *, copies: int = 1) -> str: ...  # type: ignore[empty-body]
async def no_context(invoice_id: int, /, subject: str = "", *, copies: int = 1) -> str: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (no_copies, "it does not take 'copies' of the contract .*; add the parameter 'copies'"),
        (by_name, "'invoice_id' is positional-only in one of contract and function"),
        (needs_more, "the contract does not give 'x' .*; give 'x' a default"),
        (no_default, "'subject' has a default in the contract and none here"),
        (no_context, r"the first parameter 'invoice_id' is int, not exactly Context\[...\]"),
    ],
)
async def test_a_function_that_does_not_take_what_the_contract_gives_is_refused(
    send: DeclaredTask[..., str], body: object, problem: str
) -> None:
    with pytest.raises(DefinitionError, match=problem):
        send.implement(body)  # type: ignore[call-overload]  # what is tested


async def test_further_keywords_of_the_contract_must_be_taken(registry: Registry) -> None:
    @registry.declare()
    async def send(**extra: int) -> None: ...

    async def without(ctx: Context) -> None: ...
    async def whole(ctx: Context, /, **extra: int) -> None: ...

    with pytest.raises(DefinitionError, match=r"it does not take \*\*extra of the contract"):
        send.implement(without)  # type: ignore[call-overload]  # what is tested
    send.implement(whole)


async def test_a_context_that_is_not_imported_is_refused(send: DeclaredTask[..., str]) -> None:
    async def body(ctx: "Contxt", invoice_id: int, /, subject: str = "", *, copies: int = 1) -> str: ...  # type: ignore[empty-body,name-defined]  # noqa: F821

    with pytest.raises(DefinitionError, match="the annotation of 'ctx' names 'Contxt', which is not defined"):
        send.implement(body)


async def test_a_contract_is_written_as_async_def(registry: Registry) -> None:
    def send(invoice_id: int) -> None: ...

    with pytest.raises(DefinitionError, match="a contract is written as async def"):
        registry.declare()(send)  # type: ignore[type-var]  # what is tested


async def test_a_frozen_registry_takes_no_implementation(registry: Registry, send: DeclaredTask[..., str]) -> None:
    @send.implement
    async def body(ctx: Context, invoice_id: int, /, subject: str = "", *, copies: int = 1) -> str:
        return ""

    registry.compile()

    with pytest.raises(RegistryFrozenError):
        send.implement(no_copies)
