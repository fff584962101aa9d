"""`call.py`: a call is validated, has its id, and may be sent again."""

import re

import pytest
from redis.asyncio import Redis

from scalr_tasks import Context, InvalidArgumentsError, Registry
from scalr_tasks.registry.call import new_ids


def test_ids_are_short_and_never_the_same() -> None:
    ids = [new_ids() for _ in range(1000)]

    assert len({job_id for job_id, _ in ids}) == len({nonce for _, nonce in ids}) == 1000
    assert all(re.fullmatch(r"[\w-]{20}", job_id) and re.fullmatch(r"[\w-]{12}", nonce) for job_id, nonce in ids)


async def test_a_call_is_validated_and_not_sent(registry: Registry, redis: Redis) -> None:
    @registry.task
    async def send(ctx: Context, invoice_id: int) -> None: ...

    call = send.call(1)

    assert (call.task, len(call.job_id)) == ("send", 20)
    assert repr(call) == f"<Call of send job {call.job_id}>"
    assert await redis.keys("*") == []
    with pytest.raises(InvalidArgumentsError):
        send.call("1")  # type: ignore[arg-type]  # what is tested


async def test_a_call_that_is_sent_again_stores_one_job(registry: Registry, redis: Redis) -> None:
    @registry.task
    async def send(ctx: Context, invoice_id: int) -> None: ...

    call = send.call(1)
    first, second = await call.enqueue(), await call.enqueue()

    assert first.job_id == second.job_id == call.job_id
    assert not second.duplicate
    assert await redis.zcard("arq:queue:default") == 1
